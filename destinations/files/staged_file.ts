import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import type { StagedFile } from "../destination.ts";

/** Makes a staged file of a small file that the core did not stage: the probe of a check, the batches of a test. */
export async function stagedFile(
  path: string,
  { index = 0, rows }: { index?: number; rows: number },
): Promise<StagedFile> {
  const content = await readFile(path);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { path, index, rows, bytes: content.length, sha256, release: async () => await rm(path) };
}
