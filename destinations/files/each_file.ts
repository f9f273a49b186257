/** The files of a batch on their way to a destination: pulled, put, released, counted. */
import type { StagedFile, Totals } from "../destination.ts";
import { pull } from "./pull.ts";

export interface Put<Result> {
  /** In the order of the files. */
  readonly results: readonly Result[];
  readonly totals: Totals;
}

/**
 * Puts up to `parallel` files at a time; each is released once it has been put. The next file is asked for as soon as there
 * is room, so the core extracts it meanwhile. The first error aborts the other puts, which have all ended when this
 * rejects with it: nothing arrives after the caller has cleaned up.
 */
export async function eachFile<Result>(
  files: AsyncIterable<StagedFile>,
  parallel: number,
  put: (file: StagedFile, signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Put<Result>> {
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const results: Result[] = [];
  const running = new Set<Promise<void>>();
  const totals = { rows: 0, bytes: 0, files: 0 };
  const putAndRelease = async (file: StagedFile, at: number): Promise<void> => {
    try {
      results[at] = await put(file, either);
      await file.release();
    } catch (error) {
      failing.abort(error);
    }
  };
  try {
    for await (const file of pull(files, either)) {
      const one = putAndRelease(file, totals.files).finally(() => running.delete(one));
      running.add(one);
      totals.rows += file.rows;
      totals.bytes += file.bytes;
      totals.files += 1;
      if (running.size >= parallel) await Promise.race(running);
    }
  } catch (error) {
    failing.abort(error);
    throw error;
  } finally {
    await Promise.all(running);
  }
  either.throwIfAborted();
  return { results, totals };
}
