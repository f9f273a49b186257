/** Sets of time as sorted, disjoint, half-open ranges in epoch milliseconds. */
import type { Interval } from "./interval.ts";

/** Merges intervals that touch or overlap; sorted by start. */
export function union(intervals: Iterable<Interval>): Interval[] {
  const joined: Interval[] = [];
  for (const next of [...intervals].sort((a, b) => a.start.getTime() - b.start.getTime())) {
    const last = joined.at(-1);
    if (last && next.start <= last.end) {
      if (next.end > last.end) joined[joined.length - 1] = { start: last.start, end: next.end };
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
