/**
 * Which receipts of an append-only ledger count. A commit adds its receipt and removes none: both warehouses let appends run
 * at once, while changing rows of one table locks it (Snowflake) or cancels the other transaction (BigQuery), and one ledger
 * serves all tables of a dataset or schema. Earlier versions removed replaced receipts; what they left reads the same.
 */
import { isFromFuture } from "../src/intervals/watermark.ts";
import type { Coverage } from "./destination.ts";

/**
 * Without those that a later commit has replaced: one of the same interval, or of a longer one around it, that was read no
 * earlier. A receipt from the future doesn't count as read later: a wrong clock wrote it.
 * @param receipts of one export and table
 * @returns by start, the shorter first
 */
export function currentReceipts<One extends Coverage>(receipts: readonly One[]): One[] {
  // Whatever may replace a receipt comes before it: longer ones of the same start, and of one interval the later commit.
  const order = (a: One, b: One): number =>
    startOf(a) - startOf(b) || endOf(b) - endOf(a) || b.committedAt.getTime() - a.committedAt.getTime();
  const current: One[] = [];
  let around: One[] = [];
  for (const one of receipts.toSorted(order)) {
    around = around.filter((other) => endOf(other) > startOf(one));
    if (!around.some((other) => replaces(other, one))) current.push(one);
    around.push(one);
  }
  return current.sort((a, b) => startOf(a) - startOf(b) || endOf(a) - endOf(b));
}

function replaces(later: Coverage, one: Coverage): boolean {
  return (
    later.committedAt > one.committedAt &&
    endOf(later) >= endOf(one) &&
    (one.readAt <= later.readAt || isFromFuture(one.readAt, later.committedAt))
  );
}

function startOf({ interval }: Coverage): number {
  return interval.start.getTime();
}

function endOf({ interval }: Coverage): number {
  return interval.end.getTime();
}
