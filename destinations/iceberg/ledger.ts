/** Which ledger of a table counts, and what a commit adds to it. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { type Interval, intervalName, overlaps } from "../../src/intervals/interval.ts";
import { currentReceipts } from "../current_receipts.ts";
import type { Receipt } from "../destination.ts";
import { ancestors, type Snapshot, type TableMetadata } from "../table_format/metadata.ts";
import type { IcebergContext } from "./context.ts";
import { decodeLedger, EMPTY_LEDGER, type Ledger, type LedgerContents, type LedgerFile } from "./ledger_file.ts";
import { receiptsOf } from "./ledger_parts.ts";
import { PROPERTIES } from "./names.ts";
import type { Storage } from "./storage.ts";

/** What counts now. `path` is undefined before the first commit of ours. */
export type CurrentLedger = LedgerContents & {
  readonly path: string | undefined;
  readonly snapshotId: bigint | undefined;
};

const NONE: CurrentLedger = { ...EMPTY_LEDGER, base: undefined, path: undefined, snapshotId: undefined };

/**
 * The ledger that the table's property names, unless the table was rolled back behind it: then the rows of its last batches are
 * gone, and the ledger of the newest snapshot of ours that is still in the history of `main` counts.
 * @throws ReplayportError `iceberg.ledger_missing`, `iceberg.ledger_unreadable`
 */
export async function currentLedger(
  context: IcebergContext,
  storage: Storage,
  metadata: TableMetadata,
  signal: AbortSignal,
): Promise<CurrentLedger> {
  const path = metadata.properties[PROPERTIES.ledger];
  if (path === undefined) return NONE;
  const history = ancestors(metadata);
  const named = await readLedger(context, storage, path, signal);
  if (counts(named, history, metadata)) return { ...named, path };
  const earlier = history.find(({ summary }) => summary[PROPERTIES.ledger] !== undefined)?.summary[PROPERTIES.ledger];
  if (earlier === undefined) return NONE;
  return { ...(await readLedger(context, storage, earlier, signal)), path: earlier };
}

/**
 * Whether the ledger's snapshot is in the history of `main`. Its snapshot may have expired; then the history ends before it, at a
 * snapshot that has a parent. Sequence numbers only grow, so a history that goes below the ledger's without meeting its snapshot
 * doesn't have it.
 */
function counts(
  { snapshotId, sequenceNumber }: Ledger,
  history: readonly Snapshot[],
  { currentSnapshotId }: TableMetadata,
): boolean {
  if (currentSnapshotId === undefined) return false;
  if (history.some(({ id }) => id === snapshotId)) return true;
  const last = history.at(-1);
  return last !== undefined && last.sequenceNumber > sequenceNumber && last.parentId !== undefined;
}

export async function readLedger(
  context: IcebergContext,
  storage: Storage,
  path: string,
  signal: AbortSignal,
): Promise<Ledger> {
  return await context.caches.ledgers.get(path, async () => {
    const file = await readLedgerFile(context, storage, path, signal);
    if (!file.base) return { ...file, base: undefined };
    const base = { ...file.base, receipts: (await readLedger(context, storage, file.base.path, signal)).receipts };
    return { ...file, base, receipts: receiptsOf({ base, tail: file.receipts }) };
  });
}

/** Without its base, and not through the cache. */
export async function readLedgerFile(
  context: Pick<IcebergContext, "tableName">,
  storage: Storage,
  path: string,
  signal: AbortSignal,
): Promise<LedgerFile> {
  const bytes = await storage.readIfThere(path, signal);
  if (bytes === undefined) throw missingLedger(context, path);
  return decodeLedger(bytes, path);
}

/** Those that overlap the range, by start. */
export function receiptsIn({ receipts }: Pick<Ledger, "receipts">, range: Interval): Receipt[] {
  return receipts.filter((receipt) => overlaps(receipt.interval, range));
}

/** The ledger with a new receipt, without those that it replaces. */
export function withReceipt(ledger: CurrentLedger, receipt: Receipt): LedgerContents {
  const commit = { attempt: receipt.attempt, about: intervalName(receipt.interval) };
  return {
    ...ledger,
    commits: [commit, ...ledger.commits],
    receipts: currentReceipts([...ledger.receipts, receipt]),
  };
}

/**
 * Whether another attempt has committed something about the same interval since `before` was read. Also if that can't be said: the
 * table was rolled back, or more commits have come than are listed.
 */
export function isOvertaken(before: CurrentLedger, now: CurrentLedger, about: string): boolean {
  const head = before.commits[0]?.attempt;
  const at = now.commits.findIndex(({ attempt }) => attempt === head);
  if (head !== undefined && at === -1) return true;
  const since = head === undefined ? now.commits : now.commits.slice(0, at);
  return since.some((commit) => commit.about === about);
}

function missingLedger({ tableName }: Pick<IcebergContext, "tableName">, path: string): ReplayportError {
  return new ReplayportError(
    `${tableName}: its ledger isn't there: ${path}`,
    giveUp(
      "iceberg.ledger_missing",
      "Something removed a file of the table's metadata folder, such as a removal of orphan files: limit that to the data folder. " +
        "To load everything again, remove the table property replayport.ledger.",
    ),
  );
}
