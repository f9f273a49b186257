/** Uploads the files of a batch under the attempt's own names. */
import type { Batch } from "../destination.ts";
import type { LakeContext } from "./context.ts";
import { dataKey } from "./layout.ts";
import type { ManifestFile } from "./manifest.ts";
import { pull } from "./pull.ts";

/**
 * One file is on its way while the next is pulled, so at most two are on the local disk. Every key that may exist
 * afterwards is put into `begun` before it is written, for whoever has to remove them.
 */
export async function uploadFiles(
  { store }: LakeContext,
  batch: Batch,
  path: string,
  begun: Set<string>,
  signal: AbortSignal,
): Promise<ManifestFile[]> {
  const done: ManifestFile[] = [];
  let uploading: Promise<void> = Promise.resolve();
  try {
    for await (const file of pull(batch.files, signal)) {
      await uploading;
      signal.throwIfAborted();
      const key = dataKey(path, batch.interval, batch.attempt, file.index, batch.extension);
      begun.add(key);
      done.push({ key, rows: file.rows, bytes: file.bytes, sha256: file.sha256 });
      uploading = store.putFile(key, file, signal);
      // Its error is met by `await uploading`; until then it is not unhandled.
      uploading.catch(() => undefined);
    }
    await uploading;
    return done;
  } catch (error) {
    // An upload that ended after the clean-up would leave its file behind.
    await uploading.catch(() => undefined);
    throw error;
  }
}
