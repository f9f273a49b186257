/**
 * The commit of a batch: one job, a script with one transaction.
 *
 * **A table's commits run one after the other.** BigQuery lets two transactions that only insert rows run at once, and a
 * MERGE that happens to match nothing only inserts
 * (https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts,
 * https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency): two intervals with the same new session, loaded
 * at once, would insert its row twice. So the job's id is made from the table and its last commit, the head. All loads
 * that saw the same head use the same id, and BigQuery gives it to one. The others follow that job to its end, and plan
 * again: on the new head, or, if the job failed, under the next generation of the id.
 *
 * **A plan is valid for one head.** What it was made from (the interval's receipt, how far back other loads went)
 * can't have changed while the head is the same, and the transaction raises if it isn't.
 *
 * **The ledger decides.** A job that failed may have been cancelled just after its COMMIT. A job with that id may have
 * succeeded, and its result may have been undone since (somebody emptied the ledger). So unless our own job simply
 * succeeded, the ledger is read again.
 */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Batch, Receipt } from "../destination.ts";
import { type Commit, type CommitOutcome, expectWon, type ReadBack, settle } from "../commit_outcome.ts";
import { type CommitPlan, commitScript, inspect, type StagedRows } from "./merge.ts";
import { type BigQueryContext, qualifiedName, ledgerPlace } from "./context.ts";
import { goneTable, jsonColumns, type Target } from "./tables.ts";
import { jobError } from "./errors.ts";
import { failed, isOf, isUnknown, query, queryConfiguration, runJob } from "./jobs.ts";
import { type Precondition, readReceipt } from "./ledger.ts";
import { commitJobId } from "./names.ts";
import type { Staged } from "./staging.ts";
import { SLACK_MICROS } from "../warehouse/rows.ts";
import { expectRows } from "../warehouse/row_counts.ts";
import { describeBatch } from "../races.ts";
import { receiptOf } from "../receipts.ts";

/** How far this machine's clock may be off from BigQuery's without duplicating a row. */
const CLOCK_MS = 3_600_000;

export interface Prepared {
  /** The interval's receipt before anything was staged. */
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
  return expectWon(batch, await settle(sendCommit(context, batch, prepared), signal));
}

function sendCommit(context: BigQueryContext, batch: Batch, prepared: Prepared): Commit<Receipt> {
  const { client, place } = context;
  const request = client.request("bigquery.tables.updateData", `${place.dataset}.${place.table}`);
  let generation = 0;
  let last: string | undefined;
  /** A job of ours may still be running. It keeps its id, so sending again finds it. */
  let inDoubt = false;

  const send = async (signal: AbortSignal): Promise<CommitOutcome<Receipt> | "open"> => {
    for (;;) {
      const found = await inspectStaging(context, batch, prepared, signal);
      if (found === "gone") return { outcome: "lost" };
      if (String(found["attempts"]) !== prepared.before.attempts) return "open";
      const plan = planCommit(context, batch, prepared, found);
      if (plan.head !== last) generation = 0;
      last = plan.head;
      const jobId = commitJobId(place, plan.head, generation);
      const configuration = queryConfiguration(context, commitScript(plan), batch);
      const submit = (own: AbortSignal) => client.insertJob(jobId, configuration, own);
      const { job, existed } = await runJob(context, { jobId, submit, attempt: batch.attempt }, signal).catch(
        (error: unknown) => {
          inDoubt = isUnknown(error);
          throw error;
        },
      );
      inDoubt = false;
      // The head is the same after a job that failed or was undone, and a new one after any other.
      generation += 1;
      // Another load's commit: the next plan finds what it did.
      if (existed && !isOf(job, batch.attempt)) continue;
      if (failed(job)) {
        signal.throwIfAborted();
        throw jobError(job.status?.errorResult ?? {}, request);
      }
      const [row] = existed ? [] : await client.rows(jobId, signal).catch(() => []);
      const committedAt = Number(row?.["committed_at"] ?? Number.NaN);
      if (!Number.isFinite(committedAt)) return "open";
      return { outcome: "won", committed: receiptOf(batch, prepared.staged.totals, new Date(committedAt)) };
    }
  };

  const readBack = async (signal: AbortSignal): Promise<ReadBack<Receipt>> => {
    const standing = await readReceipt(context, batch.interval, signal);
    if (standing?.attempt === batch.attempt) return { outcome: "won", committed: standing };
    if ((standing?.attempt ?? "") !== prepared.before.attempts) return { outcome: "lost" };
    return inDoubt ? "pending" : "absent";
  };
  return { send, readBack };
}

/** @throws ReplayportError if the staging table doesn't hold what was staged */
function planCommit(context: BigQueryContext, batch: Batch, { staged }: Prepared, found: Found): CommitPlan {
  const { options, place } = context;
  const onDelete = options.onDelete ?? "tombstone";
  const rows = staged.table === undefined ? undefined : stagedRows(context, batch, staged, staged.table, found);
  return {
    ...ledgerPlace(context),
    table: qualifiedName(context, place.table),
    gone: qualifiedName(context, goneTable(context)),
    json: jsonColumns(context),
    onDelete,
    head: String(found["head"]),
    receipt: receiptOf(batch, staged.totals, context.now()),
    origin: { replayport: context.version, source: batch.sourceVersion },
    ...(rows ? { staged: rows } : {}),
  };
}

type Found = Readonly<Record<string, unknown>>;

async function inspectStaging(
  context: BigQueryContext,
  batch: Batch,
  { staged, target: { byStart } }: Prepared,
  signal: AbortSignal,
): Promise<Found | "gone"> {
  const staging = staged.table === undefined ? undefined : qualifiedName(context, staged.table);
  const pruned = byStart ? qualifiedName(context, context.place.table) : undefined;
  const since = new Date(batch.readAt.getTime() - CLOCK_MS);
  const { columns, key, interval } = batch;
  const question = inspect(ledgerPlace(context), { columns, key, interval, staging, since, pruned });
  const table = staged.table ?? context.ledger;
  const what = { action: "bigquery.tables.getData", resource: `${context.place.dataset}.${table}` };
  try {
    const [found] = await query(context, what, question, batch, signal);
    return found ?? {};
  } catch (error) {
    const gone = error instanceof ReplayportError && error.code === "bigquery.vanished";
    if (gone && staged.table !== undefined && error.message.includes(staged.table)) return "gone";
    throw error;
  }
}

/**
 * Compares the staging table with what was staged, and finds the range of days that the MERGE has to read.
 *
 * A session's start only falls and its end only grows, so a row that is older than the staged one starts within
 * [staged start, staged end], or a little earlier if the source has dropped the session's first rows since. A newer row may
 * start before that; but the load that brought it committed after this batch's read began, and the receipts say how far back
 * those loads went (`earliest_start`, kept when a receipt is replaced).
 * The bounds are literals in the statement, since only constants are certain to prune partitions
 * (https://cloud.google.com/bigquery/docs/querying-partitioned-tables, and "Pruning partitions when using a MERGE
 * statement" in https://cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables). Rows without a start were loaded
 * while the column was excluded; the range includes them if there are any.
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
  // Not every load uses a range, but every one records how far back it went.
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

function withoutKey(batch: Batch, count: number): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: ${count} rows have no ${batch.key.join(" or no ")}`,
    giveUp("bigquery.no_key", "These columns identify a row. Leave rows without them out of the model's SELECT."),
  );
}
