/**
 * Which receipts still say something about time, and which intervals have to be read again. Pure.
 *
 * Terminology
 * - watermark: the newest ingestion time, of any team, that the source showed when an interval was read.
 * - open: an interval that was read before the watermark had reached its end. Its rows may still be on their way: PostHog's
 *   consumer may be behind, or the replica that answered still fetching its parts.
 */
import type { Interval } from "./interval.ts";

/** What a receipt says about time. */
export interface Covered {
  readonly interval: Interval;
  /** When the read of the source began, by the earlier of the worker's and the source's clock. */
  readonly readAt: Date;
  /** Undefined: the model has none, or an earlier version wrote the receipt. The interval then counts as closed. */
  readonly watermark?: Date | undefined;
  readonly committedAt: Date;
}

/** How far in the future a receipt may seem to have been read. Clocks of workers differ by less than this. */
const AHEAD_MS = 10 * 60_000;

/**
 * When the interval was read, as far as that can be believed. A receipt with a watermark comes from a version that compares
 * clocks. Any other may have been written by a wrong clock: nothing is read long after its commit, whose time the destination gave.
 */
export function readTime({ readAt, watermark, committedAt }: Omit<Covered, "interval">): number {
  return (watermark === undefined && isFromFuture(readAt, committedAt) ? committedAt : readAt).getTime();
}

/** Whether a receipt says that it was read later than `now`. A wrong clock wrote it. */
export function isFromFuture(readAt: Date, now: Date): boolean {
  return readAt.getTime() > now.getTime() + AHEAD_MS;
}

/** Whether the interval had ended when it was read. */
export function hasEnded(one: Covered): boolean {
  return readTime(one) >= one.interval.end.getTime();
}

/** The receipts that no wrong clock wrote. */
export function valid<One extends Covered>(covered: readonly One[], now: Date): One[] {
  const latest = now.getTime() + AHEAD_MS;
  return covered.filter((one) => hasEnded(one) && readTime(one) <= latest);
}

export function isOpen(one: Covered): boolean {
  return one.watermark !== undefined && one.watermark < one.interval.end;
}

/**
 * The valid receipts whose interval needs no other read for now. An open interval is due again
 * - once a later read, of whatever interval, has shown that rows after its watermark have come and may lie in it,
 * - or once `quietAfterMs` has passed since its end and nothing was read since: the source may have moved on.
 *
 * Each read moves an interval behind all others, so no two receipts can ask for each other for ever. A source that stays
 * silent shows no new watermark, so its intervals are not read again, however long it lasts.
 */
export function standing<One extends Covered>(covered: readonly One[], quietAfterMs: number, now: Date): One[] {
  const known = valid(covered, now);
  if (!known.some(isOpen)) return known;
  const newestFirst = known.toSorted((a, b) => readTime(b) - readTime(a));
  const [newest] = newestFirst;
  const lastRead = newest === undefined ? 0 : readTime(newest);
  const again = new Set<Covered>();
  // The highest watermark among the receipts that were read later than the one at hand.
  let seen = Number.NEGATIVE_INFINITY;
  let ofSameTime = seen;
  let time = lastRead;
  for (const one of newestFirst) {
    if (readTime(one) < time) {
      time = readTime(one);
      seen = ofSameTime;
    }
    const { interval, watermark } = one;
    if (watermark === undefined) continue;
    ofSameTime = Math.max(ofSameTime, watermark.getTime());
    if (!isOpen(one)) continue;
    const quiet = interval.end.getTime() + quietAfterMs;
    const hasMoved = seen > watermark.getTime() && seen >= interval.start.getTime();
    if (hasMoved || (lastRead < quiet && quiet <= now.getTime())) again.add(one);
  }
  return known.filter((one) => !again.has(one));
}
