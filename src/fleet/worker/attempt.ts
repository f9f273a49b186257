/**
 * One attempt to load one batch, or one audit. Knows nothing of BullMQ.
 *
 * 1. Drop it if its backfill was cancelled or its export is paused.
 * 2. Ask the ledger whether the interval is still needed; if not, record it as covered.
 * 3. Load the batch, within the export's time limit.
 * 4. Record the receipt: state of the export, progress of the backfill, the run.
 */
import type { Coverage, Destination, Receipt } from "../../../destinations/destination.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { readCoverage } from "../../export/ledger.ts";
import { type Progress, loadBatch } from "../../export/load_batch.ts";
import { readSilence } from "../../export/silence.ts";
import { withinTime } from "../../export/time_limit.ts";
import { gaps } from "../../intervals/coverage.ts";
import { isSwept } from "../../intervals/due.ts";
import { type Interval, contains } from "../../intervals/interval.ts";
import { isOpen, valid } from "../../intervals/watermark.ts";
import type { RunTimes } from "../fleet.ts";
import type { Outcome, Task } from "../redis/jobs.ts";
import type { JobProgress } from "../redis/records.ts";
import { type AttemptContext, type AttemptDependencies, aboutRun, runOf } from "./about_run.ts";
import { runAudit } from "./audit.ts";

/** Reasons to abort that are not failures. */
export class Released extends Error {
  constructor() {
    super("released: this worker is stopping");
  }
}
export class Cancelled extends Error {
  constructor() {
    super("its backfill was cancelled");
  }
}

/** How far the scheduler's clock may be ahead: what is due for a sweep there must be due here too. */
const SKEW_MS = 5 * 60_000;

/**
 * Resolves once the outcome is stored. Rejects with what `loadBatch` rejects with, or `signal.reason`; then nothing is stored.
 */
export async function runAttempt(
  task: Task,
  context: AttemptContext,
  dependencies: AttemptDependencies,
  signal: AbortSignal,
): Promise<Outcome> {
  const { state, store, events, now } = dependencies;
  const { interval, backfill } = task;
  const event = aboutRun(task, context);
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;

  if (backfill !== undefined && (await store.state(backfill)) === "cancelled") {
    return await cancelled(task, context, dependencies, seconds());
  }
  const paused = await state.paused(task.export);
  if (paused && !(task.probe && paused.probeAt !== undefined)) {
    if (backfill !== undefined) await store.finish(backfill, task.export, interval, { kind: "open" }, now());
    return { kind: "requeued" };
  }

  const waitedSeconds = Math.max(0, (context.startedAt.getTime() - context.queuedAt.getTime()) / 1000);
  events.emit({ ...event, kind: "run.started", at: now(), waitedSeconds });
  const definition = dependencies.exports.find(({ name }) => name === task.export);
  // The worker leaves such a job to others.
  if (!definition) throw new Error(`a job of another config: ${task.id}`);
  return await withinTime(
    { what: task.id, ms: definition.attemptMs },
    async (stop) => await (task.audit ? runAudit : load)(task, context, definition, dependencies, seconds, stop),
    signal,
  );
}

async function load(
  task: Task,
  context: AttemptContext,
  definition: ExportDefinition,
  dependencies: AttemptDependencies,
  seconds: () => number,
  signal: AbortSignal,
): Promise<Outcome> {
  const { state, store, events, now } = dependencies;
  const { interval, backfill } = task;
  const event = aboutRun(task, context);
  const meter = createMeter(task, context, dependencies, seconds);
  context.report(meter.progress("ledger"));
  const loadDependencies = await dependencies.loadDependencies(definition, meter.onProgress);

  const covered = await Array.fromAsync(loadDependencies.destination.covered(interval, signal));
  if (!isNeeded(task, definition, covered, now())) {
    if (backfill !== undefined) {
      const found = await receiptsOf(loadDependencies.destination, interval, signal);
      await store.finish(backfill, task.export, interval, { kind: "done", ...found }, now());
    }
    await state.settled(task.export, interval);
    await state.addRun(runOf(task, context, { state: "covered", finishedAt: now() }));
    events.emit({ ...event, kind: "run.covered", at: now(), seconds: seconds() });
    return { kind: "covered" };
  }
  const options = {
    // A repeated load may have to keep sessions that later intervals don't have, so it needs their receipts too.
    covered: covered.some((one) => contains(interval, one.interval))
      ? await readCoverage(loadDependencies.destination, signal, interval.start)
      : covered,
  };
  const receipt = await context.working(loadBatch(definition, interval, options, loadDependencies, signal));
  const silent =
    receipt.rows === 0 && backfill === undefined
      ? await readSilence(loadDependencies.destination, interval, signal).catch(() => undefined)
      : undefined;
  const { countSeconds, stageSeconds } = meter.times();
  const total = seconds();
  const times = { countSeconds, stageSeconds, loadSeconds: Math.max(0, total - countSeconds - stageSeconds) };
  await record(task, context, dependencies, receipt, times, silent);
  if (silent) events.emit({ kind: "export.silent", export: task.export, at: now(), since: silent });
  const { rows, bytes, files, readAt, watermark, committedAt, lost } = receipt;
  const loaded = { rows, bytes, files, committedAt, lost, seconds: total, ...times };
  events.emit({ ...event, kind: "run.loaded", at: now(), ...loaded });
  const { start, end } = interval;
  return {
    kind: "loaded",
    start: start.getTime(),
    end: end.getTime(),
    readAt: readAt.getTime(),
    watermark: watermark?.getTime(),
    committedAt: committedAt.getTime(),
  };
}

/**
 * The rule of `due` for one interval: it has no receipt, or it's open, or it's old enough to be swept and was not read that late. So a sweep
 * isn't skipped for being covered, and the scheduler and a worker never disagree about an interval forever.
 */
export function isNeeded(
  { interval, backfill, force }: Pick<Task, "interval" | "backfill" | "force">,
  { sweep }: Pick<ExportDefinition, "sweep">,
  covered: readonly Coverage[],
  now: Date,
): boolean {
  if (force) return true;
  const uncovered = (by: readonly Coverage[]): boolean =>
    gaps(
      interval,
      by.map((one) => one.interval),
    ).length > 0;
  // Whether an open interval is due again depends on what was read later, which the scheduler has seen.
  if (uncovered(valid(covered, now).filter((one) => !isOpen(one)))) return true;
  if (backfill !== undefined || !sweep) return false;
  const sweepable = now.getTime() + SKEW_MS >= interval.end.getTime() + sweep.afterMs;
  return sweepable && uncovered(covered.filter((one) => isSwept(one, sweep)));
}

export async function cancelled(
  task: Task,
  context: AttemptContext,
  { state, events, now }: AttemptDependencies,
  seconds: number,
): Promise<Outcome> {
  await state.addRun(runOf(task, context, { state: "cancelled", finishedAt: now() }));
  events.emit({ ...aboutRun(task, context), kind: "run.cancelled", at: now(), seconds });
  return { kind: "cancelled" };
}

async function record(
  task: Task,
  context: AttemptContext,
  { state, store, events, now }: AttemptDependencies,
  receipt: Receipt,
  times: RunTimes,
  silent: Date | undefined,
): Promise<void> {
  const { rows, bytes, files, committedAt } = receipt;
  const { interval, backfill, export: name } = task;
  const loaded = { interval, rows, bytes, files, committedAt, silentSince: silent };
  const [resumed] = await Promise.all([
    state.loaded(name, interval, loaded, backfill === undefined),
    backfill === undefined ? undefined : store.finish(backfill, name, interval, { kind: "done", rows, bytes }, now()),
    state.addRun(runOf(task, context, { state: "loaded", finishedAt: now(), rows, bytes, files, times })),
  ]);
  if (resumed) events.emit({ kind: "export.resumed", export: name, at: now(), by: "replayport" });
}

async function receiptsOf(
  destination: Destination,
  interval: Interval,
  signal: AbortSignal,
): Promise<{ rows: number; bytes: number }> {
  let rows = 0;
  let bytes = 0;
  for await (const receipt of destination.receipts(interval, signal)) {
    if (!contains(interval, receipt.interval)) continue;
    rows += receipt.rows;
    bytes += receipt.bytes;
  }
  return { rows, bytes };
}

/** Counts what an attempt does, and reports it. */
function createMeter(task: Task, context: AttemptContext, { events, now }: AttemptDependencies, seconds: () => number) {
  let rows = 0;
  let bytes = 0;
  let files = 0;
  let countSeconds = 0;
  let stageSeconds = 0;
  const progress = (stage: JobProgress["stage"]): JobProgress => ({ stage, rows, bytes, files, error: undefined });
  const event = aboutRun(task, context);
  const onProgress = (step: Progress): void => {
    switch (step.kind) {
      case "counted": {
        countSeconds = seconds();
        const { sessions, files: of } = step;
        events.emit({
          ...event,
          kind: "run.stage",
          stage: "counted",
          at: now(),
          sessions,
          files: of,
          seconds: countSeconds,
        });
        context.report(progress("counting"));
        break;
      }
      case "staged": {
        rows += step.rows;
        bytes += step.bytes;
        files += 1;
        stageSeconds += step.seconds;
        const { rows: of, bytes: size, seconds: took } = step;
        events.emit({ ...event, kind: "run.stage", stage: "staged", at: now(), rows: of, bytes: size, seconds: took });
        context.report(progress("staging"));
        break;
      }
      case "loaded":
        context.report(progress("loaded"));
        break;
      default:
        step satisfies never;
    }
  };
  return {
    progress,
    onProgress,
    times: () => ({ countSeconds, stageSeconds }),
  };
}
