/** The receipts of one export in one table, read back from `_replayport_receipts`. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { Coverage, Receipt } from "../destination.ts";
import { coverageOf, fromRecord, type StoredRecord } from "../receipts.ts";
import { currentReceipts } from "../current_receipts.ts";
import { COVERAGE_READ, RECEIPT_READ } from "../warehouse/rows.ts";
import { type BigQueryContext, ledgerPlace } from "./context.ts";
import { query } from "./jobs.ts";
import { ledgerState, receipts } from "./ledger_sql.ts";
import { ensureLedger } from "./tables.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * Returns no rows if there is no ledger yet; a missing dataset is an error. Returns none either if the target table is gone:
 * it was dropped on purpose, so everything is due again.
 */
async function select(
  context: BigQueryContext,
  range: Interval,
  columns: readonly Column[],
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const { client, place } = context;
  // Free, and distinguishes a missing table from a missing dataset without parsing a message.
  await client.location(signal);
  if (!(await client.table(context.ledger, signal)) || !(await client.table(place.table, signal))) return [];
  // An earlier version's ledger lacks columns.
  await ensureLedger(context, signal);
  const what = { action: "bigquery.tables.getData", table: context.ledger };
  return await query(context, what, receipts(ledgerPlace(context), range, columns), {}, signal);
}

export async function readReceipts(context: BigQueryContext, range: Interval, signal: AbortSignal): Promise<Receipt[]> {
  return currentReceipts((await select(context, range, RECEIPT_READ, signal)).map((row) => fromRecord(stored(row))));
}

export async function readCoverage(
  context: BigQueryContext,
  range: Interval,
  signal: AbortSignal,
): Promise<Coverage[]> {
  return currentReceipts((await select(context, range, COVERAGE_READ, signal)).map((row) => coverageOf(stored(row))));
}

export interface LedgerState {
  /** The attempt that committed last to the table, of any export; empty before the first. */
  readonly head: string;
  /** The interval's receipt, if it has one that counts. */
  readonly attempt: string;
  readonly readAt: Date | undefined;
  /** When an attempt committed, whether or not its receipt still counts. */
  readonly committed: ReadonlyMap<string, Date>;
}

export async function readState(
  context: BigQueryContext,
  interval: Interval,
  signal: AbortSignal,
): Promise<LedgerState> {
  const what = { action: "bigquery.tables.getData", table: context.ledger };
  const rows = await query(context, what, ledgerState(ledgerPlace(context), interval), { interval }, signal);
  const found = rows
    .filter((row) => row["attempt"] !== null)
    .map((row) => ({ ...coverageOf(stored(row)), attempt: String(row["attempt"]) }));
  const { start, end } = interval;
  const standing = currentReceipts(found).find((one) => +one.interval.start === +start && +one.interval.end === +end);
  return {
    head: typeof rows[0]?.["head"] === "string" ? rows[0]["head"] : "",
    attempt: standing?.attempt ?? "",
    readAt: standing?.readAt,
    committed: new Map(found.map(({ attempt, committedAt }) => [attempt, committedAt])),
  };
}

/** Times come in milliseconds. */
function stored(row: Row): StoredRecord {
  return {
    value: (column) => row[column],
    time: (column) => new Date(Number(row[column])),
    hasTime: (column) => (row[column] ?? null) !== null,
  };
}
