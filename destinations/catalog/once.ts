/** Work that several callers wait for, such as a new token: if one stops waiting, the work continues for the others. */
import { unlessAborted } from "../../src/abort.ts";

/** Runs the work at the first call, and again after it has failed. What it resolves with is kept. */
export function once<Value>(work: () => Promise<Value>): (signal: AbortSignal) => Promise<Value> {
  let running: Promise<Value> | undefined;
  return async (signal) => {
    signal.throwIfAborted();
    running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return await unlessAborted(running, signal);
  };
}
