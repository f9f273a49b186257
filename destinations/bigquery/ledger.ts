/** The receipts of one export in one table, read back from `_replayport_receipts`. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { Coverage, Receipt } from "../destination.ts";
import { coverageOf, fromRecord, type StoredRecord } from "../receipts.ts";
import { COVERAGE_READ, RECEIPT_READ } from "../warehouse/rows.ts";
import { type BigQueryContext, ledgerPlace } from "./context.ts";
import { query } from "./jobs.ts";
import { precondition, receipts } from "./ledger_sql.ts";
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
  const what = { action: "bigquery.tables.getData", resource: `${place.dataset}.${context.ledger}` };
  return await query(context, what, receipts(ledgerPlace(context), range, columns), {}, signal);
}

export async function readReceipts(context: BigQueryContext, range: Interval, signal: AbortSignal): Promise<Receipt[]> {
  return (await select(context, range, RECEIPT_READ, signal)).map((row) => fromRecord(stored(row)));
}

/** The receipt of exactly this interval. */
export async function readReceipt(
  context: BigQueryContext,
  { start, end }: Interval,
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  const found = await readReceipts(context, { start, end }, signal);
  return found.find(({ interval }) => +interval.start === +start && +interval.end === +end);
}

export async function readCoverage(
  context: BigQueryContext,
  range: Interval,
  signal: AbortSignal,
): Promise<Coverage[]> {
  return (await select(context, range, COVERAGE_READ, signal)).map((row) => coverageOf(stored(row)));
}

export interface Precondition {
  /** The attempt whose receipt this interval has, or the empty string. */
  readonly attempts: string;
  readonly readAt: Date | undefined;
}

export async function readPrecondition(
  context: BigQueryContext,
  interval: Interval,
  signal: AbortSignal,
): Promise<Precondition> {
  const what = { action: "bigquery.tables.getData", resource: `${context.place.dataset}.${context.ledger}` };
  const [row] = await query(context, what, precondition(ledgerPlace(context), interval), { interval }, signal);
  const readAt = row?.["read_at"];
  const attempts = row?.["attempts"];
  return {
    attempts: typeof attempts === "string" ? attempts : "",
    readAt: readAt === null || readAt === undefined ? undefined : new Date(Number(readAt)),
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
