import { readFile, writeFile } from "node:fs/promises";

const FILE = new URL("RESULTS.md", import.meta.url);
const BEGIN = "<!-- figures: written by npm run bench -->";
const END = "<!-- end of figures -->";

/** Puts the figures between the marks of RESULTS.md; what people wrote around them stays. */
export async function record(figures: string): Promise<void> {
  const text = await readFile(FILE, "utf8");
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`RESULTS.md lacks the lines ${BEGIN} and ${END}`);
  await writeFile(FILE, `${text.slice(0, begin + BEGIN.length)}\n\n${figures}\n\n${text.slice(end)}`);
}
