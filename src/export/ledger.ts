/** What an export's receipts say about time: what is due, what is missing, how far behind the export is. */
import type { Coverage, Destination } from "../../destinations/destination.ts";
import { firstUncovered, gaps, union } from "../intervals/coverage.ts";
import { type DueQuestion, due, type Lacking } from "../intervals/due.ts";
import type { Interval } from "../intervals/interval.ts";
import { standing, valid } from "../intervals/watermark.ts";
import type { ExportDefinition } from "./definition.ts";

/** Later than any interval that can be due. */
const FAR = new Date("9999-01-01T00:00:00Z");
const EPOCH = new Date(0);

/** Every interval after `start` that has a receipt, by one cheap listing. */
export async function readCoverage(destination: Destination, signal: AbortSignal, start = EPOCH): Promise<Coverage[]> {
  return await Array.fromAsync(destination.covered({ start, end: FAR }, signal));
}

/** @param now the earlier of the worker's and the source's clock */
export function dueIntervals(
  { schedule, start, end, settleMs, quietAfterMs, sweep }: ExportDefinition,
  covered: readonly Coverage[],
  now: Date,
  more: Pick<DueQuestion, "limit" | "reserved" | "lacking"> = {},
): Interval[] {
  return due({ schedule, start, end, settleMs, quietAfterMs, sweep, ...more, covered, now });
}

/** What a backfill has to leave out: unless forced, the intervals that need no other read. */
export function coveredForBackfill(
  { quietAfterMs }: Pick<ExportDefinition, "quietAfterMs">,
  covered: readonly Coverage[],
  now: Date,
  force: boolean,
): Interval[] {
  return (force ? covered : standing(covered, quietAfterMs, now)).map(({ interval }) => interval);
}

export interface LedgerState {
  /** Ranges without a receipt between the export's start and the newest receipt's end. */
  readonly gaps: readonly Interval[];
  readonly due: number;
  /** Everything from the export's start to here is loaded, open intervals included. Undefined if nothing is. */
  readonly loadedUntil: Date | undefined;
  /** Seconds from there, or from the export's start, to now. */
  readonly lagSeconds: number;
}

export function ledgerState(
  definition: ExportDefinition,
  covered: readonly Coverage[],
  now: Date,
  lacking: readonly Lacking[] = [],
): LedgerState {
  return { ...loadedState(definition, covered, now), due: dueIntervals(definition, covered, now, { lacking }).length };
}

/** Seconds from what is loaded to now, or to the export's end if that has passed. */
export function lagOf(
  { start, end }: Pick<ExportDefinition, "start" | "end">,
  loadedUntil: Date | undefined,
  now: Date,
): number {
  const until = end !== undefined && end < now ? end : now;
  return Math.max(0, (until.getTime() - (loadedUntil ?? start).getTime()) / 1000);
}

/** The ledger's state without what is due, for schedulers, which have counted that already. */
export function loadedState(
  definition: Pick<ExportDefinition, "start" | "end">,
  covered: readonly Coverage[],
  now: Date,
): Omit<LedgerState, "due"> {
  const { start } = definition;
  const intervals = union(valid(covered, now).map((one) => one.interval));
  const until = firstUncovered(start, intervals);
  const newest = intervals.reduce((latest, { end }) => (end > latest ? end : latest), start);
  return {
    gaps: newest > start ? gaps({ start, end: newest }, intervals) : [],
    loadedUntil: until > start ? until : undefined,
    lagSeconds: lagOf(definition, until, now),
  };
}
