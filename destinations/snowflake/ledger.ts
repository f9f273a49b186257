/** One export's receipts for one target, read from the table beside the data. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { Coverage, Receipt } from "../destination.ts";
import { coverageOf, fromRecord, type StoredRecord } from "../receipts.ts";
import { columnName } from "../sql/snowflake.ts";
import { currentReceipts } from "../current_receipts.ts";
import { COVERAGE_READ, RECEIPT_READ } from "../warehouse/rows.ts";
import type { SnowflakeContext } from "./context.ts";
import { type LedgerKey, selectPrecondition, selectReceipts } from "./ledger_sql.ts";
import type { Row, Session } from "./statement.ts";
import { existingColumns, hasLedger, targetIsGone } from "./tables.ts";

export function ledgerKey({ names, export: exportName }: SnowflakeContext): LedgerKey {
  return { names, export: exportName };
}

/** What the ledger has for one interval, read inside a transaction or outside. */
export interface LedgerEntry {
  /** The attempt of its receipt; undefined if there is none. */
  readonly attempt: string | undefined;
  readonly readAt: Date | undefined;
  /** When the target was committed to last, by any export. */
  readonly lastCommit: Date | undefined;
  readonly hasLock: boolean;
  /** How many loads of the target have taken its lock. */
  readonly commitCount: number;
  /** The transaction that read it. */
  readonly transaction: string | undefined;
}

export async function readEntry(
  context: SnowflakeContext,
  session: Session,
  interval: Interval,
  signal: AbortSignal,
): Promise<LedgerEntry> {
  const [row] = await session.execute(selectPrecondition(ledgerKey(context), interval), signal);
  const found = Number(row?.["RECEIPTS"]) > 0;
  return {
    attempt: found ? String(row?.["ATTEMPT"]) : undefined,
    readAt: found ? dateOf(row, "READ_US") : undefined,
    lastCommit: (row?.["LAST_US"] ?? null) === null ? undefined : dateOf(row, "LAST_US"),
    hasLock: Number(row?.["LOCKS"]) > 0,
    commitCount: Number(row?.["COMMIT_COUNT"] ?? 0),
    transaction: typeof row?.["TRANSACTION"] === "string" ? row["TRANSACTION"] : undefined,
  };
}

/** One statement that wakes the warehouse, and two that don't. No table of receipts is an empty ledger. */
async function select(
  context: SnowflakeContext,
  range: Interval,
  columns: readonly Column[],
  signal: AbortSignal,
): Promise<readonly Row[]> {
  await using session = await context.openSession({ export: context.export, doing: "ledger" }, signal);
  const { names } = context;
  if (!(await hasLedger(session, names, signal))) return [];
  const rows = await session.execute(selectReceipts(ledgerKey(context), range, columns), signal);
  if (rows.length > 0 && !(await existingColumns(session, names, names.table, signal))) throw targetIsGone(context);
  return rows;
}

export async function readReceipts(
  context: SnowflakeContext,
  range: Interval,
  signal: AbortSignal,
): Promise<Receipt[]> {
  return currentReceipts((await select(context, range, RECEIPT_READ, signal)).map((row) => fromRecord(stored(row))));
}

export async function readCoverage(
  context: SnowflakeContext,
  range: Interval,
  signal: AbortSignal,
): Promise<Coverage[]> {
  return currentReceipts((await select(context, range, COVERAGE_READ, signal)).map((row) => coverageOf(stored(row))));
}

function stored(row: Row): StoredRecord {
  return {
    value: (column) => row[columnName(column)],
    time: (column) => dateOf(row, `${columnName(column)}_US`),
    hasTime: (column) => (row[`${columnName(column)}_US`] ?? null) !== null,
  };
}

/** Microseconds since 1970, which a number represents exactly. */
export function microsOf(row: Row | undefined, column: string): number {
  const value = row?.[column];
  const micros = value === null || value === undefined ? Number.NaN : Number(value);
  if (Number.isSafeInteger(micros)) return micros;
  throw new ReplayportError(
    `Snowflake gave ${JSON.stringify(value)} for the time ${column}`,
    giveUp("snowflake.not_a_time", "Look for a receipt that something else wrote or changed."),
  );
}

function dateOf(row: Row | undefined, column: string): Date {
  return new Date(microsOf(row, column) / 1000);
}
