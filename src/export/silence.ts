/** Notices that an export that is usually busy has begun to read nothing: an outage upstream looks like a quiet night. */
import type { Destination, Receipt } from "../../destinations/destination.ts";
import type { Interval } from "../intervals/interval.ts";

/** So many batches of the same length in a row, none of them empty, make an export a busy one. */
const BUSY_BATCHES = 24;
/** How far back to look, in batches. A longer silence is reported as one of this length. */
const LOOK_BACK = 3 * BUSY_BATCHES;

const lengthOf = ({ start, end }: Interval): number => end.getTime() - start.getTime();

/**
 * Since when a busy export has read nothing; undefined unless its newest batches are empty and those before them were busy.
 * @param receipts by start
 */
export function silentSince(receipts: readonly Pick<Receipt, "interval" | "rows">[]): Date | undefined {
  const newest = receipts.at(-1);
  if (newest === undefined || newest.rows > 0) return undefined;
  const length = lengthOf(newest.interval);
  const alike = receipts.filter(({ interval }) => lengthOf(interval) === length);
  const lastBusy = alike.findLastIndex(({ rows }) => rows > 0);
  const busy = alike.slice(Math.max(0, lastBusy + 1 - BUSY_BATCHES), lastBusy + 1);
  const isBusy = busy.length === BUSY_BATCHES && busy.every(({ rows }) => rows > 0);
  return isBusy ? alike[lastBusy + 1]?.interval.start : undefined;
}

/** The same, from the ledger. Ask only after a batch without rows: in a warehouse it costs a query. */
export async function readSilence(
  destination: Destination,
  interval: Interval,
  signal: AbortSignal,
): Promise<Date | undefined> {
  const start = new Date(interval.start.getTime() - LOOK_BACK * lengthOf(interval));
  return silentSince(await Array.fromAsync(destination.receipts({ start, end: interval.end }, signal)));
}
