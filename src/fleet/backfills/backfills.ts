/**
 * Backfills: ranges that somebody asked for, enqueued a few intervals at a time. Whoever ends an interval enqueues the next
 * (`enqueueNext`). The scheduler does so each minute as well, and enqueues intervals again whose job was lost. A backfill is done
 * when receipts cover its range, whatever Redis counts: Redis may lose any of its keys.
 */
import { randomInt } from "node:crypto";
import { ReplayportError, giveUp } from "../../errors.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { gaps } from "../../intervals/coverage.ts";
import { type Interval, sameInterval } from "../../intervals/interval.ts";
import { type BackfillRecord, type BackfillStore, hull, overlapsAny } from "./backfill_store.ts";
import type { BatchQueue } from "../redis/batch_queue.ts";
import type { Coverage } from "../../../destinations/destination.ts";
import type { Backfill, BackfillRequest } from "../fleet.ts";
import type { JobName } from "../redis/jobs.ts";
import type { FleetState } from "../redis/state.ts";

/** A request for more is likely a mistake, and would fill Redis. */
const MOST_INTERVALS = 50_000;
const MOST_IN_FLIGHT = 64;
/** An interval that was taken longer ago has its job by now, or never gets one. */
const ADDED_MS = 10_000;
/** After that many rounds, an interval that was loaded and still has no receipt counts as failed. */
const MOST_REOPENED = 3;

export interface BackfillDependencies {
  readonly store: BackfillStore;
  readonly state: FleetState;
  readonly queue: BatchQueue;
  readonly now: () => Date;
  readonly inFlight: number;
  readonly ledger: BackfillLedger;
}

/** What a backfill asks the destination. */
export interface BackfillLedger {
  readonly covered: (exportName: string, range: Interval, signal: AbortSignal) => Promise<readonly Coverage[]>;
  readonly plan: (request: BackfillRequest, signal: AbortSignal) => Promise<readonly Interval[]>;
}

export type Planner = (
  definition: ExportDefinition,
  request: BackfillRequest,
  signal: AbortSignal,
) => Promise<readonly Interval[]>;

function invalid(message: string, hint: string): ReplayportError {
  return new ReplayportError(message, giveUp("backfill.invalid", hint));
}

function newId(): string {
  return Array.from({ length: 8 }, () => randomInt(36).toString(36)).join("");
}

export function checkRequest({ range, inFlight, createdBy }: BackfillRequest): void {
  if (!(range.start < range.end)) throw invalid("the range is empty", "The end must be after the start.");
  if (inFlight !== undefined && !(Number.isInteger(inFlight) && inFlight >= 1 && inFlight <= MOST_IN_FLIGHT)) {
    throw invalid(`${inFlight} intervals at once`, `Write a whole number from 1 to ${MOST_IN_FLIGHT}.`);
  }
  if (createdBy.length > 100) throw invalid("createdBy is too long", "Use at most 100 characters.");
}

export async function startBackfill(
  definition: ExportDefinition,
  request: BackfillRequest,
  plan: Planner,
  dependencies: BackfillDependencies,
  signal: AbortSignal,
): Promise<Backfill> {
  checkRequest(request);
  const { store, now } = dependencies;
  const intervals = await plan(definition, request, signal);
  if (intervals.length > MOST_INTERVALS) {
    throw invalid(
      `${intervals.length} intervals are too many for one backfill`,
      `The limit is ${MOST_INTERVALS}. Use larger intervals (--interval day, week or month) or a shorter range.`,
    );
  }
  const record = {
    id: newId(),
    export: definition.name,
    range: hull(intervals) ?? request.range,
    force: request.force === true || request.sourceIsRight === true,
    createdBy: request.createdBy,
    createdAt: now(),
    inFlight: request.inFlight ?? dependencies.inFlight,
    size: request.size,
  };
  await store.create(record, intervals);
  await enqueueNext(record.id, dependencies, false, signal);
  return await store.get(record.id, now());
}

/**
 * Enqueues the next intervals, up to the backfill's limit, or ends it. Anyone may call it at any time: only one caller gets each interval.
 * A process that dies between taking an interval and adding its job leaves it to `requeueLost`.
 * @param probe one interval, although the export is paused
 * @returns how many jobs were enqueued
 */
export async function enqueueNext(
  id: string,
  dependencies: BackfillDependencies,
  probe: boolean,
  signal: AbortSignal,
): Promise<number> {
  const { store, state, queue, now } = dependencies;
  const record = await store.record(id);
  if (record.state !== "running" || (await endIfCovered(record, dependencies, signal))) return 0;
  if (!probe && (await state.paused(record.export))) return 0;
  const intervals = await store.take(record, probe ? 1 : record.inFlight, now());
  const { export: name, force } = record;
  await queue.add(intervals.map((interval) => ({ export: name, interval, backfill: id, force, probe })));
  return intervals.length;
}

/**
 * Ends a backfill of which nothing is open or running if receipts cover the rest of its range. Otherwise opens what lacks one:
 * Redis has lost the intervals, or somebody has removed their receipts.
 * @returns whether it has ended
 */
async function endIfCovered(
  record: BackfillRecord,
  dependencies: BackfillDependencies,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, now, ledger } = dependencies;
  const { id, export: name, range, size, createdBy } = record;
  const idle = await store.idle(id);
  if (!idle) return false;
  // Nothing to ask: what failed lacks its receipt.
  if (idle.failed.length > 0 && !idle.lost) {
    await store.close(record, now());
    return true;
  }
  // A forced one has receipts from before. Only if Redis has lost intervals must newer ones show what was loaded again.
  const force = record.force && idle.lost;
  const covered = (await ledger.covered(name, range, signal))
    .filter(({ committedAt }) => !force || committedAt >= record.createdAt)
    .map(({ interval }) => interval);
  const open = gaps(range, [...covered, ...idle.failed]);
  const request = { export: name, range, force, createdBy, ...(size === undefined ? {} : { size }) };
  const planned = open.length === 0 ? [] : await ledger.plan(request, signal);
  const lacking = planned.filter((one) => overlapsAny(one, open) && !overlapsAny(one, idle.failed));
  if (lacking.length === 0) {
    await store.close(record, now());
    return true;
  }
  await store.reopen(record, lacking);
  if (idle.reopened < MOST_REOPENED) return false;
  const error = { code: "backfill.no_receipt", message: "loaded, but without a receipt", remedy: "give-up" } as const;
  const hint =
    "Look at the destination: something removes receipts, or a clock is wrong. Then: replayport retry <backfill>";
  for (const one of lacking) {
    await store.finish(id, name, one, { kind: "failed", error: { ...error, hint, at: now() } }, now());
  }
  await store.close(record, now());
  return true;
}

/** Reopens intervals whose job is gone, lost with Redis' data or because a process died before it added the job. */
export async function requeueLost(
  id: string,
  inQueue: () => Promise<readonly { readonly name: JobName }[]>,
  dependencies: BackfillDependencies,
): Promise<void> {
  const { store, now } = dependencies;
  const running = await store.running(id, new Date(now().getTime() - ADDED_MS));
  if (running.length === 0) return;
  const record = await store.record(id);
  // Read after the intervals: a worker ends the interval before its job, so an interval without a job is lost.
  const jobs = (await inQueue()).filter(({ name }) => name.backfill === id);
  for (const interval of running) {
    if (jobs.some(({ name }) => sameInterval(name.interval, interval))) continue;
    await store.finish(id, record.export, interval, { kind: "open" }, now());
  }
}

export async function cancelBackfill(id: string, dependencies: BackfillDependencies): Promise<Backfill> {
  const { store, queue, now } = dependencies;
  const record = await store.record(id);
  await store.cancel(id, record.export, now());
  const waiting = (await queue.names()).filter(({ name, place }) => name.backfill === id && place === "queued");
  // Workers abort what they have taken.
  await queue.remove(waiting.map(({ name }) => name));
  return await store.get(id, now());
}

export async function retryBackfill(
  id: string,
  dependencies: BackfillDependencies,
  signal: AbortSignal,
): Promise<Backfill> {
  const { store, now } = dependencies;
  const record = await store.record(id);
  if (record.state === "cancelled") {
    const hint = "Start another one over the same range: it loads what is missing.";
    throw new ReplayportError(`backfill ${id} was cancelled`, giveUp("backfill.cancelled", hint));
  }
  await store.retry(record);
  await enqueueNext(id, dependencies, false, signal);
  return await store.get(id, now());
}

/**
 * Reopens intervals that failed for a reason that may pass, once `retryAfterMs` is over, so that nobody has to be there when an
 * outage ends. Intervals whose error is final wait for `retry`.
 */
export async function reopenFailed(
  backfills: readonly Backfill[],
  exportNames: ReadonlySet<string>,
  retryAfterMs: number,
  { store, now }: BackfillDependencies,
): Promise<void> {
  const before = now().getTime() - retryAfterMs;
  for (const { id, export: name, state } of backfills) {
    if (state !== "failed" || !exportNames.has(name)) continue;
    try {
      await store.retry(await store.record(id), ({ remedy, at }) => remedy === "retry" && at.getTime() <= before);
    } catch (error) {
      // Another backfill has taken the range since and loads it.
      if (!(error instanceof ReplayportError && error.code === "backfill.overlap")) throw error;
    }
  }
}
