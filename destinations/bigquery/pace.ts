/**
 * A table takes 5 updates of its metadata in 10 seconds; its creation and load jobs are such updates.
 * https://cloud.google.com/bigquery/quotas#standard_tables
 */
import { wait, type Wait } from "../../src/retry.ts";

const MOST = 5;
const IN_MS = 10_000;

/** Called before each update of a table: waits where it would be one too many. */
export type Pace = (signal: AbortSignal) => Promise<void>;

export function pacer(pause: Wait = wait, now: () => number = () => performance.now()): Pace {
  const times: number[] = [];
  return async (signal) => {
    const before = times.at(-MOST);
    const left = before === undefined ? 0 : before + IN_MS - now();
    if (left > 0) await pause(left, signal);
    times.push(now());
  };
}
