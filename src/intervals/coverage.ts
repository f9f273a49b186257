/** Sets of time as sorted, disjoint, half-open ranges in epoch milliseconds. */
import type { Interval } from "./interval.ts";

/** Merges intervals that touch or overlap; sorted by start. */
export function union(intervals: Iterable<Interval>): Interval[] {
  const joined: Interval[] = [];
  // A ledger in memory is sorted already, and a scheduler merges thousands of them each minute. Dates compare slowly.
  const sorted = [...intervals];
  const startOf = (index: number): number => sorted[index]?.start.getTime() ?? Number.POSITIVE_INFINITY;
  if (sorted.some((_, index) => startOf(index) > startOf(index + 1))) {
    sorted.sort((a, b) => a.start.getTime() - b.start.getTime());
  }
  for (const next of sorted) {
    const last = joined.at(-1);
    if (last && next.start.getTime() <= last.end.getTime()) {
      if (next.end.getTime() > last.end.getTime()) {
        joined[joined.length - 1] = { start: last.start, end: next.end };
      }
    } else {
      joined.push(next);
    }
  }
  return joined;
}

/** The parts of the range that none of the intervals covers, by start. */
export function gaps(range: Interval, covered: Iterable<Interval>): Interval[] {
  const open: Interval[] = [];
  let from = range.start;
  for (const taken of union(covered)) {
    if (taken.end <= from) continue;
    if (taken.start >= range.end) break;
    if (taken.start > from) open.push({ start: from, end: taken.start });
    from = taken.end;
  }
  if (from < range.end) open.push({ start: from, end: range.end });
  return open;
}

/** The first time at or after `from` that no interval covers. */
export function firstUncovered(from: Date, covered: Iterable<Interval>): Date {
  return union(covered).find((taken) => taken.start <= from && from < taken.end)?.end ?? from;
}
