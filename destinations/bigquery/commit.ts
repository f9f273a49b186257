/**
 * The commit of a batch: one job, a script with one transaction.
 *
 * **Commits of a table come one after the other.** BigQuery would let two transactions that only insert rows run at once,
 * and a MERGE that happens to match nothing only inserts
 * (https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts,
 * https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency): two intervals with the same new session, loaded
 * at once, would put its row there twice. So the job's id is made of the table and of its last commit, the head. All loads
 * that saw the same head want the same id, and BigQuery gives it to one. The others follow that job to its end, and plan
 * anew: on the new head, or, where the job failed, under the next generation of the id.
 *
 * **A plan holds for one head.** What it was made from (the receipt of the interval, how far back other loads went, what
 * they deleted) cannot have changed while the head is the same, and the transaction raises where it is not.
 *
 * **The ledger decides.** A job that failed may have been cancelled just after its COMMIT; a job of that id may have
 * succeeded, and what it did been undone since (somebody emptied the ledger). So after any end but a plain success of our
 * own job, the ledger is asked what stands now.
 */
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";
import { delayAfter, type RetryPolicy, wait } from "../../src/retry.ts";
import type { Batch, Receipt } from "../destination.ts";
import { type Commit, commitScript, inspect, type StagedRows } from "./merge.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { type BigQueryContext, qualifiedName, ledgerPlace } from "./context.ts";
import { jsonColumns, type Target } from "./tables.ts";
import { jobError } from "./errors.ts";
import { failed, isOf, query, queryConfiguration, runJob } from "./jobs.ts";
import { type Precondition, readReceipts } from "./ledger.ts";
import { commitJobId } from "./names.ts";
import type { Staged } from "./staging.ts";
import { SLACK_MICROS } from "../warehouse/rows.ts";
import { expectRows } from "../warehouse/row_counts.ts";
import { describeBatch, lostRace } from "../races.ts";
import { receiptOf } from "../receipts.ts";

/** For a commit that a user's own statement or BigQuery itself prevented: the rows are staged already. */
const COMMIT_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 500, longestDelayMs: 8_000 };
/** How far this machine's clock may be behind or ahead of BigQuery's, and no row is doubled. */
const CLOCK_MS = 3_600_000;

export interface Prepared {
  /** What stood for the interval before anything was staged. */
  readonly before: Precondition;
  readonly staged: Staged;
  readonly target: Target;
}

export async function commit(
  context: BigQueryContext,
  batch: Batch,
  prepared: Prepared,
  signal: AbortSignal,
): Promise<Receipt> {
  const { client, place } = context;
  const request = client.request("bigquery.tables.updateData", `${place.dataset}.${place.table}`);
  let generation = 0;
  let tries = 1;
  let last: string | undefined;
  for (;;) {
    const plan = await planCommit(context, batch, prepared, signal);
    generation = plan.head === last ? generation + 1 : 0;
    last = plan.head;
    const jobId = commitJobId(place, plan.head, generation);
    const configuration = queryConfiguration(context, commitScript(plan), batch);
    const submit = (own: AbortSignal) => client.insertJob(jobId, configuration, own);
    const { job, existed } = await runJob(context, { jobId, submit, attempt: batch.attempt }, signal);
    const own = !existed || isOf(job, batch.attempt);

    if (!failed(job) && !existed && !signal.aborted) {
      const [row] = await client.rows(jobId, signal).catch(() => []);
      const committedAt = Number(row?.["committed_at"] ?? Number.NaN);
      if (Number.isFinite(committedAt)) return receiptOf(batch, prepared.staged.totals, new Date(committedAt));
    }
    // Of another load's job the next plan tells what it did.
    if (own || signal.aborted) {
      const standing = await committedReceipt(context, batch);
      if (standing?.attempt === batch.attempt) return standing;
    }
    signal.throwIfAborted();
    if (failed(job) && own) {
      const error = jobError(job.status?.errorResult ?? {}, request);
      if (error.remedy !== "retry" || tries === COMMIT_RETRY.attempts) throw error;
      await wait(delayAfter(tries, undefined, COMMIT_RETRY, Math.random), signal);
      tries += 1;
    }
  }
}

/** @throws ReplayportError where the batch can no longer be committed, or is not what was staged */
async function planCommit(
  context: BigQueryContext,
  batch: Batch,
  { before, staged, target }: Prepared,
  signal: AbortSignal,
): Promise<Commit> {
  const { options, place } = context;
  const onDelete = options.onDelete ?? "tombstone";
  const found = await inspectStaging(context, batch, staged, target, signal);
  if (String(found["attempts"]) !== before.attempts) throw lostRace(batch);
  if (onDelete === "delete" && staged.table !== undefined && Number(found["later_deletions"]) > 0) {
    throw overtaken(batch);
  }
  const rows = staged.table === undefined ? undefined : stagedRows(context, batch, staged, staged.table, found);
  return {
    ...ledgerPlace(context),
    table: qualifiedName(context, place.table),
    interval: batch.interval,
    json: jsonColumns(context),
    onDelete,
    head: String(found["head"]),
    attempt: batch.attempt,
    totals: staged.totals,
    fingerprint: batch.fingerprint,
    readAt: batch.readAt,
    version: context.version,
    sourceVersion: batch.sourceVersion,
    sourceColumns: batch.sourceColumns,
    ...(rows ? { staged: rows } : {}),
  };
}

type Found = Readonly<Record<string, unknown>>;

async function inspectStaging(
  context: BigQueryContext,
  batch: Batch,
  staged: Staged,
  { byStart }: Target,
  signal: AbortSignal,
): Promise<Found> {
  const staging = staged.table === undefined ? undefined : qualifiedName(context, staged.table);
  const pruned = byStart ? qualifiedName(context, context.place.table) : undefined;
  const since = new Date(batch.readAt.getTime() - CLOCK_MS);
  const { columns, key, interval, readAt } = batch;
  const question = inspect(ledgerPlace(context), { columns, key, interval, readAt, staging, since, pruned });
  const table = staged.table ?? context.ledger;
  const what = { action: "bigquery.tables.getData", resource: `${context.place.dataset}.${table}` };
  try {
    const [found] = await query(context, what, question, batch, signal);
    return found ?? {};
  } catch (error) {
    const gone = error instanceof ReplayportError && error.code === "bigquery.vanished";
    if (gone && staged.table !== undefined && error.message.includes(staged.table)) throw lostRace(batch);
    throw error;
  }
}

/**
 * Compares what is in the staging table with what was staged, and finds the range of days that the MERGE has to look at.
 *
 * A session's start only falls and its end only grows, so a row that is older than the staged one starts within
 * [staged start, staged end], or a little earlier if the source has dropped the session's first rows since. A row that is newer may start before that; but it came by a load that committed after this
 * batch began to be read, and the receipts say how far back those went (`earliest_start`, kept when a receipt is replaced).
 * The bounds are literals in the statement, since only constants prune partitions for certain
 * (https://cloud.google.com/bigquery/docs/querying-partitioned-tables, and "Pruning partitions when using a MERGE
 * statement" in https://cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables). Rows without a start came while
 * the column was left out of the export; they are looked for where there are any.
 */
function stagedRows(context: BigQueryContext, batch: Batch, staged: Staged, table: string, found: Found): StagedRows {
  const counted = Number(found["rows"]);
  expectRows(batch, staged.totals.rows, "counted in the staging table", counted);
  if (Number(found["keyless"]) > 0) throw withoutKey(batch, Number(found["keyless"]));
  const micros = (name: string): bigint | undefined => {
    const value = found[name];
    return typeof value === "string" ? BigInt(value) : undefined;
  };
  const [firstStart, lastEnd] = [micros("first_start"), micros("last_end")];
  const earlier = micros("earlier_start");
  const from = earlier !== undefined && firstStart !== undefined && earlier < firstStart ? earlier : firstStart;
  // Not every load goes by a range; but every one tells how far back it went.
  const startless = Number(found["startless"] ?? Number.NaN);
  const range =
    from !== undefined && lastEnd !== undefined && Number.isFinite(startless)
      ? { from: from - SLACK_MICROS, to: lastEnd, orNone: startless > 0 }
      : undefined;
  return {
    table: qualifiedName(context, table),
    columns: batch.columns,
    key: batch.key,
    format: batch.format,
    deleted: Number(found["deleted"]),
    ...(firstStart === undefined ? {} : { firstStart }),
    ...(range ? { range } : {}),
  };
}

/** With its own deadline, because what was committed must be known after an abort too. */
async function committedReceipt(context: BigQueryContext, batch: Batch): Promise<Receipt | undefined> {
  const receipts = await readReceipts(context, batch.interval, cleanupDeadline(60_000));
  return receipts.find(
    ({ interval }) =>
      interval.start.getTime() === batch.interval.start.getTime() &&
      interval.end.getTime() === batch.interval.end.getTime(),
  );
}

function overtaken(batch: Batch): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: sessions were deleted after it was read`,
    retry(
      "bigquery.overtaken",
      "Nothing is wrong: with `on_delete: delete` an older read could bring deleted sessions back, so the interval is read again.",
    ),
  );
}

function withoutKey(batch: Batch, count: number): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: ${count} rows have no ${batch.key.join(" or no ")}`,
    giveUp("bigquery.no_key", "These columns identify a row. Leave rows without them out of the model's SELECT."),
  );
}
