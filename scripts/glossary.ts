/**
 * docs/glossary.md: the words of the Terminology blocks, each with the file that defines it.
 *
 * A block is part of a file's docblock: a line `Terminology`, then `- word: what it means` entries, which may span lines.
 */
import { globSync, readFileSync } from "node:fs";

export interface Term {
  readonly word: string;
  readonly meaning: string;
  readonly file: string;
}

export function terms(): Term[] {
  return globSync("{src,destinations}/**/*.ts")
    .sort()
    .flatMap((file) => termsIn(file, readFileSync(file, "utf8")))
    .sort((a, b) => (a.word < b.word ? -1 : 1));
}

export function termsIn(file: string, text: string): Term[] {
  const block = /\n \* Terminology\n((?: \* .*\n)+)/.exec(text)?.[1] ?? "";
  return block
    .split(/^ \* - /m)
    .slice(1)
    .map((entry) => {
      const [word = "", ...meaning] = entry
        .replaceAll(/\n \* */g, " ")
        .trim()
        .split(": ");
      return { word, meaning: meaning.join(": "), file };
    });
}

/** Words that have more than one definition. */
export function definedTwice(all: readonly Term[]): string[] {
  return [...Map.groupBy(all, ({ word }) => word)]
    .filter(([, definitions]) => definitions.length > 1)
    .map(([word, definitions]) => `${word} is defined in ${definitions.map(({ file }) => file).join(" and ")}`);
}

export function glossaryPage(all: readonly Term[]): string {
  const rows = all.map(({ word, meaning, file }) => {
    const sentence = meaning.charAt(0).toUpperCase() + meaning.slice(1);
    return `| **${word}** | ${sentence.replaceAll("|", "\\|")} | [${file}](../${file}) |`;
  });
  return `# Glossary

<!-- Written by scripts/write-docs.ts from the Terminology blocks in the sources. Don't edit: run \`npm run docs\`. -->

| word | meaning | defined in |
|---|---|---|
${rows.join("\n")}
`;
}
