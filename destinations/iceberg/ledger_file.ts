/**
 * The ledger of a table: the receipts that count, the records, and which files have the rows that are gone. Each commit writes a
 * new file, and a property of the table that is set in the same commit points to it. Not in the summaries of snapshots: whoever
 * expires snapshots would remove receipts.
 *
 * Compressed, a receipt takes 39 bytes. From some thousands on most of them are in a file of their own (ledger_parts.ts).
 */
import { z } from "zod";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import type { Receipt, RecordKind } from "../destination.ts";
import { readJsonFile, writeJsonFile } from "./json_file.ts";

/** Commits that an attempt may miss while it works, and whose own can still be proven after their receipts were replaced. */
const MOST_COMMITS = 200;

/** A commit of an attempt, whether or not its receipt still counts. */
export interface LedgerCommit {
  readonly attempt: string;
  /** The name of its interval, or what else it was about. */
  readonly about: string;
}

export interface LedgerRecord {
  readonly kind: RecordKind;
  readonly at: Date;
  readonly text: string;
}

/** A file with the keys and versions of rows that have none in the table (gone_rows.ts). */
export interface GoneFile {
  readonly path: string;
  readonly rows: number;
}

export interface LedgerBase {
  readonly path: string;
  /** When it was written. */
  readonly at: Date;
  readonly receipts: readonly Receipt[];
}

/** A file as it is, without what its base has. */
export interface LedgerFile {
  /** The snapshot of the same commit. */
  readonly snapshotId: bigint;
  readonly sequenceNumber: number;
  /** The last ones, the latest first. */
  readonly commits: readonly LedgerCommit[];
  /** Those that count, by start, with their commit's time in the table. */
  readonly receipts: readonly Receipt[];
  readonly records: readonly LedgerRecord[];
  readonly gone: readonly GoneFile[];
  /** The file that has most receipts; undefined if this one has all of them. */
  readonly base?: Pick<LedgerBase, "path" | "at"> | undefined;
}

/** A ledger with the receipts of its base. */
export type Ledger = Omit<LedgerFile, "base"> & { readonly base: LedgerBase | undefined };

/** What a commit leaves, without its own snapshot. */
export type LedgerContents = Omit<Ledger, "snapshotId" | "sequenceNumber">;

export const EMPTY_LEDGER: Omit<LedgerFile, "snapshotId" | "sequenceNumber"> = {
  commits: [],
  receipts: [],
  records: [],
  gone: [],
};

const TIME = z.int().transform((ms) => new Date(ms));
const RECEIPT = z.object({
  start: TIME,
  end: TIME,
  attempt: z.string(),
  rows: z.int(),
  bytes: z.int(),
  files: z.int(),
  fingerprint: z.string(),
  read: TIME,
  watermark: TIME.optional(),
  committed: TIME,
  /** Which of `sourceColumns`. */
  source: z.int().optional(),
});
const FILE = z.object({
  /** 2: with a base, which versions that know only 1 would overlook. */
  format: z.literal([1, 2]),
  export: z.string(),
  snapshot: z.string().regex(/^\d+$/).transform(BigInt),
  sequence: z.int(),
  commits: z.array(z.object({ attempt: z.string(), about: z.string() })),
  sourceColumns: z.array(z.array(z.string())),
  receipts: z.array(RECEIPT),
  records: z.array(z.object({ kind: z.enum(["audits", "corrections"]), at: TIME, text: z.string() })),
  gone: z.array(z.object({ path: z.string(), rows: z.int() })),
  base: z.object({ path: z.string(), at: TIME }).optional(),
});

export function encodeLedger(exportName: string, ledger: LedgerFile): Uint8Array {
  const lists = new Map<string, number>();
  const receipts = ledger.receipts.map((receipt): z.input<typeof RECEIPT> => {
    const list = receipt.sourceColumns && JSON.stringify(receipt.sourceColumns);
    if (list !== undefined && !lists.has(list)) lists.set(list, lists.size);
    return {
      start: receipt.interval.start.getTime(),
      end: receipt.interval.end.getTime(),
      attempt: receipt.attempt,
      rows: receipt.rows,
      bytes: receipt.bytes,
      files: receipt.files,
      fingerprint: receipt.fingerprint,
      read: receipt.readAt.getTime(),
      watermark: receipt.watermark?.getTime(),
      committed: receipt.committedAt.getTime(),
      source: list === undefined ? undefined : lists.get(list),
    };
  });
  const file: z.input<typeof FILE> = {
    format: ledger.base ? 2 : 1,
    export: exportName,
    snapshot: String(ledger.snapshotId),
    sequence: ledger.sequenceNumber,
    commits: ledger.commits.slice(0, MOST_COMMITS),
    sourceColumns: [...lists.keys()].map((list) => JSON.parse(list) as string[]),
    receipts,
    records: ledger.records.map(({ kind, at, text }) => ({ kind, at: at.getTime(), text })),
    gone: ledger.gone.map(({ path, rows }) => ({ path, rows })),
    base: ledger.base && { path: ledger.base.path, at: ledger.base.at.getTime() },
  };
  return writeJsonFile(file);
}

/** @throws ReplayportError `iceberg.ledger_unreadable` */
export function decodeLedger(bytes: Uint8Array, path: string): LedgerFile {
  try {
    const file = FILE.parse(readJsonFile(bytes));
    return {
      snapshotId: file.snapshot,
      sequenceNumber: file.sequence,
      commits: file.commits,
      receipts: file.receipts.map(({ start, end, read, committed, source, ...receipt }) => ({
        ...receipt,
        export: file.export,
        interval: { start, end },
        readAt: read,
        watermark: receipt.watermark,
        committedAt: committed,
        sourceColumns: source === undefined ? undefined : file.sourceColumns[source],
      })),
      records: file.records,
      gone: file.gone,
      base: file.base,
    };
  } catch (error) {
    throw new ReplayportError(`the ledger ${path} can't be read: ${messageOf(error)}`, {
      ...giveUp(
        "iceberg.ledger_unreadable",
        "A newer version of Replayport may have written it: update. Otherwise remove the table property replayport.ledger; all intervals are then loaded again.",
      ),
      cause: error,
    });
  }
}
