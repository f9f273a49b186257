/**
 * What is due: a pure function of the schedule, the receipts and the clock. Nothing remembers a tick, so a missed tick, a
 * crash or a changed schedule costs nothing.
 *
 * Terminology
 * - settle: an interval may be read only this long after its end, since rows become visible after their `_timestamp`.
 * - sweep: a second, later reading of a larger window, which finds the rows that became visible after their interval was
 *   read. Its batch takes the place of the smaller ones, so it also keeps the number of files down.
 * - swept: time that was read at least `sweep.afterMs` after its end. Any receipt can be a sweep; it depends on when it
 *   was read, not on who asked for it.
 */
import { gaps } from "./coverage.ts";
import type { Interval } from "./interval.ts";
import type { Schedule } from "./schedule.ts";

export interface Sweep {
  readonly schedule: Schedule;
  /** Milliseconds between the end of a window and its sweep: the longest delay of a row that is still found. */
  readonly afterMs: number;
}

/** What a receipt tells about time. */
export interface Covered {
  readonly interval: Interval;
  readonly committedAt: Date;
}

export interface DueQuestion {
  readonly schedule: Schedule;
  /** The first moment that the export wants. */
  readonly start: Date;
  readonly settleMs: number;
  readonly sweep: Sweep | undefined;
  readonly covered: readonly Covered[];
  readonly now: Date;
  /** At most so many intervals; all of them where undefined. */
  readonly limit?: number;
}

/**
 * Cuts a range at the ticks of a schedule.
 * @param closed whether the range's own end closes the last piece; else that piece is left out, since its tick is to come
 */
export function* cut(range: Interval, schedule: Schedule, closed: boolean): Generator<Interval> {
  let from = range.start;
  while (from < range.end) {
    const tick = schedule.next(from);
    if (tick === undefined || tick > range.end) {
      if (closed) yield { start: from, end: range.end };
      return;
    }
    yield { start: from, end: tick };
    from = tick;
  }
}

/** The pieces of [start, until) that none of the intervals covers, cut at the ticks. */
function* open(start: Date, until: Date, covered: readonly Interval[], schedule: Schedule): Generator<Interval> {
  if (start >= until) return;
  for (const gap of gaps({ start, end: until }, covered)) {
    // A gap that ends where a receipt begins is closed by it; only the last one waits for its tick.
    yield* cut(gap, schedule, gap.end < until);
  }
}

const before = (time: Date, ms: number): Date => new Date(Math.floor((time.getTime() - ms) / 1000) * 1000);

/** Whether a reading at this time finds all that a sweep would find. */
export function isSwept(covered: Covered, sweep: Sweep): boolean {
  return covered.committedAt.getTime() >= covered.interval.end.getTime() + sweep.afterMs;
}

function sweepsDue(question: DueQuestion): Interval[] {
  const { sweep } = question;
  if (!sweep) return [];
  const swept = question.covered.filter((one) => isSwept(one, sweep)).map((one) => one.interval);
  const windows = open(question.start, before(question.now, sweep.afterMs), swept, sweep.schedule);
  return take(windows, question.limit);
}

function take(intervals: Iterable<Interval>, limit: number | undefined): Interval[] {
  const taken: Interval[] = [];
  for (const one of intervals) {
    if (limit !== undefined && taken.length >= limit) break;
    taken.push(one);
  }
  return taken;
}

/**
 * The intervals to load now, oldest first. Time that is old enough to be swept is asked for in the sweep's windows at
 * once, whether it was loaded before or not: an outage of a month costs 30 batches, not 720.
 */
export function due(question: DueQuestion): Interval[] {
  const sweeps = sweepsDue(question);
  const covered = [...question.covered.map((one) => one.interval), ...sweeps];
  const live = open(question.start, before(question.now, question.settleMs), covered, question.schedule);
  const all = [...sweeps, ...take(live, question.limit)];
  return all.sort((a, b) => a.start.getTime() - b.start.getTime()).slice(0, question.limit);
}
