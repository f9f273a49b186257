/** Runs jobs. How a job ended is never guessed: if an answer is lost, the job is found by its id. */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { messageOf, ReplayportError, retry } from "../../src/errors.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import type { JobResource } from "./resources.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { BigQueryContext } from "./context.ts";
import { jobError } from "./errors.ts";
import { ATTEMPT_LABEL, jobLabels } from "./names.ts";

/** How often a running job is polled; a job that can't be found `blindTries` times in a row counts as unknown. */
const POLLING = { firstPauseMs: 50, longestPauseMs: 3_000, growth: 1.6, blindTries: 10 } as const;
/** For finding out how a job of an aborted load ended. */
const AFTER_ABORT_MS = 60_000;

export interface Ended {
  /** Undefined: the id was used before, by a job that BigQuery no longer knows. */
  readonly job: JobResource | undefined;
  /** The id was used before: by another attempt, or by a request of ours whose answer was lost. */
  readonly existed: boolean;
}

/** For the job's labels, which the bill shows. */
export interface JobSubject {
  readonly interval?: Interval;
  readonly attempt?: string;
}

export function failed(job: JobResource): boolean {
  return job.status?.errorResult !== undefined;
}

export interface Submission {
  readonly jobId: string;
  readonly submit: (signal: AbortSignal) => Promise<JobResource | "exists">;
  /** The attempt in its label. A job of that id with another attempt isn't ours to cancel. */
  readonly attempt?: string;
}

export function isOf(job: JobResource, attempt: string | undefined): boolean {
  return attempt === undefined || job.configuration?.labels?.[ATTEMPT_LABEL] === attempt;
}

/**
 * Submits a job and waits for its end. After an abort, a job of ours is also cancelled in BigQuery and followed a little
 * longer, so the result is how it really ended.
 * @throws ReplayportError `bigquery.job_unknown` if its end can't be found out
 */
export async function runJob(
  { client }: BigQueryContext,
  { jobId, submit, attempt }: Submission,
  signal: AbortSignal,
): Promise<Ended> {
  let submitted: JobResource | "exists";
  let answered = true;
  try {
    submitted = await submit(signal);
  } catch (error) {
    answered = false;
    if (error instanceof ReplayportError && error.remedy === "give-up") throw error;
    // BigQuery may have received the request all the same.
    const found = await client
      .job(jobId, signal.aborted ? cleanupDeadline(AFTER_ABORT_MS) : signal)
      .catch(() => unknown(jobId, error));
    if (!found) throw error;
    submitted = "exists";
  }
  const existed = submitted === "exists";
  if (submitted !== "exists" && submitted.status?.state === "DONE") return { job: submitted, existed };
  try {
    const job = await follow(client, jobId, signal);
    if (job === undefined && !(existed && answered)) unknown(jobId, new Error("there is no such job"));
    return { job, existed };
  } catch (error) {
    if (!signal.aborted) throw error;
    const deadline = cleanupDeadline(AFTER_ABORT_MS);
    const found = existed ? await client.job(jobId, deadline).catch((cause: unknown) => unknown(jobId, cause)) : {};
    if (existed && (!found || !isOf(found, attempt))) throw error;
    await client.cancel(jobId, deadline).catch(() => undefined);
    const job = await follow(client, jobId, deadline).catch((cause: unknown) => unknown(jobId, cause));
    return { job: job ?? unknown(jobId, error), existed };
  }
}

/** Waits for a job's end. Undefined if there is no such job, for as long as a new one may take to be seen. */
export async function follow(
  client: BigQueryContext["client"],
  jobId: string,
  signal: AbortSignal,
): Promise<JobResource | undefined> {
  let blind = 0;
  for (let pause: number = POLLING.firstPauseMs; ; pause = Math.min(pause * POLLING.growth, POLLING.longestPauseMs)) {
    try {
      const job = await client.job(jobId, signal);
      if (job?.status?.state === "DONE") return job;
      if (job) blind = 0;
      else if (++blind === POLLING.blindTries) return undefined;
    } catch (error) {
      signal.throwIfAborted();
      const passing = error instanceof ReplayportError && error.remedy === "retry";
      if (!passing || ++blind >= POLLING.blindTries) unknown(jobId, error);
    }
    await setTimeout(pause, undefined, { signal });
  }
}

export function isUnknown(error: unknown): boolean {
  return error instanceof ReplayportError && error.code === "bigquery.job_unknown";
}

function unknown(jobId: string, error: unknown): never {
  throw new ReplayportError(`can't tell how the job ${jobId} ended: ${messageOf(error)}`, {
    ...retry("bigquery.job_unknown", "Nothing is lost: the next load of the batch runs the job again."),
    cause: error,
  });
}

/** The configuration of a query job. */
export function queryConfiguration(context: BigQueryContext, sql: string, subject: JobSubject = {}): object {
  const { options } = context;
  const limit = options.maximumBytesBilled === undefined ? undefined : String(options.maximumBytesBilled);
  return {
    query: {
      query: sql,
      useLegacySql: false,
      useQueryCache: false,
      // scriptOptions applies the limit to each statement of a script.
      ...(limit === undefined ? {} : { maximumBytesBilled: limit, scriptOptions: { statementByteBudget: limit } }),
    },
    labels: jobLabels(options.labels ?? {}, context.export, subject),
  };
}

/** Runs a statement that may run twice without harm. Returns its rows. */
export async function query(
  context: BigQueryContext,
  what: { readonly action: string; readonly table: string },
  sql: string,
  subject: JobSubject,
  signal: AbortSignal,
): Promise<readonly Record<string, unknown>[]> {
  const { client } = context;
  const jobId = `replayport_query_${randomUUID()}`;
  const configuration = queryConfiguration(context, sql, subject);
  const submit = (own: AbortSignal) => client.insertJob(jobId, configuration, own);
  const { job } = await runJob(context, { jobId, submit }, signal);
  signal.throwIfAborted();
  if (job?.status?.errorResult) throw jobError(job.status.errorResult, client.request(what.action, what.table));
  return await client.rows(jobId, signal);
}
