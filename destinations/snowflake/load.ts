/**
 * How a batch gets into Snowflake, and why nothing is lost, duplicated or visible in part on the way.
 *
 *  1. Open a session for this load. Create the tables, or add columns (DDL).
 *  2. Read the interval's receipt: the commit's precondition. Only then ask for files.
 *  3. Clear the attempt's folder in the stage, and upload files to it as they come, several at a time.
 *  4. COPY INTO the attempt's own temporary table. The numbers of rows staged, copied and counted must be equal.
 *  5. List the folders of other attempts of this batch.
 *  6. Run the transaction of commit.ts.
 *  7. Drop the staging table, remove this folder and those of step 5, and close the session.
 *
 * **Step 7 removes nothing that counts.** An attempt whose folder was there in step 5 read its precondition before our
 * commit, so it will lose and doesn't need its files. One that begins later isn't in the list.
 *
 * **A crash** leaves a folder in the stage, which the next load of the batch removes, and a session, which Snowflake ends:
 * the temporary table goes with it, and the transaction is rolled back at the latest 5 minutes after it begins to block
 * another one.
 */
import type { Batch, Receipt } from "../destination.ts";
import { commitBatch, loadPurpose, rollback } from "./commit.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { batchFolder, type SnowflakeContext } from "./context.ts";
import { fileFormat } from "./copy.ts";
import { dropTable } from "./ddl.ts";
import { isLost } from "./errors.ts";
import { ledgerKey, readEntry } from "./ledger.ts";
import { objectPath, stagingTable } from "./names.ts";
import { insertLock } from "./ledger_sql.ts";
import type { Stage } from "./stage.ts";
import type { Session } from "./statement.ts";
import { createStagingTable, fillStaging } from "./staging.ts";
import { prepareTables } from "./tables.ts";
import { uploadFiles } from "./upload.ts";
import { isReadLater, olderRead } from "../races.ts";

export async function load(context: SnowflakeContext, batch: Batch, signal: AbortSignal): Promise<Receipt> {
  // Fails for files that can never be loaded, before anything is extracted.
  fileFormat(batch.format, batch.extension);
  await using session = await context.openSession(loadPurpose(batch), signal);
  await using stage = context.openStage(session);
  const spelling = await prepareTables(context, session, batch, signal);
  const before = await readEntry(context, session, batch.interval, signal);
  if (before.readAt !== undefined && isReadLater(before.readAt, batch, context.now()))
    throw olderRead(batch, before.readAt);
  if (!before.hasLock) await session.execute(insertLock(ledgerKey(context), context.now()), signal);

  const folder = `${batchFolder(context, batch.interval)}${batch.attempt}/`;
  const staging = stagingTable(context.names, batch.attempt);
  let receipt: Receipt;
  let others: readonly string[] = [];
  try {
    await stage.remove(folder, signal);
    const { names: files, totals } = await uploadFiles(stage, folder, batch, signal);
    const into = {
      target: objectPath(context.names, context.names.table),
      gone: objectPath(context.names, context.names.gone),
      staging,
      spelling,
      onDelete: context.onDelete,
    };
    const staged = { folder, staging, names: context.names, files, rows: totals.rows };
    const rows = files.length === 0 ? undefined : { files: staged, into };
    if (rows) {
      await createStagingTable(session, batch, staged, signal);
      await fillStaging(session, stage, batch, staged, signal);
    }
    others = await otherAttempts(context, stage, batch, signal);
    signal.throwIfAborted();
    receipt = await commitBatch(context, batch, { session, before, totals, rows }, signal);
  } catch (error) {
    // ROLLBACK comes first: any DDL, even dropping the staging table, would commit what is half done. If it isn't
    // acknowledged, that session isn't used any more.
    const alive = (await rollback(session)) ? { session, stage } : undefined;
    await removeStaged(
      context,
      alive,
      { folders: [folder], staging },
      "a failed load left files in the stage; the next load of the batch removes them",
    );
    throw error;
  }
  await removeStaged(
    context,
    { session, stage },
    { folders: [folder, ...others], staging: receipt.files > 0 ? staging : undefined },
    "the batch is loaded, but some of its staged files couldn't be removed; a later load removes them",
  );
  return receipt;
}

/** Folders of this batch's other attempts, which are dead or will lose. */
async function otherAttempts(
  context: SnowflakeContext,
  stage: Stage,
  batch: Batch,
  signal: AbortSignal,
): Promise<string[]> {
  const folder = batchFolder(context, batch.interval);
  const found = new Set<string>();
  for (const path of await stage.list(folder, signal)) {
    // A named stage's paths begin with its name.
    const attempt = path.slice(path.indexOf(folder) + folder.length).split("/")[0];
    if (path.includes(folder) && attempt !== undefined && attempt !== "" && attempt !== batch.attempt) {
      found.add(`${folder}${attempt}/`);
    }
  }
  return [...found];
}

/**
 * Uses the load's session if it's alive, or opens another one: a lost session takes its temporary table along, but not the
 * files. Never rejects: the load has succeeded, or has a better error to show.
 */
async function removeStaged(
  context: SnowflakeContext,
  alive: { readonly session: Session; readonly stage: Stage } | undefined,
  { folders, staging }: { readonly folders: readonly string[]; readonly staging: string | undefined },
  warning: string,
): Promise<void> {
  try {
    if (alive) {
      try {
        if (staging !== undefined) await alive.session.execute(dropTable(staging), cleanupDeadline());
        for (const folder of folders) await alive.stage.remove(folder, cleanupDeadline());
        return;
      } catch (error) {
        if (!isLost(error)) throw error;
      }
    }
    const deadline = cleanupDeadline();
    await using session = await context.openSession({ export: context.export, doing: "clean-up" }, deadline);
    await using stage = context.openStage(session);
    for (const folder of folders) await stage.remove(folder, deadline);
  } catch (error) {
    context.onWarning(warning, { export: context.export, folders, error });
  }
}
