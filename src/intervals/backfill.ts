/** Plans a backfill: which intervals to load for a range, and how many of them to join into one batch. Pure. */
import { gaps, union } from "./coverage.ts";
import { cut } from "./due.ts";
import { type Interval, overlaps } from "./interval.ts";
import type { Schedule } from "./schedule.ts";

/** Sessions that changed in an interval. A list of these is disjoint and sorted. */
export interface Density {
  readonly interval: Interval;
  readonly rows: number;
}

export interface BackfillQuestion {
  readonly range: Interval;
  readonly schedule: Schedule;
  readonly settleMs: number;
  readonly now: Date;
  readonly covered: readonly Interval[];
  /** Also load what has a receipt. */
  readonly force: boolean;
  readonly join: Join;
}

/**
 * How many intervals of the schedule are joined into one batch.
 * - `fixed`: cut at the ticks of this schedule.
 * - `rows`: join intervals while a batch stays below `maxRows`, and within one tick of `within`, so that a lake folder for a
 *   day never has more than that day's changes.
 */
export type Join =
  | { readonly kind: "fixed"; readonly schedule: Schedule }
  | {
      readonly kind: "rows";
      readonly maxRows: number;
      readonly within: Schedule;
      readonly density: readonly Density[];
    };

/** Rows to expect in an interval, in proportion to its overlap with each entry of `density`. */
export function expectedRows(of: Interval, density: readonly Density[]): number {
  let rows = 0;
  // Binary search: a year's plan would otherwise scan every hour for every interval.
  for (let at = firstEndingAfter(of.start, density); at < density.length; at += 1) {
    const stretch = density[at];
    if (stretch === undefined || stretch.interval.start >= of.end) break;
    const from = Math.max(stretch.interval.start.getTime(), of.start.getTime());
    const to = Math.min(stretch.interval.end.getTime(), of.end.getTime());
    rows += (stretch.rows * (to - from)) / (stretch.interval.end.getTime() - stretch.interval.start.getTime());
  }
  return Math.ceil(rows);
}

function firstEndingAfter(time: Date, density: readonly Density[]): number {
  let low = 0;
  let high = density.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const stretch = density[middle];
    if (stretch !== undefined && stretch.interval.end <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* joinByRows(gap: Interval, schedule: Schedule, join: Join & { kind: "rows" }): Generator<Interval> {
  for (const bound of cut(gap, join.within, true)) {
    let from = bound.start;
    let rows = 0;
    for (const piece of cut(bound, schedule, true)) {
      const more = expectedRows(piece, join.density);
      if (rows > 0 && rows + more > join.maxRows) {
        yield { start: from, end: piece.start };
        from = piece.start;
        rows = 0;
      }
      rows += more;
    }
    if (from < bound.end) yield { start: from, end: bound.end };
  }
}

/** A forced reload replaces whole receipts. Replacing part of one would leave the rest of its file under the old rules. */
function wholeReceipts(range: Interval, covered: readonly Interval[]): Interval {
  const touched = covered.filter((one) => overlaps(one, range));
  const widened = union([range, ...touched]).find((one) => overlaps(one, range));
  return widened ?? range;
}

function mergeAcrossReceipts(pieces: Iterable<Interval>, covered: readonly Interval[]): Interval[] {
  const byStart = covered.toSorted((a, b) => a.start.getTime() - b.start.getTime());
  const merged: Interval[] = [];
  let seen = 0;
  let reach = Number.NEGATIVE_INFINITY;
  for (const piece of pieces) {
    const start = piece.start.getTime();
    for (let next = byStart[seen]; next !== undefined && next.start.getTime() < start; next = byStart[seen]) {
      reach = Math.max(reach, next.end.getTime());
      seen += 1;
    }
    const last = merged.at(-1);
    // A receipt that began before this piece ends after its start, so a cut here would split it.
    if (last && reach > start) merged[merged.length - 1] = { start: last.start, end: piece.end };
    else merged.push(piece);
  }
  return merged;
}

/** The intervals of a backfill, oldest first, disjoint; none ends later than `now - settle`. */
export function planBackfill(question: BackfillQuestion): Interval[] {
  const { range, covered, force } = question;
  const settled = Math.floor((question.now.getTime() - question.settleMs) / 1000) * 1000;
  const end = new Date(Math.min(range.end.getTime(), settled));
  if (end <= range.start) return [];
  const wanted = { start: range.start, end };
  const stretches = force ? [wholeReceipts(wanted, covered)] : gaps(wanted, covered);
  const pieces = stretches.flatMap((stretch) => {
    // An end that the user chose closes a piece. An end that comes from `settle`, in the middle of an interval, doesn't.
    const cutShort = stretch.end.getTime() === settled && settled < range.end.getTime();
    const whole = cutShort ? untilLastTick(stretch, question.schedule) : stretch;
    if (!whole) return [];
    const { join } = question;
    return join.kind === "fixed"
      ? [...cut(whole, join.schedule, true)]
      : [...joinByRows(whole, question.schedule, join)];
  });
  return force ? mergeAcrossReceipts(pieces, covered) : pieces;
}

function untilLastTick(stretch: Interval, schedule: Schedule): Interval | undefined {
  const pieces = [...cut(stretch, schedule, false)];
  const last = pieces.at(-1);
  return last ? { start: stretch.start, end: last.end } : undefined;
}
