/**
 * Reads a staged file in parts and hashes it on the way, so that what was staged is what is loaded, or nothing is. Otherwise a
 * file that was cut or changed on the local disk would be committed with the wrong counts.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { messageOf, ReplayportError, retry } from "../../src/errors.ts";
import type { StagedFile } from "../destination.ts";

/** Where a staged file is, and what it must contain. */
export type LocalFile = Pick<StagedFile, "path" | "bytes" | "sha256">;

/**
 * Buffers of `partBytes`, the last one shorter; an empty file gives one empty buffer. Rejects after the last part if the
 * bytes aren't those that were staged, so a caller may make nothing visible before the end.
 */
export async function* readStaged(file: LocalFile, partBytes: number, signal: AbortSignal): AsyncIterable<Buffer> {
  const hash = createHash("sha256");
  let position = 0;
  await using handle = await openStaged(file);
  do {
    signal.throwIfAborted();
    const part = await readPart(file, handle, position, Math.min(partBytes, file.bytes - position));
    hash.update(part);
    position += part.length;
    yield part;
  } while (position < file.bytes);
  await checkWhole(file, handle, hash);
}

/** @throws ReplayportError `stage.file_changed` */
export async function openStaged(file: LocalFile): Promise<FileHandle> {
  return await onDisk(file, open(file.path, "r"));
}

/** Exactly `bytes` bytes. @throws ReplayportError `stage.file_changed` if the file ends before that */
export async function readPart(
  file: LocalFile,
  handle: FileHandle,
  position: number,
  bytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const part = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await onDisk(file, handle.read(part, filled, bytes - filled, position + filled));
    if (bytesRead === 0) throw fileChanged(file, `it ends after ${position + filled} of ${file.bytes} bytes`);
    filled += bytesRead;
  }
  return part;
}

/** @param hash over all bytes that were read. @throws ReplayportError `stage.file_changed` */
export async function checkWhole(file: LocalFile, handle: FileHandle, hash: Hash): Promise<void> {
  const { size } = await onDisk(file, handle.stat());
  if (size !== file.bytes) throw fileChanged(file, `it has ${size} bytes, not ${file.bytes}`);
  // A copy, since a caller may have to send the last part again and check once more.
  if (hash.copy().digest("hex") !== file.sha256) throw fileChanged(file, "its SHA-256 differs");
}

async function onDisk<Answer>(file: LocalFile, work: Promise<Answer>): Promise<Answer> {
  try {
    return await work;
  } catch (error) {
    throw fileChanged(file, messageOf(error));
  }
}

export function fileChanged(file: LocalFile, detail: string): ReplayportError {
  return new ReplayportError(
    `the staged file ${file.path} isn't what was staged: ${detail}`,
    retry(
      "stage.file_changed",
      "Something else changed or removed it. Keep other programs away from the staging folder.",
    ),
  );
}
