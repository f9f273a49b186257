/** Texts that commands keep for later ones, in the staging folder's root, which only this user may enter. */
import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { TextMemory } from "../../destinations/destination.ts";
import { openFile } from "../../destinations/files/open_file.ts";
import { claimFolder } from "../../destinations/files/private_folder.ts";

export function memoryIn(path: string): TextMemory {
  const root = resolve(path);
  return {
    async recall(name) {
      await claimFolder(root);
      await using file = await openFile(join(root, name)).catch(() => undefined);
      return await file?.readFile("utf8");
    },
    async keep(name, text) {
      await claimFolder(root);
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
