/**
 * How a batch gets into BigQuery. A load
 *
 *  1. creates or extends the tables: the target and `_replayport_receipts`.
 *  2. reads its interval's receipt: its precondition, read before anything is staged.
 *  3. loads its files into its own staging table (staging.ts).
 *  4. lists the staging tables of other attempts of the batch.
 *  5. commits: one script, one transaction, rows and receipt together (commit.ts).
 *  6. drops its staging table and what step 4 found.
 *
 * **Step 6 takes nothing from an attempt that may win.** A table of step 4 belongs to an attempt that read its precondition
 * before our commit. Our commit changed that receipt, so that attempt can only lose. The table of one that begins later
 * isn't in the list.
 *
 * **If it's killed at any point**, the target and the ledger are as before or complete, since only the transaction
 * changes them. What is left is a staging table, which the next load of the batch drops, and which expires after a day.
 *
 * If nobody can tell whether the commit went through, the staging table stays: the job may still read it.
 */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { describeInterval } from "../../src/intervals/interval.ts";
import type { Batch, Receipt } from "../destination.ts";
import { isReadLater, olderRead } from "../races.ts";
import { commit } from "./commit.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { BigQueryContext } from "./context.ts";
import { ensureLedger, ensureTarget } from "./tables.ts";
import { readState } from "./ledger.ts";
import { stagingPrefix, stagingTable } from "./names.ts";
import { checkCompression, stageFiles } from "./staging.ts";

export async function load(context: BigQueryContext, batch: Batch, signal: AbortSignal): Promise<Receipt> {
  const { client, place } = context;
  signal.throwIfAborted();
  checkCompression(batch);
  let staging: string | undefined;
  let others: string[] = [];
  try {
    await checkDataset(context, signal);
    await ensureLedger(context, signal);
    const target = await ensureTarget(context, batch, signal);
    const before = await readState(context, batch.interval, signal);
    if (before.readAt && isReadLater(before.readAt, batch, context.now())) throw olderRead(batch, before.readAt);
    const staged = await stageFiles(context, batch, (table) => (staging = table), signal);
    const own = stagingTable(place, batch);
    others = (await client.tablesWith(stagingPrefix(place, batch.id), signal)).filter((table) => table !== own);
    signal.throwIfAborted();
    const receipt = await commit(context, batch, { before, staged, target }, signal);
    await drop(context, batch, [...(staging === undefined ? [] : [staging]), ...others]);
    return receipt;
  } catch (error) {
    // The tables may have changed.
    context.ready.clear();
    const open = error instanceof ReplayportError && error.code === "load.commit_unknown";
    if (staging !== undefined && !open) await drop(context, batch, [staging]);
    throw error;
  }
}

/**
 * Jobs run where the dataset is. If the config's `location` says otherwise, that's reported at once. So is a collation that
 * the staging table and new tables would inherit: under it, two ids may be equal.
 */
export async function checkDataset({ client, options, place }: BigQueryContext, signal: AbortSignal): Promise<void> {
  const { defaultCollation = "" } = await client.resource(signal);
  if (defaultCollation !== "") {
    throw new ReplayportError(
      `the dataset ${place.project}.${place.dataset} has the default collation ${defaultCollation}, under which two ids may be equal`,
      giveUp(
        "bigquery.collation",
        `Load into another dataset, or end it for new tables: ALTER SCHEMA \`${place.project}\`.\`${place.dataset}\` SET DEFAULT COLLATE '';`,
      ),
    );
  }
  const found = await client.location(signal);
  if (options.location === undefined || options.location.toLowerCase() === found.toLowerCase()) return;
  throw new ReplayportError(
    `the dataset ${place.project}.${place.dataset} is in ${found}, the config says ${options.location}`,
    giveUp("bigquery.wrong_location", `Set \`location: ${found}\`, or leave it out. A dataset can't be moved.`),
  );
}

/** Never rejects: the batch is loaded, or the load has a better error to show. */
async function drop(context: BigQueryContext, batch: Batch, tables: readonly string[]): Promise<void> {
  const deadline = cleanupDeadline(60_000);
  for (const table of tables) {
    try {
      await context.client.dropTable(table, deadline);
    } catch (error) {
      context.onWarning("a staging table was left behind; it expires within a day, or the next load drops it", {
        export: context.export,
        interval: describeInterval(batch.interval),
        table,
        error,
      });
    }
  }
}
