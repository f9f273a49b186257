/** The coverage of an export by days and hours (UTC). Pure: what is known goes in, cells come out. */
import type { Receipt } from "../../../destinations/destination.ts";
import type { Backfill, ExportHistory, ExportRules, FailedInterval, Run } from "../../fleet/fleet.ts";
import { gaps } from "../../intervals/coverage.ts";
import { isSwept } from "../../intervals/due.ts";
import { contains, type Interval, overlaps } from "../../intervals/interval.ts";
import { readTime, valid } from "../../intervals/watermark.ts";

/** In the order of the legend. */
export const CELL_STATES = ["loaded", "swept", "audited", "missing", "running", "failed", "waiting", "none"] as const;
/**
 * - `audited`: loaded, and the last audit compared it with the source and found nothing lacking
 * - `missing`: due and not loaded, or an audit found sessions lacking
 * - `waiting`: not due yet
 * - `none`: before the export's start, after its end, or in the future
 */
export type CellState = (typeof CELL_STATES)[number];

export interface Cell {
  readonly interval: Interval;
  readonly state: CellState;
  /** A forced backfill has loaded it again. */
  readonly forced: boolean;
  readonly receipts: readonly Receipt[];
}

export interface Day {
  readonly start: Date;
  readonly cells: readonly Cell[];
}

export interface CoverageQuestion {
  readonly range: Interval;
  readonly rules: ExportRules;
  readonly history: ExportHistory;
  readonly failed: readonly Pick<FailedInterval, "interval">[];
  /** Of the export: those that are queued, running or waiting to be retried. */
  readonly runs: readonly Pick<Run, "interval">[];
  readonly backfills: readonly Backfill[];
  readonly now: Date;
}

const HOUR_MS = 3_600_000;

/** @param question its range is whole days */
export function coverageOf(question: CoverageQuestion): Day[] {
  const { range, history, now } = question;
  const receipts = valid(history.receipts, now);
  const forced = question.backfills.filter(({ force }) => force);
  const days: Day[] = [];
  for (let day = range.start.getTime(); day < range.end.getTime(); day += 24 * HOUR_MS) {
    const cells = Array.from({ length: 24 }, (_, hour): Cell => {
      const interval = { start: new Date(day + hour * HOUR_MS), end: new Date(day + (hour + 1) * HOUR_MS) };
      const of = receipts.filter((one) => overlaps(one.interval, interval));
      return {
        interval,
        state: stateOf(interval, of, question),
        forced: of.some((one) => forced.some((backfill) => isOf(one, backfill))),
        receipts: of,
      };
    });
    days.push({ start: new Date(day), cells });
  }
  return days;
}

function stateOf(hour: Interval, receipts: readonly Receipt[], question: CoverageQuestion): CellState {
  const { rules, history, failed, runs, now } = question;
  const last = rules.end !== undefined && rules.end < now ? rules.end : now;
  if (hour.end <= rules.start || hour.start >= last) return "none";
  const touches = ({ interval }: { readonly interval: Interval }): boolean => overlaps(interval, hour);
  if (failed.some(touches)) return "failed";
  if (runs.some(touches)) return "running";
  const due = {
    start: new Date(Math.max(hour.start.getTime(), rules.start.getTime())),
    end: new Date(Math.min(hour.end.getTime(), rules.dueUntil.getTime())),
  };
  const covered = receipts.map(({ interval }) => interval);
  if (due.start < due.end && gaps(due, covered).length > 0) return "missing";
  if (receipts.length === 0) return "waiting";
  const { audit } = history;
  if (audit) {
    const before = receipts.every((one) => readTime(one) < audit.readAt.getTime());
    if (before && audit.lackingIn.some((one) => overlaps(one, hour))) return "missing";
    if (before && audit.from !== undefined && hour.start >= audit.from && hour.end <= audit.readAt) return "audited";
  }
  const { sweep } = rules;
  return sweep && receipts.every((one) => isSwept(one, sweep)) ? "swept" : "loaded";
}

/** Whether the backfill has loaded it. */
function isOf({ interval, committedAt }: Receipt, { range, createdAt, finishedAt }: Backfill): boolean {
  return (
    contains(range, interval) && committedAt >= createdAt && (finishedAt === undefined || committedAt <= finishedAt)
  );
}
