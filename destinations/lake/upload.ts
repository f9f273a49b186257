/** Uploads the files of a batch under the attempt's own names. */
import type { Batch } from "../destination.ts";
import type { LakeContext } from "./context.ts";
import { dataKey } from "./layout.ts";
import type { ManifestFile } from "./manifest.ts";
import { pull } from "../files/pull.ts";

/**
 * One file after the other: the core extracts the next one meanwhile, and a large file goes up in parallel parts. Every key
 * that may exist afterwards is put into `begun` before it is written, for whoever has to remove them.
 */
export async function uploadFiles(
  { store }: LakeContext,
  batch: Batch,
  path: string,
  begun: Set<string>,
  signal: AbortSignal,
): Promise<ManifestFile[]> {
  const done: ManifestFile[] = [];
  for await (const { index, rows, bytes, sha256, path: local, release } of pull(batch.files, signal)) {
    const key = dataKey(path, batch.interval, batch.attempt, index, batch.extension);
    begun.add(key);
    await store.putFile(key, { path: local, bytes, sha256 }, signal);
    await release();
    done.push({ key, rows, bytes, sha256 });
  }
  return done;
}
