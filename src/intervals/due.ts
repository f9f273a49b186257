/**
 * What is due: a pure function of the schedule, the receipts and the clock. Ticks aren't stored, so a missed tick, a crash
 * or a changed schedule costs nothing.
 *
 * Terminology
 * - settle: an interval may be read only this long after its end, since rows become visible after their `_timestamp`.
 * - sweep: a second, later read of a larger window, which finds the rows that became visible after their interval was
 *   read. Its batch replaces the smaller ones, so it also keeps the number of files down.
 * - swept: time that was read at least `sweep.afterMs` after its end. Any receipt can be a sweep; it depends on when it
 *   was read, not on who asked for it.
 */
import { gaps } from "./coverage.ts";
import { type Interval, overlaps } from "./interval.ts";
import type { Schedule } from "./schedule.ts";
import { type Covered, readTime, standing } from "./watermark.ts";

export interface Sweep {
  readonly schedule: Schedule;
  /** Milliseconds from the end of a window to its sweep. Rows that become visible later than this are missed. */
  readonly afterMs: number;
}

/** Time of ingestion in which an audit found rows at the source that the destination lacks. Only a later read covers it. */
export interface Lacking {
  readonly interval: Interval;
  /** When the audit read the source. */
  readonly foundAt: Date;
}

export interface DueQuestion {
  readonly schedule: Schedule;
  /** Start of the export's first interval. */
  readonly start: Date;
  /** Nothing after it is due. */
  readonly end?: Date | undefined;
  readonly settleMs: number;
  /** See `standing`. */
  readonly quietAfterMs: number;
  readonly sweep: Sweep | undefined;
  readonly covered: readonly Covered[];
  /** What audits found. Default: nothing. */
  readonly lacking?: readonly Lacking[];
  /** Time that somebody else is loading: as if it were loaded and swept. */
  readonly reserved?: readonly Interval[];
  /** The earlier of the worker's and the source's clock. */
  readonly now: Date;
  /** The most intervals to return; all of them if undefined. */
  readonly limit?: number;
}

/**
 * Cuts a range at the ticks of a schedule.
 * @param closed whether the range's end closes the last piece. Otherwise that piece is left out: its tick hasn't come yet
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

/** The pieces of [start, settled) that none of the intervals covers, cut at the ticks. */
function* open(
  { start, end }: Pick<DueQuestion, "start" | "end">,
  settled: Date,
  covered: readonly Interval[],
  schedule: Schedule,
): Generator<Interval> {
  const hasEnded = end !== undefined && end <= settled;
  const until = hasEnded ? end : settled;
  if (start >= until) return;
  for (const gap of gaps({ start, end: until }, covered)) {
    // A gap that ends where a receipt begins is closed by it, and so is the last one by the export's end. Otherwise that one waits
    // for its tick.
    yield* cut(gap, schedule, hasEnded || gap.end < until);
  }
}

/** The time that receipts cover, without the pieces, cut at the ticks, in which an audit has found since that rows are lacking. */
function withoutLacking(
  receipts: readonly Covered[],
  lacking: readonly Lacking[],
  schedule: Schedule,
): readonly Interval[] {
  return receipts.flatMap((one) => {
    const found = lacking.filter(
      ({ interval, foundAt }) => overlaps(interval, one.interval) && readTime(one) < foundAt.getTime(),
    );
    if (found.length === 0) return [one.interval];
    const again = [...cut(one.interval, schedule, true)].filter((piece) =>
      found.some(({ interval }) => overlaps(interval, piece)),
    );
    return gaps(one.interval, again);
  });
}

const before = (time: Date, ms: number): Date => new Date(Math.floor((time.getTime() - ms) / 1000) * 1000);

/** Whether the interval was read late enough to find everything that its sweep would find. */
export function isSwept(covered: Covered, sweep: Sweep): boolean {
  return readTime(covered) >= covered.interval.end.getTime() + sweep.afterMs;
}

function sweepsDue(question: DueQuestion, covered: readonly Covered[], reserved: readonly Interval[]): Interval[] {
  const { sweep, lacking = [] } = question;
  if (!sweep) return [];
  const late = covered.filter((one) => isSwept(one, sweep));
  const swept = [...withoutLacking(late, lacking, sweep.schedule), ...reserved];
  const windows = open(question, before(question.now, sweep.afterMs), swept, sweep.schedule);
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
 * The intervals to load now, oldest first. Time that is old enough to be swept is loaded in the sweep's windows right away,
 * whether it was loaded before or not: after an outage of a month that is 30 batches, not 720.
 */
export function due(question: DueQuestion): Interval[] {
  const { reserved = [], lacking = [] } = question;
  const receipts = standing(question.covered, question.quietAfterMs, question.now);
  const sweeps = sweepsDue(question, receipts, reserved);
  const covered = [...withoutLacking(receipts, lacking, question.schedule), ...sweeps, ...reserved];
  const live = open(question, before(question.now, question.settleMs), covered, question.schedule);
  const all = [...sweeps, ...take(live, question.limit)];
  return all.sort((a, b) => a.start.getTime() - b.start.getTime()).slice(0, question.limit);
}
