/**
 * A job's payload: an export's name and the identity of its config, an interval and a few flags. Never a secret, never a setting.
 *
 * A worker runs a job only if its own config has the export with the same identity. The job's id contains it too, so that the
 * batches of two installations on one Redis, or those from before and after a deploy, are different jobs.
 */
import type { JobsOptions } from "bullmq";
import * as z from "zod";
import { batchId } from "../../export/definition.ts";
import { type Interval, intervalName, parseIntervalName } from "../../intervals/interval.ts";
import { ReplayportError, giveUp } from "../../errors.ts";

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const BACKFILL = /^[0-9a-z]{8}$/;
const CONFIG = /^[0-9a-z]{1,16}$/;

/** Strict, since another version of Replayport, or another program, may have written it. */
const payloadSchema = z.strictObject({
  export: z.string().regex(NAME),
  /** `ExportIdentity.config`. Jobs from before 0.1.0 have none, so no worker runs them. */
  config: z.string().regex(CONFIG).default(""),
  /** `20261001T000000Z_20261001T010000Z` */
  interval: z.string().refine((text) => parseIntervalName(text) !== undefined, "not an interval"),
  backfill: z.string().regex(BACKFILL).optional(),
  /** Load even if there is a receipt, and replace rows of the same version. */
  force: z.boolean().optional(),
  /** Compare the destination with the source, in place of loading the interval. */
  audit: z.boolean().optional(),
  /** Run although the export is paused, to see whether the failure has passed. */
  probe: z.boolean().optional(),
});

export type Payload = z.output<typeof payloadSchema>;

/** A job's name, which its id says. */
export interface JobName {
  /** The run's, without the identity. */
  readonly id: string;
  /** BullMQ's. */
  readonly job: string;
  readonly config: string;
  readonly export: string;
  readonly interval: Interval;
  readonly backfill: string | undefined;
  readonly audit: boolean;
}

export interface Task extends Omit<JobName, "job"> {
  readonly force: boolean;
  readonly probe: boolean;
}

export function taskOf(id: string, data: unknown): Task {
  const read = payloadSchema.safeParse(data);
  const interval = read.success ? parseIntervalName(read.data.interval) : undefined;
  if (!read.success || !interval) {
    const hint = "Another program, or another version of Replayport, writes to this Redis under the same prefix.";
    throw new ReplayportError(`job ${id} isn't a Replayport job`, giveUp("fleet.payload", hint));
  }
  const { export: name, config, backfill, audit = false, force = false, probe = false } = read.data;
  const run = audit ? auditRunId(name, interval) : runId(name, interval, backfill);
  return { id: run, export: name, config, interval, backfill, audit, force, probe };
}

/** In place of a backfill's id, which is longer. */
const AUDIT = "audit";

/** Derived from the export and the days that are compared. */
export function auditRunId(exportName: string, interval: Interval): string {
  return runId(exportName, interval, AUDIT);
}

/** Derived from the batch's id, so that a batch can't be in the queue twice. */
export function runId(exportName: string, interval: Interval, backfill?: string): string {
  return `${batchId(exportName, interval)}${backfill === undefined ? "" : `/${backfill}`}`;
}

/** `<export>@<config>/<start>_<end>`, followed by what follows in the run's id. */
function jobId(run: string, config: string): string {
  return run.replace("/", `@${config}/`);
}

/** What a job's id says; undefined if it isn't one. Also reads a run's id. */
export function parseJobId(job: string): JobName | undefined {
  const [first = "", text = "", last, ...rest] = job.split("/");
  const [name = "", config = "", ...more] = first.split("@");
  const interval = parseIntervalName(text);
  if (!interval || !NAME.test(name) || rest.length > 0 || more.length > 0) return undefined;
  const audit = last === AUDIT;
  const backfill = audit ? undefined : last;
  return { id: runId(name, interval, last), job, export: name, config, interval, backfill, audit };
}

export type JobRequest = Omit<Task, "id" | "config" | "audit"> & Partial<Pick<Task, "audit">>;

/** BullMQ takes jobs without a priority first; then the lowest number. */
const BACKFILL_PRIORITY = 10;
export const BACKOFF = "replayport";
/**
 * BullMQ ends a job once `attempts` have failed, and nothing then records the run. Only the worker counts (worker/failure.ts), by
 * its own config, which may differ from that of the scheduler that enqueued the job; so BullMQ gets a number that no job
 * reaches. A job whose workers die is not affected: BullMQ ends it after `maxStalledCount` stalls, whatever this says.
 */
const UNREACHABLE_ATTEMPTS = Number.MAX_SAFE_INTEGER;

export function jobOf(
  request: JobRequest,
  config: string,
): { name: string; data: Payload; opts: JobsOptions & { jobId: string } } {
  const { interval, backfill, audit = false, force, probe } = request;
  return {
    name: request.export,
    data: {
      export: request.export,
      config,
      interval: intervalName(interval),
      ...(backfill === undefined ? {} : { backfill }),
      ...(audit ? { audit } : {}),
      ...(force ? { force } : {}),
      ...(probe ? { probe } : {}),
    },
    opts: {
      jobId: jobId(audit ? auditRunId(request.export, interval) : runId(request.export, interval, backfill), config),
      attempts: UNREACHABLE_ATTEMPTS,
      backoff: { type: BACKOFF },
      // The fleet itself records finished runs. A job that stayed would block its id, so the batch couldn't be enqueued again.
      removeOnComplete: true,
      removeOnFail: true,
      // A stack trace may contain a secret.
      stackTraceLimit: 0,
      ...(backfill === undefined ? {} : { priority: BACKFILL_PRIORITY }),
    },
  };
}

/** A job's result, which the scheduler gets through BullMQ's event. Dates as epoch milliseconds. */
export const outcomeSchema = z.union([
  z.object({
    kind: z.literal("loaded"),
    start: z.number(),
    end: z.number(),
    readAt: z.number(),
    watermark: z.number().optional(),
    committedAt: z.number(),
  }),
  z.object({ kind: z.literal(["covered", "requeued", "cancelled", "audited"]) }),
]);
export type Outcome = z.output<typeof outcomeSchema>;
