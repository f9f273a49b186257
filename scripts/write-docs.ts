/**
 * Writes what is generated from the sources: docs/config.md, docs/columns.md, docs/error-codes.md, docs/glossary.md, and what
 * each room may import in ARCHITECTURE.md.
 *
 * `node scripts/write-docs.ts` writes them; with `--check` it only says what is out of date, and exits 1 if anything is. Both
 * report codes with the wrong prefix, codes that only the docs know, words that are defined twice, and rooms that the table
 * lacks.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { configJsonSchema } from "../src/config/problems/json_schema.ts";
import { columnsPage } from "./columns_page.ts";
import { configPage } from "./config_reference.ts";
import { codeProblems, codeSites, errorCodesPage } from "./error_codes.ts";
import { definedTwice, glossaryPage, terms } from "./glossary.ts";
import { roomProblems, withImports } from "./rooms_table.ts";

const sites = codeSites();
const words = terms();
const architecture = readFileSync("ARCHITECTURE.md", "utf8");
const generated = new Map([
  ["ARCHITECTURE.md", withImports(architecture)],
  ["docs/columns.md", columnsPage()],
  ["docs/config.md", configPage(configJsonSchema())],
  ["docs/error-codes.md", errorCodesPage(sites)],
  ["docs/glossary.md", glossaryPage(words)],
]);
const pages = globSync("{*.md,docs/**/*.md}").filter(
  (page) => page !== "CHANGELOG.md" && !page.startsWith("docs/error-codes"),
);
const configKeys = new Set([...JSON.stringify(configJsonSchema()).matchAll(/"(\w+)":\{/g)].map(([, key = ""]) => key));
const problems = [
  ...codeProblems(sites, new Map(pages.map((page) => [page, readFileSync(page, "utf8")])), configKeys),
  ...definedTwice(words),
  ...roomProblems(architecture),
];
for (const [page, wanted] of generated) {
  if (!process.argv.includes("--check")) writeFileSync(page, wanted);
  else if (!existsSync(page) || readFileSync(page, "utf8") !== wanted)
    problems.push(`${page} is out of date: npm run docs`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
