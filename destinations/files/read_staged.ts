/**
 * Reads a staged file part after part and hashes it on the way: what was staged is what is loaded, or nothing. A file that
 * was cut or changed on the local disk would otherwise be committed under counts that it does not have.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import type { StagedFile } from "../destination.ts";

/** The part of a staged file that is copied: where it is, and how to see that it is what was staged. */
export type LocalFile = Pick<StagedFile, "path" | "bytes" | "sha256">;

/**
 * Buffers of `partBytes`, the last one shorter; an empty file gives one empty buffer. Rejects after the last part where
 * the bytes are not those that were staged, so nothing may be made visible before the end.
 */
export async function* readStaged(file: LocalFile, partBytes: number, signal: AbortSignal): AsyncIterable<Buffer> {
  const hash = createHash("sha256");
  let position = 0;
  try {
    await using handle = await open(file.path, "r");
    do {
      signal.throwIfAborted();
      const size = Math.min(partBytes, file.bytes - position);
      const part = Buffer.allocUnsafe(size);
      let filled = 0;
      while (filled < size) {
        const { bytesRead } = await handle.read(part, filled, size - filled, position + filled);
        if (bytesRead === 0) throw changed(file, `it ends after ${position + filled} of ${file.bytes} bytes`);
        filled += bytesRead;
      }
      hash.update(part);
      position += size;
      yield part;
    } while (position < file.bytes);
    const { size } = await handle.stat();
    if (size !== file.bytes) throw changed(file, `it has ${size} bytes, not ${file.bytes}`);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw changed(file, messageOf(error));
    throw error;
  }
  if (hash.digest("hex") !== file.sha256) throw changed(file, "its SHA-256 is another");
}

function changed(file: LocalFile, detail: string): ReplayportError {
  return new ReplayportError(`the staged file ${file.path} is not what was staged: ${detail}`, {
    code: "lake.staged_file",
    remedy: "retry",
    hint: "Something else changed or removed it. Keep other programs away from the staging folder.",
  });
}
