/** Texts that commands keep for later ones, in the staging folder's root, which only this user may enter. */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { TextMemory } from "../../destinations/destination.ts";
import { claimRoot } from "./root.ts";

export function memoryIn(path: string): TextMemory {
  const root = resolve(path);
  return {
    async recall(name) {
      await claimRoot(root);
      return await readFile(join(root, name), "utf8").catch(() => undefined);
    },
    async keep(name, text) {
      await claimRoot(root);
      const temporary = join(root, `${name}.${randomUUID()}`);
      try {
        await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
        await rename(temporary, join(root, name));
      } finally {
        await rm(temporary, { force: true });
      }
    },
  };
}
