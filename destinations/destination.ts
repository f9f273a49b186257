/**
 * What a destination promises, in prose. The conformance suite in test/conformance holds each of these promises.
 *
 * 1. `load` is all or nothing: after any ending, a reader sees the batch as it was before or as it is now, never a part
 *    of it. A rejected `load` has removed what it wrote, as far as it could; what a killed one left is removed by the
 *    next load of the same batch.
 * 2. `load` is idempotent on the batch id. A second load takes the place of the first; the ledger holds one receipt.
 * 3. A row that was read earlier never takes the place of a row that was read later (`_version`). Rows of the same
 *    version change nothing, unless the batch says `replace`: then the later load wins.
 * 4. Two loads of one batch may be alive at once. Attempts write under names of their own and commit by a conditional
 *    write or a transaction. The loser rejects, and has changed nothing that a reader can see.
 * 5. The receipt is committed with the data. Where `load` resolves, `receipts` and `covered` show it.
 * 6. A batch that covers the intervals of older batches takes their place: their receipts leave the ledger.
 * 7. Rows loaded == rows staged == rows of the receipt, or the load fails.
 * 8. A staged file is released as soon as the load needs it no more, so that a large batch never lies on local disk whole.
 *
 * A destination is opened for one export. Retry, back-off, concurrency, time limits, logs and metrics belong to the core:
 * a destination rejects with a ReplayportError whose remedy is `retry` where the same load may work later.
 */
import type { Interval } from "../src/intervals/interval.ts";
import type { Column } from "../src/models/column.ts";

export type FileFormat = "parquet" | "jsonl" | "csv";

/** A file of a batch on local disk: complete, counted and hashed. What was not released the core removes in every ending. */
export interface StagedFile {
  /** Absolute path on this machine. */
  readonly path: string;
  /** 0, 1, 2 … within the batch. */
  readonly index: number;
  readonly rows: number;
  readonly bytes: number;
  /** Hexadecimal, lower case, of the file as it lies on disk (compressed). */
  readonly sha256: string;
  /** Removes it. Called when the destination has all of it and will not ask for it again within this load. */
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
  /** What follows the batch's name in a file's name: `.parquet`, `.jsonl.zst`, `.csv.gz`. */
  readonly extension: string;
  readonly columns: readonly Column[];
  /** The names of the columns that tell one row from another, for example team_id and session_id. */
  readonly key: readonly string[];
  /** A hash of all that shapes the rows (model, columns, rules, conditions), 16 hexadecimal characters. */
  readonly fingerprint: string;
  /** Rows of the same `_version` as one that is there take its place: a reload under new column rules. */
  readonly replace: boolean;
  /** When the source began to read, by the worker's clock. */
  readonly readAt: Date;
  /** The source's version, for the receipt. */
  readonly sourceVersion: string;
  /** Pulled one after the other; the next is extracted while the last one is loaded. May reject: then nothing is loaded. */
  readonly files: AsyncIterable<StagedFile>;
}

/** What a destination committed for a batch. Kept in the destination, together with the data. */
export interface Receipt {
  readonly export: string;
  readonly interval: Interval;
  readonly attempt: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  readonly fingerprint: string;
  readonly readAt: Date;
  readonly committedAt: Date;
}

/** A receipt as far as a listing of the ledger tells it, without reading each receipt. */
export interface Coverage {
  readonly interval: Interval;
  readonly committedAt: Date;
}

/** The promises of each member stand at the head of this file. Every member rejects with ReplayportError, or `signal.reason`. */
export interface Destination extends AsyncDisposable {
  /** What it can load, best first. */
  readonly formats: readonly [FileFormat, ...FileFormat[]];
  /** Files are cut near this size, in bytes. */
  readonly fileBytes: number;
  /** What a person would recognise: `s3://acme-lake/posthog`. Holds no secret. */
  readonly name: string;
  /** Rejects unless `load` could work now: writes, reads and deletes for real. Leaves nothing behind. */
  check(signal: AbortSignal): Promise<void>;
  load(batch: Batch, signal: AbortSignal): Promise<Receipt>;
  /** The receipts whose interval overlaps the range, by start; those that another one covers and replaced are left out. */
  receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt>;
  /** The same as `receipts`, at the lowest price that the destination has; the core asks this to find what is due. */
  covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage>;
  /**
   * Whether a reader may see rows of an attempt at this very interval that never committed. The next load removes them, so
   * it has to carry their sessions along. Left out where readers see nothing before a commit.
   */
  leftovers?(of: Interval, signal: AbortSignal): Promise<boolean>;
}
