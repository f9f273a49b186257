/** Which columns of a model play which part in a warehouse's MERGE. Pure. */
import type { Column } from "../../src/models/column.ts";
import type { RecordKind } from "../destination.ts";
import type { ReceiptRecord } from "../receipts.ts";

/** Tables are partitioned by the day of this column, if the model has it. */
export const PARTITION_COLUMN = "start_time";

export interface Rows {
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

/** The table of receipts beside the data: one row per loaded batch. */
export const RECEIPTS_TABLE = "_replayport_receipts";

type ReceiptColumn = keyof ReceiptRecord | "target_table";

/** Its columns: those of `Receipt`, and what operators query in SQL. */
export const RECEIPT_COLUMNS: readonly (Column & { readonly name: ReceiptColumn })[] = [
  receipt("export", "string", "Name of the export."),
  receipt("interval_start", "timestamp", "Start of the data interval."),
  receipt("interval_end", "timestamp", "End of the data interval, not included."),
  receipt("target_table", "string", "The table that the rows were merged into."),
  receipt("attempt", "string", "The attempt that committed."),
  receipt("rows", "int64", "Rows of the batch."),
  receipt("bytes", "int64", "Bytes of the staged files."),
  receipt("files", "int64", "Staged files."),
  receipt("fingerprint", "string", "Hash of the export's definition."),
  receipt("read_at", "timestamp", "When the source was read."),
  {
    ...receipt("watermark", "timestamp", "The newest ingestion time that the source showed then; NULL if unknown."),
    nullable: true,
  },
  receipt("committed_at", "timestamp", "When the load was committed."),
  receipt("replayport_version", "string", "Version of Replayport."),
  receipt("source_version", "string", "Version of ClickHouse."),
  { ...receipt("source_columns", "string", "Columns that the source had, as a JSON array."), nullable: true },
];

/** The columns that a receipt is read back from. */
export const RECEIPT_READ = RECEIPT_COLUMNS.filter(
  ({ name }) => !["target_table", "replayport_version", "source_version"].includes(name),
);
/** The columns that say what is covered. */
export const COVERAGE_READ = RECEIPT_COLUMNS.filter(({ name }) =>
  ["interval_start", "interval_end", "read_at", "watermark", "committed_at"].includes(name),
);

/** The tables of an export's records. */
export const RECORDS_TABLES: Readonly<Record<RecordKind, string>> = {
  audits: "_replayport_audits",
  corrections: "_replayport_corrections",
};
export const RECORD_COLUMNS: readonly Column[] = [
  receipt("export", "string", "Name of the export."),
  receipt("target_table", "string", "The table that it is about."),
  receipt("read_at", "timestamp", "When it was made."),
  { name: "result", type: "string", nullable: false, privacy: "none", description: "What it says, as JSON." },
];
export const RECORDS_DESCRIPTIONS: Readonly<Record<RecordKind, string>> = {
  audits: "Results of audits by Replayport: what differs from the source.",
  corrections: "Replayport: days for which somebody said that the source is right, although it shows less.",
};

function receipt(
  name: ReceiptColumn,
  type: Column["type"],
  description: string,
): Column & { readonly name: ReceiptColumn } {
  return { name, type, nullable: false, privacy: "none", description };
}
