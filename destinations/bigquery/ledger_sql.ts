/** Statements that read and change the ledger. Pure. test/destinations/bigquery/golden holds every statement. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { bigquery } from "../sql/bigquery.ts";
import { COVERAGE_READ, RECEIPT_COLUMNS } from "../warehouse/rows.ts";

const { identifier, string, timestamp } = bigquery;

/** The messages of `RAISE` in the transaction, which errors.ts recognises in the job's error. */
export const RAISED = {
  tableMoved: "replayport: another load has committed in between",
  doubled: "replayport: the table has more than one row of a session",
} as const;

/** What `ledgerState` reads of a receipt. */
const STATE_READ = RECEIPT_COLUMNS.filter(
  ({ name }) => name === "attempt" || COVERAGE_READ.some((one) => one.name === name),
);

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

/** An expression: the attempt of any export that committed to this table last; the empty string before the first. */
export function head(place: LedgerPlace): string {
  return `IFNULL((SELECT receipt.\`attempt\` FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)} ORDER BY receipt.\`committed_at\` DESC LIMIT 1), '')`;
}

/** One row or more: the table's last commit, each time with a receipt that overlaps the interval, or with NULL. */
export function ledgerState(place: LedgerPlace, range: Interval): string {
  const items = STATE_READ.map(({ name }) => `receipt.${identifier(name)}`);
  return `SELECT last.\`head\`, ${items.join(", ")}
FROM (SELECT ${head(place)} AS \`head\`) AS last
LEFT JOIN (
${receipts(place, range, STATE_READ)}
) AS receipt ON TRUE`;
}

/** How many receipts the table has, of all exports. */
export function countReceipts(place: LedgerPlace): string {
  return `SELECT COUNT(*) AS \`receipts\` FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)}`;
}

/** For a table that is gone: everything is due again. */
export function forgetReceipts(place: LedgerPlace): string {
  return `DELETE FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)}`;
}

/** The receipts whose interval overlaps the range, those that later ones replace too. Times in milliseconds. */
export function receipts(place: LedgerPlace, { start, end }: Interval, columns: readonly Column[]): string {
  const items = columns.map(({ name, type }) =>
    type === "timestamp"
      ? `UNIX_MILLIS(receipt.${identifier(name)}) AS ${identifier(name)}`
      : `receipt.${identifier(name)}`,
  );
  return `SELECT ${items.join(", ")}
FROM ${identifier(place.ledger)} AS receipt
WHERE ${ofExport(place)} AND receipt.\`interval_start\` < ${timestamp(end)} AND receipt.\`interval_end\` > ${timestamp(start)}`;
}
