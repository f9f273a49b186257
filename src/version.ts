/** The version in package.json, for receipts and `--version`; found from the sources and from the built package alike. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

function packageFile(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) return file;
    if (folder === dirname(folder)) throw new Error("replayport was installed without its package.json");
  }
}

export const VERSION: string = (JSON.parse(readFileSync(packageFile(), "utf8")) as { version: string }).version;
