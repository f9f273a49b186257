/** Statements that read and change the ledger. Pure. test/destinations/bigquery/golden holds every statement. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { bigquery } from "../sql/bigquery.ts";
import { RECEIPT_COLUMNS } from "../warehouse/rows.ts";

const { identifier, string, timestamp } = bigquery;

/** Columns that only BigQuery's ledger has. A later MERGE takes its range and knows about deletions from them. */
export const EARLIEST_START_COLUMN = "earliest_start";
export const DELETED_ROWS_COLUMN = "deleted_rows";
export const LEDGER_COLUMNS: readonly Column[] = [
  ...RECEIPT_COLUMNS,
  ledger(
    EARLIEST_START_COLUMN,
    "timestamp",
    "The earliest start_time that this batch, or one it replaced, has merged.",
  ),
  ledger(DELETED_ROWS_COLUMN, "int64", "Rows of the batch that are deleted sessions."),
];

function ledger(name: string, type: Column["type"], description: string): Column {
  return { name, type, nullable: true, privacy: "none", description };
}

/** The message of `RAISE` in the transaction, which errors.ts recognises in the job's error. */
export const RAISED = { tableMoved: "replayport: another load has committed in between" } as const;

/** Which batch of which export in which table. */
export interface LedgerPlace {
  readonly ledger: string;
  /** The target's name as the receipts have it. */
  readonly target: string;
  readonly export: string;
}

export function ofTable({ target }: LedgerPlace): string {
  return `receipt.\`target_table\` = ${string(target)}`;
}

export function ofExport(place: LedgerPlace): string {
  return `${ofTable(place)} AND receipt.\`export\` = ${string(place.export)}`;
}

function exactly(place: LedgerPlace, { start, end }: Interval): string {
  return `${ofExport(place)} AND receipt.\`interval_start\` = ${timestamp(start)} AND receipt.\`interval_end\` = ${timestamp(end)}`;
}

const ATTEMPTS = "IFNULL(STRING_AGG(receipt.`attempt`, ',' ORDER BY receipt.`attempt`), '')";

/** The attempt whose receipt this interval has, or the empty string. */
export function attemptsOf(place: LedgerPlace, interval: Interval): string {
  return `SELECT ${ATTEMPTS} FROM ${identifier(place.ledger)} AS receipt WHERE ${exactly(place, interval)}`;
}

/** An expression: the attempt of any export that committed to this table last; the empty string before the first. */
export function head(place: LedgerPlace): string {
  return `IFNULL((SELECT receipt.\`attempt\` FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)} ORDER BY receipt.\`committed_at\` DESC LIMIT 1), '')`;
}

/** This interval's receipt. `read_at` in milliseconds, NULL if there is none. */
export function precondition(place: LedgerPlace, interval: Interval): string {
  return `SELECT ${ATTEMPTS} AS \`attempts\`, UNIX_MILLIS(MAX(receipt.\`read_at\`)) AS \`read_at\`
FROM ${identifier(place.ledger)} AS receipt
WHERE ${exactly(place, interval)}`;
}

/** How many receipts the table has, of all exports. */
export function countReceipts(place: LedgerPlace): string {
  return `SELECT COUNT(*) AS \`receipts\` FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)}`;
}

/** For a table that is gone: everything is due again. */
export function forgetReceipts(place: LedgerPlace): string {
  return `DELETE FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)}`;
}

/** The receipts whose interval overlaps the range, by start. Times in milliseconds. */
export function receipts(place: LedgerPlace, { start, end }: Interval, columns: readonly Column[]): string {
  const items = columns.map(({ name, type }) =>
    type === "timestamp"
      ? `UNIX_MILLIS(receipt.${identifier(name)}) AS ${identifier(name)}`
      : `receipt.${identifier(name)}`,
  );
  return `SELECT ${items.join(", ")}
FROM ${identifier(place.ledger)} AS receipt
WHERE ${ofExport(place)} AND receipt.\`interval_start\` < ${timestamp(end)} AND receipt.\`interval_end\` > ${timestamp(start)}
ORDER BY receipt.\`interval_start\`, receipt.\`interval_end\``;
}
