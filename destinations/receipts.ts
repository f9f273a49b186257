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
export type ReceiptSubject = Pick<Batch, "export" | "interval" | "attempt" | "fingerprint" | "readAt" | "watermark"> &
  Pick<Receipt, "sourceColumns">;

export function receiptOf(subject: ReceiptSubject, { rows, bytes, files }: Totals, committedAt: Date): Receipt {
  const { export: exportName, interval, attempt, fingerprint, readAt, watermark, sourceColumns } = subject;
  const read = { fingerprint, readAt, watermark };
  return { export: exportName, interval, attempt, rows, bytes, files, ...read, committedAt, sourceColumns };
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
  /** NULL where the model has none, and in rows of earlier versions. */
  readonly watermark: Date | null;
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
    watermark: receipt.watermark ?? null,
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
  /** Whether that time isn't NULL. */
  readonly hasTime: (column: keyof ReceiptRecord) => boolean;
}

export function fromRecord(stored: StoredRecord): Receipt {
  const { value } = stored;
  const columns = value("source_columns");
  return {
    export: String(value("export")),
    ...coverageOf(stored),
    attempt: String(value("attempt")),
    rows: Number(value("rows")),
    bytes: Number(value("bytes")),
    files: Number(value("files")),
    fingerprint: String(value("fingerprint")),
    sourceColumns: typeof columns === "string" ? (JSON.parse(columns) as string[]) : undefined,
  };
}

export function coverageOf({ time, hasTime }: StoredRecord): Coverage {
  return {
    interval: { start: time("interval_start"), end: time("interval_end") },
    readAt: time("read_at"),
    watermark: hasTime("watermark") ? time("watermark") : undefined,
    committedAt: time("committed_at"),
  };
}
