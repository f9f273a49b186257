/**
 * The receipt of a batch, and how ledgers store it. A lake's manifest and a row of a warehouse's `_replayport_receipts` are
 * the same record in different envelopes: a manifest adds the files, a warehouse the target table.
 */
import { z } from "zod";
import { giveUp, ReplayportError } from "../src/errors.ts";
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

const text = z.string().min(1);
/** Clients give large numbers as text. */
const count = z
  .union([z.number(), z.string().min(1), z.bigint()])
  .transform(Number)
  .pipe(z.int().nonnegative());
const RECORD = z.object({
  export: text,
  attempt: text,
  fingerprint: z.string(),
  rows: count,
  bytes: count,
  files: count,
  source_columns: z
    .string()
    .transform((names, context) => {
      try {
        return JSON.parse(names) as unknown;
      } catch {
        context.addIssue("not JSON");
        return z.NEVER;
      }
    })
    .pipe(z.array(z.string()))
    .nullish(),
});
const COVERAGE = z
  .object({
    interval_start: z.date(),
    interval_end: z.date(),
    read_at: z.date(),
    committed_at: z.date(),
    watermark: z.date().optional(),
  })
  .refine((one) => one.interval_start < one.interval_end, { error: "its interval ends before it starts" });

/** @throws ReplayportError `receipts.broken` */
export function fromRecord(stored: StoredRecord): Receipt {
  const coverage = coverageOf(stored);
  const columns = Object.keys(RECORD.shape) as (keyof typeof RECORD.shape)[];
  const record = parse(RECORD, Object.fromEntries(columns.map((column) => [column, stored.value(column)])));
  const { export: exportName, attempt, rows, bytes, files, fingerprint } = record;
  const sourceColumns = record.source_columns ?? undefined;
  return { export: exportName, ...coverage, attempt, rows, bytes, files, fingerprint, sourceColumns };
}

/** @throws ReplayportError `receipts.broken` */
export function coverageOf({ time, hasTime }: StoredRecord): Coverage {
  const found = parse(COVERAGE, {
    interval_start: time("interval_start"),
    interval_end: time("interval_end"),
    read_at: time("read_at"),
    committed_at: time("committed_at"),
    watermark: hasTime("watermark") ? time("watermark") : undefined,
  });
  return {
    interval: { start: found.interval_start, end: found.interval_end },
    readAt: found.read_at,
    watermark: found.watermark,
    committedAt: found.committed_at,
  };
}

/** What isn't a receipt must not count as one: its interval would never be loaded. */
function parse<Schema extends z.ZodType>(schema: Schema, row: unknown): z.infer<Schema> {
  const result = z.safeParse(schema, row);
  if (result.success) return result.data;
  throw new ReplayportError(
    `a row of the receipts table isn't a receipt: ${z.prettifyError(result.error)}`,
    giveUp(
      "receipts.broken",
      "Something else wrote or changed it. Delete that row: its interval is then due again, and loading it again doubles nothing.",
    ),
  );
}
