/**
 * Writes the pages that are generated from the sources: docs/error-codes.md and docs/glossary.md.
 *
 * `node scripts/write-docs.ts` writes them; with `--check` it only says what is out of date, and exits 1 if anything is. Both
 * report codes with the wrong prefix, codes that only the docs know, and words that are defined twice.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { configJsonSchema } from "../src/config/problems/json_schema.ts";
import { codeProblems, codeSites, errorCodesPage } from "./error_codes.ts";
import { definedTwice, glossaryPage, terms } from "./glossary.ts";

const sites = codeSites();
const words = terms();
const generated = new Map([
  ["docs/error-codes.md", errorCodesPage(sites)],
  ["docs/glossary.md", glossaryPage(words)],
]);
const pages = globSync("{*.md,docs/**/*.md}").filter((page) => page !== "CHANGELOG.md" && !generated.has(page));
const configKeys = new Set([...JSON.stringify(configJsonSchema()).matchAll(/"(\w+)":\{/g)].map(([, key = ""]) => key));
const problems = [
  ...codeProblems(sites, new Map(pages.map((page) => [page, readFileSync(page, "utf8")])), configKeys),
  ...definedTwice(words),
];
for (const [page, wanted] of generated) {
  if (!process.argv.includes("--check")) writeFileSync(page, wanted);
  else if (!existsSync(page) || readFileSync(page, "utf8") !== wanted)
    problems.push(`${page} is out of date: npm run docs`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
