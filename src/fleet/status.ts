/** The status of exports and runs, from Redis alone; reads no destination. */
import type { Job } from "bullmq";
import type { ExportDefinition } from "../export/definition.ts";
import { lagOf } from "../export/ledger.ts";
import { lateness } from "../intervals/lateness.ts";
import type { BatchQueue, JobPlace } from "./redis/batch_queue.ts";
import type { ExportStatus, RecentLoad, Run, RunsQuery } from "./fleet.ts";
import type { JobName } from "./redis/jobs.ts";
import type { ExportState, FleetState } from "./redis/state.ts";
import { progressOf } from "./worker/worker.ts";

/** Schedulers try again each minute, so an older error has passed. */
const LEDGER_ERROR_MS = 3 * 60_000;

export function statusOf(
  definition: ExportDefinition,
  state: ExportState | undefined,
  jobs: readonly { readonly name: JobName; readonly place: JobPlace }[],
  recentLoads: readonly RecentLoad[],
  now: Date,
): ExportStatus {
  const { schedule } = definition;
  const ledger = state?.ledger;
  const { lateSeconds, nextAt } = lateness(definition, ledger?.loadedUntil, now);
  const count = (place: JobPlace): number => jobs.filter((job) => job.place === place).length;
  const ledgerError = state?.ledgerError;
  const isCurrent = ledgerError !== undefined && now.getTime() - ledgerError.at.getTime() < LEDGER_ERROR_MS;
  return {
    export: definition.name,
    destination: definition.destination,
    schedule: schedule.text,
    timezone: schedule.timezone,
    paused: state?.paused,
    due: ledger?.due,
    queued: count("queued"),
    running: count("running"),
    failuresInRow: state?.failuresInRow ?? 0,
    failedIntervals: state?.failedIntervals ?? [],
    loadedUntil: ledger?.loadedUntil,
    lagSeconds: ledger && lagOf(definition, ledger.loadedUntil, now),
    lateSeconds: ledger && lateSeconds,
    nextAt,
    gaps: ledger?.gaps ?? [],
    gapCount: ledger?.gapCount,
    ledgerAt: ledger?.at,
    ledgerError: isCurrent ? ledgerError : undefined,
    lastReceipt: state?.lastReceipt,
    recentLoads,
    lastAudit: ledger?.audit,
    lastError: state?.lastError,
  };
}

export async function statuses(
  definitions: readonly ExportDefinition[],
  state: FleetState,
  queue: BatchQueue,
  now: Date,
): Promise<ExportStatus[]> {
  const names = definitions.map(({ name }) => name);
  const [states, loads, jobs] = await Promise.all([state.read(names), state.loads(names), queue.names()]);
  const byExport = new Map(definitions.map(({ name }) => [name, [] as typeof jobs]));
  for (const job of jobs) byExport.get(job.name.export)?.push(job);
  return definitions.map((one) =>
    statusOf(one, states.get(one.name), byExport.get(one.name) ?? [], loads.get(one.name) ?? [], now),
  );
}

/** A job that has not ended. */
function runOfJob(queue: BatchQueue, job: Job, state: "queued" | "running" | "retrying"): Run | undefined {
  const name = queue.nameOf(job.id ?? "");
  if (!name) return undefined;
  const progress = progressOf(job);
  const error = progress?.error;
  const running = state === "running";
  return {
    id: name.id,
    export: name.export,
    interval: name.interval,
    backfill: name.backfill,
    state,
    attempt: running ? job.attemptsMade + 1 : job.attemptsMade,
    queuedAt: new Date(job.timestamp),
    startedAt: job.processedOn === undefined ? undefined : new Date(job.processedOn),
    finishedAt: undefined,
    nextAttemptAt: state === "retrying" && error ? new Date(error.at.getTime() + job.delay) : undefined,
    stage: running ? (progress?.stage ?? "ledger") : undefined,
    rows: progress?.rows ?? 0,
    bytes: progress?.bytes ?? 0,
    files: progress?.files ?? 0,
    times: undefined,
    error,
    worker: job.processedBy,
  };
}

export async function listRuns(query: RunsQuery, state: FleetState, queue: BatchQueue): Promise<Run[]> {
  const isOf = (one: { readonly export: string; readonly backfill: string | undefined }): boolean =>
    (query.export === undefined || one.export === query.export) &&
    (query.backfill === undefined || one.backfill === query.backfill);
  const [jobs, ended] = await Promise.all([queue.jobs(query.limit, isOf), state.runs()]);
  const live = [
    ...jobs.active.map((job) => runOfJob(queue, job, "running")),
    ...jobs.delayed.map((job) => runOfJob(queue, job, "retrying")),
    ...jobs.waiting.map((job) => runOfJob(queue, job, "queued")),
  ].filter((run) => run !== undefined);
  const wanted = (run: Run): boolean => isOf(run) && (query.states === undefined || query.states.includes(run.state));
  return [...live, ...ended].filter(wanted).slice(0, query.limit);
}
