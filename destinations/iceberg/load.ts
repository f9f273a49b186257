/**
 * How a batch gets into an Iceberg table. A load
 *
 *  1. creates the table if there is none, refuses one that it couldn't keep right, and reads the ledger: its precondition.
 *  2. uploads its files (upload.ts) and keeps their keys. Nobody sees them: no snapshot names them.
 *  3. lists the files that other attempts of the interval have left.
 *  4. commits (commit.ts): one snapshot adds the files, marks or drops the rows that are older, and has the receipt in its ledger.
 *     Which rows die is a pure function of the snapshot and the batch (delta.ts), so a commit that lost against another one is
 *     computed again.
 *  5. removes what step 3 found, its own files that the table didn't need, and files of expired snapshots.
 *
 * **No row is lost, doubled or put back.** Of each key the highest row in the order of reads stays. The request asserts the
 * snapshot that this was computed from.
 *
 * **One of two live attempts wins.** Step 4 looks for a commit about the same interval since step 1. If there is one, the load
 * rejects; otherwise two workers would commit the batch by turns.
 *
 * **Step 5 takes nothing from an attempt that may win.** A file of step 3 belongs to an attempt that read its precondition before
 * our commit, so it finds our commit in step 4 and gives up. What another attempt has committed is in the ledger's list of commits,
 * or else in some snapshot, and stays.
 *
 * **If it's killed at any point**, the table is as before or has the whole batch. What is left are files that no snapshot names.
 * The next load of the batch removes them, and so does `replayport gc`.
 */
import { ReplayportError, retry } from "../../src/errors.ts";
import { sameInterval } from "../../src/intervals/interval.ts";
import type { LoadedTable } from "../catalog/catalog.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { expectWon } from "../commit_outcome.ts";
import type { Batch, Receipt, StagedFile } from "../destination.ts";
import { eachFile } from "../files/each_file.ts";
import { describeBatch, isReadLater, olderRead } from "../races.ts";
import { receiptOf } from "../receipts.ts";
import type { IcebergSchema } from "../table_format/schema.ts";
import { batchChange, schemaAfter, type Uploaded } from "./batch_change.ts";
import { commitChange, type Committed, type MakeChange } from "./commit.ts";
import type { IcebergContext } from "./context.ts";
import { goneOf } from "./gone_rows.ts";
import { type CurrentLedger, currentLedger, isOvertaken } from "./ledger.ts";
import { deadFiles, filesOfOthers } from "./leftovers.ts";
import { dataFile, workOf } from "./names.ts";
import { stagedKeys } from "./row_keys.ts";
import { readState } from "./snapshot.ts";
import type { Storage } from "./storage.ts";
import { ensureTable, missingColumns } from "./tables.ts";
import { checkStaged, uploadFile } from "./upload.ts";

/** Uploads at a time. A large file is uploaded in parallel parts. */
const PARALLEL = 2;

export async function load(context: IcebergContext, batch: Batch, signal: AbortSignal): Promise<Receipt> {
  // 1.
  const table = await ensureTable(context, batch, signal);
  const { metadata, storage } = await readState(context, table, signal);
  const before = await currentLedger(context, storage, metadata, signal);
  refuseOlder(context, batch, before);
  const schema = schemaAfter(table, missingColumns(context, table, batch));
  const work = workOf(batch);
  const paths: string[] = [];
  try {
    // 2. and 3.
    const { results: files, totals } = await eachFile(
      batch.files,
      PARALLEL,
      async (staged, either) => {
        const path = dataFile(metadata.location, work, staged.index);
        paths.push(path);
        return await upload(context, table, schema, batch, staged, path, either);
      },
      signal,
    );
    const bytes = files.reduce((sum, { file }) => sum + file.bytes, 0);
    const receipt = (committedAt: Date): Receipt => receiptOf(batch, { ...totals, bytes }, committedAt);
    const others = await filesOfOthers(context, storage, metadata.location, work, signal);
    signal.throwIfAborted();

    // 4.
    const make: MakeChange = async (basis, until) =>
      isOvertaken(before, basis.ledger, work.about)
        ? "lost"
        : await batchChange(context, { batch, files, uuid: metadata.uuid, schema, receipt }, basis, until);
    const committed = expectWon(batch, await commitChange(context, work, make, signal));

    // 5.
    await cleanUp(context, storage, committed, paths, others);
    return receipt(committed.committedAt);
  } catch (error) {
    const open = error instanceof ReplayportError && error.code === "load.commit_unknown";
    if (!open) await withdraw(context, storage, paths);
    throw error;
  }
}

async function upload(
  context: IcebergContext,
  table: LoadedTable,
  schema: IcebergSchema,
  batch: Batch,
  staged: StagedFile,
  path: string,
  signal: AbortSignal,
): Promise<Uploaded> {
  await checkStaged(staged, signal);
  const gone = await goneOf(context, batch, staged);
  const prefixes = await stagedKeys(context, staged, path, batch, signal);
  const file = await uploadFile(context.storage(table), schema, table.metadata.properties, batch, staged, path, signal);
  expectRows(batch, staged.rows, file.rows);
  return { file, gone, prefixes };
}

/** @throws ReplayportError `load.older_read` */
function refuseOlder({ now }: IcebergContext, batch: Batch, { receipts }: CurrentLedger): void {
  const same = receipts.find(({ interval }) => sameInterval(interval, batch.interval));
  if (same && isReadLater(same.readAt, batch, now())) throw olderRead(batch, same.readAt);
}

function expectRows(batch: Batch, staged: number, counted: number): void {
  if (staged === counted) return;
  throw new ReplayportError(
    `${describeBatch(batch)}: ${staged} rows were staged, the file has ${counted}; nothing was changed`,
    retry("iceberg.rows_differ", "If it happens again, check what else writes to the staging folder."),
  );
}

/** Never rejects: the batch is committed. */
async function cleanUp(
  context: IcebergContext,
  storage: Storage,
  { committedAt, state, change }: Committed,
  paths: readonly string[],
  others: readonly string[],
): Promise<void> {
  const signal = cleanupDeadline();
  const needed = new Set(change.added.filter(({ file, dead }) => dead.count < file.rows).map(({ file }) => file.path));
  try {
    const dead = await deadFiles(context, state, change.ledger(committedAt), others, signal);
    await storage.delete([...paths.filter((path) => !needed.has(path)), ...dead], signal);
  } catch (error) {
    const detail = { export: context.export, table: context.tableName, error };
    context.onWarning(
      "the batch is loaded, but not all files of dead attempts could be removed; `replayport gc` finds them",
      detail,
    );
  }
}

/** Never rejects: the load's own error says more. */
async function withdraw(context: IcebergContext, storage: Storage, paths: readonly string[]): Promise<void> {
  await storage.delete(paths, cleanupDeadline()).catch((error: unknown) => {
    const detail = { export: context.export, table: context.tableName, error };
    context.onWarning("can't remove the files of a failed load; the next load of the batch removes them", detail);
  });
}
