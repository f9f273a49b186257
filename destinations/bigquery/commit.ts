/**
 * The commit of a batch: one job, a script with one transaction.
 *
 * **One of two live attempts wins.** The job's id is made of the batch and of the receipt that the attempt saw before it
 * began, so two attempts that saw the same one want the same id, and BigQuery gives it to the first. An attempt that saw an
 * older receipt has another id; its transaction looks at the receipt again, finds another one and raises. Two transactions
 * that run at once change the same tables, and BigQuery cancels one of them
 * (https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency).
 *
 * **The ledger decides.** A job that failed may have been cancelled just after its COMMIT; a job of that id may have
 * succeeded, and what it did been undone since (the table was dropped, the interval was covered and is loaded again). So
 * after any end but a plain success of our own job, the receipt that stands now says what happened.
 *
 * **The generation** of the id moves on where the job that has it failed, or where it succeeded and its receipt is gone
 * while the one that we saw still stands. It is no counter of attempts: an answer that was lost is looked for under the
 * same id.
 */
import { setTimeout } from "node:timers/promises";
import { ReplayportError } from "../../src/errors.ts";
import { describeInterval } from "../../src/intervals/interval.ts";
import type { Batch, Receipt } from "../destination.ts";
import { type BigQueryContext, inFull, ledgerPlace, ownDeadline } from "./context.ts";
import { jsonColumns } from "./ddl.ts";
import { jobError } from "./errors.ts";
import { failed, query, queryConfiguration, runJob } from "./jobs.ts";
import { type Precondition, readReceipts } from "./ledger.ts";
import { commitJobId } from "./names.ts";
import { type Commit, commitScript, hasRange, inspect, type StagedRows } from "./sql.ts";
import { otherRows, type Staged } from "./stage.ts";

/** Loads of other intervals may be in the way so often; the rows are staged already, so trying again is cheap. */
const TRIES = 5;
const PAUSE_MS = 500;
/** How far this machine's clock may be behind or ahead of BigQuery's, and no row is doubled. */
const CLOCK_MS = 3_600_000;

export async function commit(
  context: BigQueryContext,
  batch: Batch,
  before: Precondition,
  staged: Staged,
  signal: AbortSignal,
): Promise<Receipt> {
  const { client, place } = context;
  const request = client.request("bigquery.tables.updateData", `${place.dataset}.${place.table}`);
  for (let generation = 0, tries = 1; ; generation += 1) {
    const plan = await planCommit(context, batch, before, staged, signal);
    const jobId = commitJobId(place, batch.id, before.attempts, generation);
    const configuration = queryConfiguration(context, commitScript(plan), batch);
    const submit = (own: AbortSignal) => client.insertJob(jobId, configuration, own);
    const { job, existed } = await runJob(context, jobId, submit, signal);
    const own = !existed || job.configuration?.labels?.["replayport_attempt"] === batch.attempt;

    if (!failed(job) && !existed && !signal.aborted) {
      const [row] = await client.rows(jobId, signal).catch(() => []);
      const committedAt = Number(row?.["committed_at"] ?? Number.NaN);
      if (Number.isFinite(committedAt)) return receiptOf(batch, staged, new Date(committedAt));
    }
    const standing = await standingReceipt(context, batch);
    if (standing?.attempt === batch.attempt) return standing;
    signal.throwIfAborted();
    if ((standing?.attempt ?? "") !== before.attempts) throw lostRace(batch);
    if (failed(job) && own) {
      const error = jobError(job.status?.errorResult ?? {}, request);
      // Only a later reading helps against a deletion in between.
      const again = error.remedy === "retry" && error.code !== "bigquery.overtaken";
      if (!again || tries === TRIES) throw error;
      await setTimeout(PAUSE_MS * 2 ** (tries - 1), undefined, { signal });
      tries += 1;
    }
  }
}

/** Asked again before each try: a load in between may have changed the range, or dropped the staging table. */
async function planCommit(
  context: BigQueryContext,
  batch: Batch,
  before: Precondition,
  staged: Staged,
  signal: AbortSignal,
): Promise<Commit> {
  const { options, place } = context;
  const since = new Date(batch.readAt.getTime() - CLOCK_MS);
  const rows = staged.table === undefined ? undefined : await inspectStaged(context, batch, staged, since, signal);
  return {
    ...ledgerPlace(context),
    table: inFull(context, place.table),
    interval: batch.interval,
    json: jsonColumns(context),
    onDelete: options.onDelete ?? "tombstone",
    replace: batch.replace,
    previous: before.attempts,
    attempt: batch.attempt,
    rows: staged.rows,
    bytes: staged.bytes,
    files: staged.files,
    fingerprint: batch.fingerprint,
    readAt: batch.readAt,
    version: context.version,
    sourceVersion: batch.sourceVersion,
    since,
    ...(rows ? { staged: rows } : {}),
  };
}

/**
 * Counts what is in the staging table, and finds the range of days that the MERGE has to look at.
 *
 * A session's start only falls and its end only grows, so a row that is older than the staged one starts within
 * [staged start, staged end]. A row that is newer may start before that; but it came by a load that committed after this
 * batch began to be read, and the receipts say how far back those went (`earliest_start`, kept when a receipt is replaced).
 * The bounds are literals in the statement, since only constants prune partitions for certain
 * (https://cloud.google.com/bigquery/docs/querying-partitioned-tables, and "Pruning partitions when using a MERGE
 * statement" in https://cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables). The transaction raises where a
 * load in between went further back.
 */
async function inspectStaged(
  context: BigQueryContext,
  batch: Batch,
  staged: Staged,
  since: Date,
  signal: AbortSignal,
): Promise<StagedRows> {
  const table = inFull(context, staged.table ?? "");
  const what = { action: "bigquery.tables.getData", resource: `${context.place.dataset}.${staged.table ?? ""}` };
  let found: Readonly<Record<string, unknown>> | undefined;
  try {
    [found] = await query(context, what, inspect(table, ledgerPlace(context), batch, since), batch, signal);
  } catch (error) {
    if (error instanceof ReplayportError && error.code === "bigquery.vanished") throw lostRace(batch);
    throw error;
  }
  const counted = Number(found?.["rows"]);
  if (counted !== staged.rows) throw otherRows(batch, `${staged.rows} rows were staged`, String(counted));
  if (Number(found?.["keyless"]) > 0) throw withoutKey(batch, Number(found?.["keyless"]));
  const micros = (name: string): bigint | undefined => {
    const value = found?.[name];
    return typeof value === "string" ? BigInt(value) : undefined;
  };
  const [firstStart, lastEnd] = [micros("first_start"), micros("last_end")];
  const earlier = micros("earlier_start");
  const range =
    hasRange(batch) && firstStart !== undefined && lastEnd !== undefined
      ? { firstStart, from: earlier !== undefined && earlier < firstStart ? earlier : firstStart, to: lastEnd }
      : undefined;
  return {
    table,
    columns: batch.columns,
    key: batch.key,
    format: batch.format,
    deleted: Number(found?.["deleted"]),
    ...(range ? { range } : {}),
  };
}

/** Read with a time of its own: what was committed has to be known, also after an abort. */
async function standingReceipt(context: BigQueryContext, batch: Batch): Promise<Receipt | undefined> {
  const receipts = await readReceipts(context, batch.interval, ownDeadline());
  return receipts.find(
    ({ interval }) =>
      interval.start.getTime() === batch.interval.start.getTime() &&
      interval.end.getTime() === batch.interval.end.getTime(),
  );
}

function receiptOf(batch: Batch, { rows, bytes, files }: Staged, committedAt: Date): Receipt {
  const { export: exportName, interval, attempt, fingerprint, readAt } = batch;
  return { export: exportName, interval, attempt, rows, bytes, files, fingerprint, readAt, committedAt };
}

export function lostRace(batch: Batch): ReplayportError {
  return new ReplayportError(`${batch.export}, ${describeInterval(batch.interval)}: another attempt loaded it first`, {
    code: "bigquery.lost_race",
    remedy: "retry",
    hint: "Nothing is wrong: two attempts were alive, the other one won, and this one has removed what it wrote.",
  });
}

function withoutKey(batch: Batch, count: number): ReplayportError {
  return new ReplayportError(
    `${batch.export}, ${describeInterval(batch.interval)}: ${count} rows have no ${batch.key.join(" or no ")}`,
    {
      code: "bigquery.no_key",
      remedy: "give-up",
      hint: "Rows are told apart by these columns; let the model's SELECT leave out rows without them.",
    },
  );
}
