/**
 * What a destination promises. The conformance suite in test/conformance holds each destination to every promise.
 *
 * 0. **No row is lost.** A row leaves only when a newer read of *its key* is committed. Sources drop rows (retention, purge, a
 *    shard that is away), and then the destination has the only copy. A batch that lacks a row never takes it away.
 * 1. **All or nothing.** Whether `load` succeeds, fails or is killed, readers see the old batch or the new one, never part
 *    of it. A `load` that rejects has removed what it wrote, as far as it could; a later load removes what a killed one left.
 * 2. **Idempotent on the batch id.** A second load replaces the receipt of the first, and each row that it has.
 * 3. **Newer rows win.** A row never replaces one that was read later (src/models/reading_order.ts). Of two rows of the
 *    same version the later read wins, so a reload brings rows under today's column rules.
 * 4. **Two loads of one batch may run at once.** Attempts write under their own names and commit by a conditional write or
 *    a transaction. The loser rejects (races.ts) and has changed nothing that a reader can see.
 * 5. **The receipt is committed with the data.** Once `load` has resolved, `receipts` and `covered` show it.
 * 6. **A longer batch replaces shorter ones.** A batch that covers the intervals of older batches removes their receipts.
 * 7. **Counted.** Rows loaded equal rows staged and the rows of the receipt, or the load fails.
 * 8. **Released.** `load` releases each staged file once it's done with it, so a large batch never sits on local disk in
 *    full.
 *
 * A destination is opened for one export. The core does retries, back-off, concurrency, time limits, logs and metrics. A
 * destination rejects with a ReplayportError, with remedy `retry` if the same load may work later.
 *
 * Terminology
 * - batch: the rows of one export and one data interval. Its id depends on nothing else.
 * - attempt: one try to load a batch. Two may be alive at once; each writes under its own names.
 * - staged file: a file of a batch on local disk: complete, counted and hashed before any destination sees it.
 * - receipt: what a destination committed for a batch: rows, bytes, files, time. It is kept in the destination.
 * - ledger: all receipts of an export. It is read from the destination, never from Redis.
 */
import type { Interval } from "../src/intervals/interval.ts";
import type { Covered } from "../src/intervals/watermark.ts";
import type { AuditGroup, AuditKey } from "../src/models/audit.ts";
import type { Column } from "../src/models/column.ts";
import type { Teams } from "../src/models/model.ts";

/** Best first: Parquet carries types, JSON Lines carries lists, CSV carries text. */
export const FILE_FORMATS = ["parquet", "jsonl", "csv"] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

/** 256 MiB: large enough for a query engine, small enough to send again. A destination with other limits has its own. */
export const FILE_BYTES = 256 * 1024 * 1024;

/** What a destination is opened for. */
export interface DestinationExport {
  /** The export's name. Receipts carry it, so several exports may share a destination. */
  readonly export: string;
  /** The folders of a lake's files, as a template (lake/path_template.ts). Default `DEFAULT_PATH`. Warehouses ignore it. */
  readonly path?: string;
}

/** Texts that one command keeps for later ones on this machine. Any of them may be gone. */
export interface TextMemory {
  recall(name: string): Promise<string | undefined>;
  keep(name: string, text: string): Promise<void>;
}

/** What the core gives to every destination. */
export interface DestinationDeps {
  readonly now: () => Date;
  /** Replayport's version. Every receipt carries it. */
  readonly version: string;
  /** What tells this installation from others that may write to the same place. Undefined if there are none. */
  readonly installation?: string;
  /** Where `check` may write a file; created if missing. Default: the machine's temporary folder. */
  readonly folder?: string;
  /** For what takes long to read again. Default: none. */
  readonly memory?: TextMemory;
  /** Reports a problem that didn't fail the load, such as a cleanup that the next load will repeat. Holds no secret. */
  readonly onWarning: (message: string, detail: object) => void;
}

/** A file of a batch on local disk: complete, counted and hashed. The core removes files that weren't released. */
export interface StagedFile {
  /** Absolute path on this machine. */
  readonly path: string;
  /** 0, 1, 2 … within the batch. */
  readonly index: number;
  readonly rows: number;
  readonly bytes: number;
  /** Hexadecimal, lower case, of the file on disk (compressed). */
  readonly sha256: string;
  /** Removes it. Called once the destination has all of it and won't read it again in this load. */
  readonly release: () => Promise<void>;
}

/** The rows of one export and one data interval, in one attempt to load them. */
export interface Batch {
  /** `<export>/<start>_<end>`: depends on the export and the interval, on nothing else. */
  readonly id: string;
  readonly export: string;
  readonly interval: Interval;
  /** Names this attempt: 12 characters of [0-9a-z], never used twice. */
  readonly attempt: string;
  readonly format: FileFormat;
  /** How the files' names end: `.parquet`, `.jsonl.zst`, `.csv.gz`. */
  readonly extension: string;
  readonly columns: readonly Column[];
  /** The columns that identify a row, for example team_id and session_id. */
  readonly key: readonly string[];
  /** A hash of which rows there are, and one of how they look (src/export/definition.ts). */
  readonly fingerprint: string;
  /** When the read of the source began, by the earlier of the worker's and the source's clock. */
  readonly readAt: Date;
  /** The newest ingestion time that the source showed then, in whole seconds. Undefined if the model can't tell. */
  readonly watermark?: Date | undefined;
  /** The source's version, for the receipt. */
  readonly sourceVersion: string;
  /** The columns of the source that the read was made from, whether or not the export has them. For the receipt. */
  readonly sourceColumns: readonly string[];
  /** Pulled one by one; the core extracts the next file while the last one is loaded. If it rejects, nothing is loaded. */
  readonly files: AsyncIterable<StagedFile>;
}

/** Data files of one kind in a lake: a template of folders (lake/path_template.ts) and how the files' names end. */
export interface DataFolder {
  /** A folder instead of a template, where nothing says which template it came from. */
  readonly path: string;
  /** `.parquet`, `.jsonl.zst`, `.csv.gz` */
  readonly extension: string;
  /** The columns of the files, in order: a list for each that differs. */
  readonly columns: readonly (readonly { readonly name: string; readonly type: string }[])[];
}

/** The part of a receipt that decides what is due. */
export type Coverage = Covered;

/** What a destination committed for a batch. Kept in the destination, together with the data. */
export interface Receipt extends Coverage {
  readonly export: string;
  readonly attempt: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  readonly fingerprint: string;
  /** Columns that the source had. Undefined in receipts of 0.1.0. */
  readonly sourceColumns?: readonly string[] | undefined;
  /**
   * Rows that only files of earlier reads have, so that the destination keeps those: this read didn't find them. Undefined
   * for none, and where the destination doesn't count them.
   */
  readonly lost?: number | undefined;
  /** Where its rows are, those of earlier reads too. A lake's only. */
  readonly folders?: readonly DataFolder[];
}

/** How much of a batch was loaded, or will be. */
export type Totals = Pick<Receipt, "rows" | "bytes" | "files">;

/** A file that no receipt names. */
export interface Leftover {
  readonly key: string;
  /** An upload that nobody has finished. Readers don't see it, but the bucket's owner pays for it. Its size is unknown: 0. */
  readonly unfinished: boolean;
  readonly bytes: number;
  readonly modified: Date;
  readonly removed: boolean;
}

/** A data file of which many rows are dead: newer ones of their keys are elsewhere, or they were deleted. */
export interface FileOfDeadRows {
  readonly key: string;
  readonly rows: number;
  readonly dead: number;
  readonly bytes: number;
  /** Whether its other rows are in a new file now. */
  readonly rewritten: boolean;
}

/** The rows that an audit compares: other exports may load into the same table. */
export interface AuditScope {
  readonly teams: Teams;
  /** Rows that began before it are left out of the groups; those that began days before may be left out of the versions. */
  readonly from: Date;
}

/**
 * What an audit (src/audit) asks of a destination. It compares current rows, one of each key by the order of reads. Members reject
 * as those of Destination do.
 */
export interface DestinationAudit {
  /** Deleted sessions have no row. */
  readonly dropsDeleted: boolean;
  groups(scope: AuditScope, signal: AbortSignal): Promise<readonly AuditGroup[]>;
  /**
   * The `_version` of each key's row as text, by `keyText`; of a row that was deleted on purpose, the version that deleted it. A
   * key of which nothing is known is left out.
   */
  versions(scope: AuditScope, keys: readonly AuditKey[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

export const RECORD_KINDS = ["audits", "corrections"] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/**
 * Texts that an export keeps at its destination beside the receipts: the results of audits (src/audit) and the corrections
 * (src/export/corrections.ts). Members reject as those of Destination do.
 */
export interface DestinationRecords {
  add(kind: RecordKind, text: string, at: Date, signal: AbortSignal): Promise<void>;
  /** The one with the latest `at`. */
  last(kind: RecordKind, signal: AbortSignal): Promise<string | undefined>;
  /** By `at`. Of audits, older ones may be gone. */
  all(kind: RecordKind, signal: AbortSignal): Promise<readonly string[]>;
}

/** Every member rejects with ReplayportError, or with `signal.reason`. */
export interface Destination extends AsyncDisposable {
  /** The formats it can load, best first. */
  readonly formats: readonly [FileFormat, ...FileFormat[]];
  /** The core cuts files near this size, in bytes. */
  readonly fileBytes: number;
  /** A name that a person recognises: `s3://acme-lake/posthog`. Holds no secret. */
  readonly name: string;
  /** Rejects unless `load` could work now: it really writes, reads and deletes. Leaves nothing behind. */
  check(signal: AbortSignal): Promise<void>;
  /**
   * Rejects if no batch of these rows could be loaded into the table as it is, or if the table has a key twice. Changes
   * nothing. Default: a destination has no tables of others.
   */
  checkRows?(rows: Pick<Batch, "columns" | "key">, signal: AbortSignal): Promise<void>;
  load(batch: Batch, signal: AbortSignal): Promise<Receipt>;
  /** The receipts whose interval overlaps the range, by start; without those that a longer batch has replaced. */
  receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt>;
  /** The same intervals as `receipts`, as cheaply as the destination can list them: this decides what is due. */
  covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage>;
  readonly audit: DestinationAudit;
  readonly records: DestinationRecords;
  /**
   * Makes the export's data this installation's. Default: a destination doesn't know whose they are.
   * @returns whose they were
   */
  adopt?(signal: AbortSignal): Promise<string | undefined>;
  /**
   * Files that no receipt names, such as those of a killed worker. Default: there are none, since nothing is seen before its
   * commit.
   * @param remove those that are too old to belong to a load that runs
   */
  collectGarbage?(remove: boolean, signal: AbortSignal): AsyncIterable<Leftover>;
  /**
   * Files of which more than `percent` of the rows are dead. Default: there are none, or the destination doesn't say.
   * @param change write them again without these rows
   */
  rewrite?(
    how: { readonly percent: number; readonly change: boolean },
    signal: AbortSignal,
  ): AsyncIterable<FileOfDeadRows>;
}
