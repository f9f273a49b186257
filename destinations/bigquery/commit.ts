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
 * **A plan is valid for one head.** Where the target has rows of the staged keys can't have changed while the head is the
 * same, and the transaction raises if it isn't. A plan is billed, so it is made once the table is free: jobs.get, which is free
 * of charge, says which ids were used, and whether the last of them still runs.
 *
 * **No commit leaves a key twice.** The transaction counts the rows of the staged keys, in the whole table, after its MERGE. So
 * whatever made the plan wrong (something else wrote to the table) fails the load and changes nothing.
 *
 * **The ledger decides.** A job that failed may have been cancelled just after its COMMIT. A job with that id may have
 * succeeded, and its result may have been undone since (somebody emptied the ledger). So unless our own job simply
 * succeeded, the ledger is read again.
 */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Batch, Receipt } from "../destination.ts";
import { type Commit, type CommitOutcome, expectWon, type ReadBack, settle } from "../commit_outcome.ts";
import { type CommitPlan, commitScript, inspect } from "./merge.ts";
import { type BigQueryContext, qualifiedName, ledgerPlace } from "./context.ts";
import { goneTable, jsonColumns, type Target } from "./tables.ts";
import { jobError, raised } from "./errors.ts";
import { failed, follow, isOf, isUnknown, query, queryConfiguration, runJob } from "./jobs.ts";
import { type LedgerState, readState } from "./ledger.ts";
import { mendDoubled } from "./mend.ts";
import { commitJobId } from "./names.ts";
import type { JobResource } from "./resources.ts";
import type { Staged } from "./staging.ts";
import { duplicates, timeRange } from "../warehouse/held_rows.ts";
import { expectRows } from "../warehouse/row_counts.ts";
import { describeBatch } from "../races.ts";
import { receiptOf } from "../receipts.ts";

export interface Prepared {
  /** The interval's receipt before anything was staged. */
  readonly before: LedgerState;
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
  const { before, staged, target } = prepared;
  const request = client.request("bigquery.tables.updateData", place.table);
  const won = (committedAt: Date) =>
    ({ outcome: "won", committed: receiptOf(batch, staged.totals, committedAt) }) as const;
  /** Mostly nobody has committed since, and the plan says whether the head is still the same. */
  let known: LedgerState | undefined = before;
  let plan: CommitPlan | undefined;
  let last: string | undefined;
  /** Of the last head the ids below it can't be used, even if BigQuery doesn't know their jobs. */
  let spent = 0;
  /** A job of ours may still be running. It keeps its id, so sending again finds it. */
  let inDoubt = false;

  const send = async (signal: AbortSignal): Promise<CommitOutcome<Receipt> | "open"> => {
    for (;;) {
      const { head, attempt } = known ?? (await readState(context, batch.interval, signal));
      known = undefined;
      if (attempt !== before.attempt) return "open";
      if (head !== last) [plan, spent, last] = [undefined, 0, head];
      const idOf = (generation: number): string => commitJobId(place, target.created, head, generation);
      const free = await nextCommit(client, batch.attempt, idOf, spent, signal);
      if (free === "moved") continue;
      plan ??= await planCommit(context, batch, prepared, head, signal);
      if (plan === undefined) return { outcome: "lost" };
      if (plan.head !== head) {
        plan = undefined;
        continue;
      }
      const jobId = idOf(free);
      const configuration = queryConfiguration(context, commitScript(plan), batch);
      const submit = (own: AbortSignal) => client.insertJob(jobId, configuration, own);
      const ended = await runJob(context, { jobId, submit, attempt: batch.attempt }, signal).catch((error: unknown) => {
        inDoubt = isUnknown(error);
        throw error;
      });
      inDoubt = false;
      const { job, existed } = ended;
      if (job === undefined || failed(job)) spent = free + 1;
      // Another load's commit, or an id that is used up.
      if (job === undefined || (existed && !isOf(job, batch.attempt))) continue;
      if (failed(job)) {
        signal.throwIfAborted();
        // Something that the plan rests on has changed.
        plan = undefined;
        const result = job.status?.errorResult ?? {};
        throw raised(result.message) === "doubled" ? doubledKeys(context, batch, prepared) : jobError(result, request);
      }
      const [row] = existed ? [] : await client.rows(jobId, signal).catch(() => []);
      const committedAt = Number(row?.["committed_at"] ?? Number.NaN);
      return Number.isFinite(committedAt) ? won(new Date(committedAt)) : "open";
    }
  };

  const readBack = async (signal: AbortSignal): Promise<ReadBack<Receipt>> => {
    const { attempt, committed } = await readState(context, batch.interval, signal);
    const committedAt = committed.get(batch.attempt);
    if (committedAt) return won(committedAt);
    if (attempt !== before.attempt) return { outcome: "lost" };
    return inDoubt ? "pending" : "absent";
  };
  return { send, readBack };
}

/**
 * The generation of the next commit's id; `moved` after another load's commit has ended. The used ids have no gaps, so the last
 * of them is found in a few requests, however many commits have failed before.
 * @param spent the first that can be free
 */
async function nextCommit(
  client: BigQueryContext["client"],
  attempt: string,
  idOf: (generation: number) => string,
  spent: number,
  signal: AbortSignal,
): Promise<number | "moved"> {
  let last: JobResource | undefined;
  let [used, free] = [spent - 1, Number.POSITIVE_INFINITY];
  for (let step = 1; free - used > 1; step *= 2) {
    const generation = Number.isFinite(free) ? Math.floor((used + free) / 2) : used + step;
    const job = await client.job(idOf(generation), signal);
    if (job === undefined) free = generation;
    else [used, last] = [generation, job];
  }
  if (last === undefined || last.status?.state === "DONE" || isOf(last, attempt)) {
    // Sending our own job again finds it.
    return last !== undefined && last.status?.state !== "DONE" ? used : free;
  }
  await follow(client, idOf(used), signal);
  return "moved";
}

/**
 * Compares the staging table with what was staged, and finds where the target has rows of its keys.
 * @returns undefined if the staging table is gone
 * @throws ReplayportError if the staging table doesn't hold what was staged, or the target has a key twice
 */
async function planCommit(
  context: BigQueryContext,
  batch: Batch,
  prepared: Prepared,
  head: string,
  signal: AbortSignal,
): Promise<CommitPlan | undefined> {
  const { options, place } = context;
  const { staged, target } = prepared;
  const plan: CommitPlan = {
    ...ledgerPlace(context),
    table: qualifiedName(context, place.table),
    gone: qualifiedName(context, goneTable(context)),
    json: jsonColumns(context),
    onDelete: options.onDelete ?? "tombstone",
    head,
    receipt: receiptOf(batch, staged.totals, context.now()),
    origin: { replayport: context.version, source: batch.sourceVersion },
  };
  if (staged.table === undefined) return plan;
  const { partition } = target;
  const table = qualifiedName(context, staged.table);
  const what = { action: "bigquery.tables.getData", table: staged.table };
  const question = inspect(plan, { target: plan.table, staging: table, key: batch.key, partition });
  let found: Readonly<Record<string, unknown>> | undefined;
  try {
    [found = {}] = await query(context, what, question, batch, signal);
  } catch (error) {
    // Another attempt has won, and removed it.
    const vanished = error instanceof ReplayportError && error.code === "bigquery.vanished";
    if (vanished && !(await context.client.table(staged.table, signal))) return undefined;
    throw error;
  }
  expectRows(batch, staged.totals.rows, "counted in the staging table", Number(found["rows"]));
  if (Number(found["keyless"]) > 0) throw withoutKey(batch, Number(found["keyless"]));
  if (Number(found["doubled"]) > 0) throw doubledKeys(context, batch, prepared, Number(found["doubled"]));
  const range = timeRange((column) => bigintOf(found[column]));
  const { columns, key, format } = batch;
  return {
    ...plan,
    head: String(found["head"]),
    staged: {
      table,
      columns,
      key,
      format,
      ...(partition === undefined ? {} : { partition: { column: partition, range } }),
    },
  };
}

function bigintOf(value: unknown): bigint | undefined {
  return typeof value === "string" || typeof value === "number" ? BigInt(value) : undefined;
}

function doubledKeys(
  context: BigQueryContext,
  batch: Batch,
  { target: { partition } }: Prepared,
  count?: number,
): ReplayportError {
  const table = qualifiedName(context, context.place.table);
  return duplicates(table, count, mendDoubled({ table, rows: batch, partition }));
}

function withoutKey(batch: Batch, count: number): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: ${count} rows have no ${batch.key.join(" or no ")}`,
    giveUp("bigquery.no_key", "These columns identify a row. Leave rows without them out of the model's SELECT."),
  );
}
