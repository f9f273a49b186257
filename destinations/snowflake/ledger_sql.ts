/** The commit's statements except its MERGE: transaction, ledger and lock. Pure. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { Receipt } from "../destination.ts";
import { type Origin, toRecord } from "../receipts.ts";
import { RECEIPT_COLUMNS } from "../warehouse/rows.ts";
import { literal } from "../sql/dialect.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { objectPath, schemaPath, type Names } from "./names.ts";
import { reaching } from "./ddl.ts";
import type { Statement } from "./statement.ts";

/** Every receipt belongs to one export and one target. */
export interface LedgerKey {
  readonly names: Names;
  readonly export: string;
}

export const BEGIN: Statement = { sql: "BEGIN TRANSACTION", doing: "beginning the transaction", grants: [] };
export const COMMIT: Statement = { sql: "COMMIT", doing: "committing", grants: [] };
export const ROLLBACK: Statement = { sql: "ROLLBACK", doing: "rolling back", grants: [] };

function of({ names, export: exportName }: LedgerKey): string {
  return `"EXPORT" = ${snowflake.string(exportName)} AND "TARGET_TABLE" = ${snowflake.string(names.table)}`;
}

function sameInterval({ start, end }: Interval): string {
  return `"INTERVAL_START" = ${snowflake.timestamp(start)} AND "INTERVAL_END" = ${snowflake.timestamp(end)}`;
}

function ledgerGrants({ names }: LedgerKey, privileges: string, table: string): string[] {
  return [...reaching(names, schemaPath(names)), `${privileges} ON TABLE ${objectPath(names, table)}`];
}

/**
 * Snowflake rolls back a transaction that is idle for 5 minutes and blocks another one. A worker that slept that long would
 * continue without it, and each statement would commit by itself. So statements that change something check that they are
 * still in the transaction.
 */
export function inTransaction(transaction: string): string {
  return `TO_VARCHAR(CURRENT_TRANSACTION()) = ${snowflake.string(transaction)}`;
}

/** This interval's last receipt, the target's last commit, and whether the target's lock has its row. One statement, one row. */
export function selectPrecondition(key: LedgerKey, interval: Interval): Statement {
  const lock = objectPath(key.names, key.names.lock);
  const receipts = objectPath(key.names, key.names.receipts);
  return {
    sql: `SELECT COUNT(*) AS "RECEIPTS", MAX_BY("ATTEMPT", "COMMITTED_AT") AS "ATTEMPT",
  DATE_PART(EPOCH_MICROSECOND, MAX_BY("READ_AT", "COMMITTED_AT")) AS "READ_US",
  (SELECT DATE_PART(EPOCH_MICROSECOND, MAX("COMMITTED_AT")) FROM ${receipts} WHERE "TARGET_TABLE" = ${snowflake.string(key.names.table)}) AS "LAST_US",
  (SELECT COUNT(*) FROM ${lock}) AS "LOCKS",
  (SELECT MAX("COMMIT_COUNT") FROM ${lock}) AS "COMMIT_COUNT",
  (SELECT TO_VARCHAR(CURRENT_TRANSACTION())) AS "TRANSACTION"
FROM ${receipts}
WHERE ${of(key)} AND ${sameInterval(interval)}`,
    doing: "reading the ledger",
    grants: [...ledgerGrants(key, "SELECT", key.names.receipts), `SELECT ON TABLE ${lock}`],
  };
}

/** Receipts of all exports into the target. */
export function countReceipts(names: Names): Statement {
  return {
    sql: `SELECT COUNT(*) AS "RECEIPTS" FROM ${objectPath(names, names.receipts)} WHERE "TARGET_TABLE" = ${snowflake.string(names.table)}`,
    doing: "reading the ledger",
    grants: [...reaching(names, schemaPath(names)), `SELECT ON TABLE ${objectPath(names, names.receipts)}`],
  };
}

/** Runs outside a transaction. Two loads may both insert; either one's UPDATE then locks both rows. */
export function insertLock(key: LedgerKey, now: Date): Statement {
  const lock = objectPath(key.names, key.names.lock);
  return {
    sql: `INSERT INTO ${lock} ("EXPORT", "ATTEMPT", "COMMIT_COUNT", "TAKEN_AT")
SELECT ${snowflake.string(key.export)}, '', 0, ${snowflake.timestamp(now)}
WHERE NOT EXISTS (SELECT 1 FROM ${lock})`,
    doing: "adding the lock's row",
    grants: ledgerGrants(key, "SELECT, INSERT", key.names.lock),
  };
}

/**
 * An UPDATE that changes a row locks the table until the transaction ends, so a second load waits here. If the driver repeats it
 * because its answer was lost, the second one counts nothing.
 */
export function takeLock(key: LedgerKey, attempt: string, now: Date): Statement {
  return {
    sql: `UPDATE ${objectPath(key.names, key.names.lock)}
SET "EXPORT" = ${snowflake.string(key.export)}, "ATTEMPT" = ${snowflake.string(attempt)}, "COMMIT_COUNT" = "COMMIT_COUNT" + CASE WHEN "ATTEMPT" = ${snowflake.string(attempt)} THEN 0 ELSE 1 END, "TAKEN_AT" = ${snowflake.timestamp(now)}`,
    doing: "taking the lock",
    grants: ledgerGrants(key, "SELECT, UPDATE", key.names.lock),
  };
}

/**
 * Only an INSERT: it locks nothing, and the ledger is shared by all targets of the schema (current_receipts.ts). If
 * the driver repeats it because its answer was lost, the second one inserts nothing.
 */
export function insertReceipt(key: LedgerKey, receipt: Receipt, origin: Origin, transaction: string): Statement {
  const table = objectPath(key.names, key.names.receipts);
  const record = {
    ...toRecord(receipt, origin),
    target_table: key.names.table,
  };
  const values = RECEIPT_COLUMNS.map(({ name }) => literal(snowflake, record[name]));
  const columns = RECEIPT_COLUMNS.map(({ name }) => snowflake.identifier(name.toUpperCase())).join(", ");
  return {
    sql: `INSERT INTO ${table} (${columns})
SELECT ${values.join(", ")}
WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE ${of(key)} AND "ATTEMPT" = ${snowflake.string(receipt.attempt)})
  AND ${inTransaction(transaction)}`,
    doing: "writing the receipt",
    grants: ledgerGrants(key, "SELECT, INSERT", key.names.receipts),
  };
}

/** Times under aliases that aren't columns: WHERE may take an alias for the column of that name, or the other way round. */
export function selectReceipts(key: LedgerKey, range: Interval, columns: readonly Column[]): Statement {
  const items = columns.map(({ name, type }) => {
    const column = columnName(name);
    return type === "timestamp" ? `DATE_PART(EPOCH_MICROSECOND, "${column}") AS "${column}_US"` : `"${column}"`;
  });
  return {
    sql: `SELECT ${items.join(", ")}
FROM ${objectPath(key.names, key.names.receipts)}
WHERE ${of(key)} AND "INTERVAL_START" < ${snowflake.timestamp(range.end)} AND "INTERVAL_END" > ${snowflake.timestamp(range.start)}`,
    doing: "reading the ledger",
    grants: ledgerGrants(key, "SELECT", key.names.receipts),
  };
}
