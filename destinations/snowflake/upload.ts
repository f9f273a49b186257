/** Brings the files of a batch to the stage, several at a time. */
import { basename } from "node:path";
import type { Batch, StagedFile } from "../destination.ts";
import { pull } from "../files/pull.ts";
import type { Stage } from "./stage.ts";

/** The driver sends one file in one request, so more of them fill a line that one does not. */
const UPLOADS = 4;

export interface Uploaded {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
}

/** The next file is asked for while up to four are on their way. The first failure ends all, and is the one that is thrown. */
export async function uploadFiles(
  stage: Stage,
  folder: string,
  batch: Batch,
  signal: AbortSignal,
): Promise<Uploaded[]> {
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const uploaded: Uploaded[] = [];
  const running = new Set<Promise<void>>();
  const begin = ({ rows, bytes, sha256, path, release }: StagedFile): void => {
    // PUT keeps the name of the local file.
    const name = basename(path);
    if (uploaded.some((other) => other.name === name)) throw new Error(`two staged files are called ${name}`);
    const upload = stage
      .put(folder, name, { path, bytes, sha256 }, either)
      .then(release)
      .catch((error: unknown) => failing.abort(error))
      .finally(() => running.delete(upload));
    running.add(upload);
    uploaded.push({ name, rows, bytes });
  };
  try {
    for await (const file of pull(batch.files, either)) {
      begin(file);
      if (running.size >= UPLOADS) await Promise.race(running);
    }
  } finally {
    // What is on its way must not arrive after the folder was removed.
    await Promise.all(running);
  }
  either.throwIfAborted();
  return uploaded.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}
