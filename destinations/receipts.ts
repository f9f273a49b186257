/**
 * The receipt of a batch, and how ledgers store it. A lake's manifest and a row of a warehouse's `_replayport_receipts` are
 * the same record in different envelopes: a manifest adds the files, a warehouse the target table.
 */
import type { Batch, Coverage, Receipt, Totals } from "./destination.ts";

/** The versions that wrote a receipt. */
export interface Origin {
  readonly replayport: string;
  /** ClickHouse's version. */
  readonly source: string;
}

/** What a receipt repeats of its batch. A manifest has it too. */
export type ReceiptSubject = Pick<Batch, "export" | "interval" | "attempt" | "fingerprint" | "readAt"> &
  Pick<Receipt, "sourceColumns">;

export function receiptOf(subject: ReceiptSubject, { rows, bytes, files }: Totals, committedAt: Date): Receipt {
  const { export: exportName, interval, attempt, fingerprint, readAt, sourceColumns } = subject;
  return { export: exportName, interval, attempt, rows, bytes, files, fingerprint, readAt, committedAt, sourceColumns };
}

/** A receipt as one flat row: the columns of a warehouse's ledger. */
export interface ReceiptRecord {
  readonly export: string;
  readonly interval_start: Date;
  readonly interval_end: Date;
  readonly attempt: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  readonly fingerprint: string;
  readonly read_at: Date;
  readonly committed_at: Date;
  readonly replayport_version: string;
  readonly source_version: string;
  /** A JSON array of names. */
  readonly source_columns: string | null;
}

export function toRecord(receipt: Receipt, { replayport, source }: Origin): ReceiptRecord {
  const { export: exportName, interval, attempt, rows, bytes, files, fingerprint, readAt, committedAt } = receipt;
  return {
    export: exportName,
    interval_start: interval.start,
    interval_end: interval.end,
    attempt,
    rows,
    bytes,
    files,
    fingerprint,
    read_at: readAt,
    committed_at: committedAt,
    replayport_version: replayport,
    source_version: source,
    source_columns: receipt.sourceColumns === undefined ? null : JSON.stringify(receipt.sourceColumns),
  };
}

/** A row of a warehouse's ledger, as its client gives it: numbers may be text. */
export interface StoredRecord {
  readonly value: (column: keyof ReceiptRecord) => unknown;
  readonly time: (column: keyof ReceiptRecord) => Date;
}

export function fromRecord({ value, time }: StoredRecord): Receipt {
  const columns = value("source_columns");
  return {
    export: String(value("export")),
    ...coverageOf({ value, time }),
    attempt: String(value("attempt")),
    rows: Number(value("rows")),
    bytes: Number(value("bytes")),
    files: Number(value("files")),
    fingerprint: String(value("fingerprint")),
    readAt: time("read_at"),
    sourceColumns: typeof columns === "string" ? (JSON.parse(columns) as string[]) : undefined,
  };
}

export function coverageOf({ time }: StoredRecord): Coverage {
  return {
    interval: { start: time("interval_start"), end: time("interval_end") },
    committedAt: time("committed_at"),
  };
}
