/** The two statements that move a staged batch into the target: the query before the commit, and the commit. Pure. */
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, emptiedColumns, type OnDelete } from "../../src/models/deletion.ts";
import type { FileFormat, Receipt } from "../destination.ts";
import { type Origin, toRecord } from "../receipts.ts";
import { RECEIPT_COLUMNS, type Rows } from "../warehouse/rows.ts";
import { head, type LedgerPlace, ofTable, RAISED } from "./ledger_sql.ts";
import { gone } from "../sql/deletion.ts";
import { newestFirst, replaces } from "../sql/reading_order.ts";
import { goneColumns, type GoneRows, rememberGone, withoutOvertaken } from "../warehouse/gone_rows.ts";
import { countDoubled, heldRange, type HeldRows, type TimeRange, within } from "../warehouse/held_rows.ts";
import { bigquery } from "../sql/bigquery.ts";
import { isList, literal } from "../sql/dialect.ts";

const { identifier, string, timestamp } = bigquery;

/** The target and a staging table, in full. */
export interface Staging {
  readonly target: string;
  readonly staging: string;
  readonly key: readonly string[];
  /** The target's column of times that it is partitioned by; undefined if it isn't, or by something else. */
  readonly partition: string | undefined;
}

/** Earlier than any time that BigQuery has: for tables that refuse a query without a condition on their partitions. */
const EARLIEST = -62_135_596_800_000_000n;

/** Meets every row of a table. Undefined where no condition is needed. */
export function anyPartition(partition: string | undefined): string | undefined {
  if (partition === undefined) return undefined;
  const column = `t.${identifier(partition)}`;
  return `(${column} >= ${timestamp(EARLIEST)} OR ${column} IS NULL)`;
}

function held({ target, staging, key, partition }: Staging): HeldRows {
  return {
    target: identifier(target),
    staging: identifier(staging),
    key,
    targetColumn: identifier,
    stagedColumn: identifier,
    sameKey: key.map((name) => `t.${identifier(name)} = s.${identifier(name)}`).join(" AND "),
    always: anyPartition(partition),
  };
}

/**
 * What a commit of staged rows is planned from, in one snapshot: the table's last commit, how many rows were staged, and where
 * the target has rows of their keys. Times are microseconds as strings, since they exceed 2^53.
 */
export function inspect(place: LedgerPlace, staged: Staging): string {
  const { key, partition, staging } = staged;
  const keyless = key.map((name) => `${identifier(name)} IS NULL`).join(" OR ");
  const micros = (time: string): string => `CAST(UNIX_MICROS(${time}) AS STRING)`;
  return `SELECT ${head(place)} AS \`head\`, staged.*, target.*
FROM (
SELECT COUNT(*) AS \`rows\`, COUNTIF(${keyless}) AS \`keyless\` FROM ${identifier(staging)}
) AS staged
CROSS JOIN (
${heldRange(held(staged), partition, micros, identifier)}
) AS target`;
}

export interface StagedRows extends Rows {
  readonly table: string;
  readonly format: FileFormat;
  /** The target's column of times that it is partitioned by, and where in it the batch's keys are. */
  readonly partition?: { readonly column: string; readonly range: TimeRange };
}

export interface CommitPlan extends LedgerPlace {
  /** The target table, in full. */
  readonly table: string;
  /** The table of the rows that are gone, in full. */
  readonly gone: string;
  readonly json: ReadonlySet<string>;
  readonly onDelete: OnDelete;
  /** The table's last commit when this one was planned. The plan is valid for no other. */
  readonly head: string;
  /** `committedAt` is replaced by the transaction's own time. */
  readonly receipt: Receipt;
  readonly origin: Origin;
  /** Undefined for an empty batch. */
  readonly staged?: StagedRows;
}

/** A staged column, converted for the target. */
function stagedValue(column: Column, commit: CommitPlan, staged: StagedRows, emptied: ReadonlySet<string>): string {
  const name = identifier(column.name);
  let sql = name;
  if (staged.format === "csv" && isList(column.type)) {
    sql = bigquery.listFromJson(column.type, name);
  }
  const json = commit.json.has(column.name);
  if (json && isList(column.type)) sql = `TO_JSON(${sql})`;
  else if (json) {
    // Text that isn't JSON becomes a JSON string, so no load fails for it.
    sql = `IF(${name} IS NULL, NULL, IFNULL(SAFE.PARSE_JSON(${name}, wide_number_mode => 'round'), TO_JSON(${name})))`;
  }
  if (emptied.has(column.name)) {
    const empty = isList(column.type) && !json ? "[]" : "NULL";
    sql = `IF(IFNULL(${identifier(DELETED_COLUMN)}, FALSE), ${empty}, ${sql})`;
  }
  return sql === name ? name : `${sql} AS ${name}`;
}

/**
 * One row per key, since a MERGE with two rows for one key fails. Columns are always named, so that columns which users
 * added stay as they are.
 */
export function mergeStatements(commit: CommitPlan, staged: StagedRows): string[] {
  const { gone: table, onDelete, receipt } = commit;
  const rows = source(commit, staged);
  if (goneColumns(staged, onDelete) === undefined) return [merge(commit, staged, rows)];
  const goneRows: GoneRows = {
    rows: staged,
    onDelete,
    table: identifier(table),
    source: rows,
    identifier,
    sameKey: (a, b) => staged.key.map((name) => `${a(name)} = ${b(name)}`).join(" AND "),
  };
  return [merge(commit, staged, withoutOvertaken(goneRows)), ...rememberGone(goneRows, receipt.readAt, timestamp)];
}

function source(commit: CommitPlan, staged: StagedRows): string {
  const { columns, key } = staged;
  const emptied = emptiedColumns(staged, commit.onDelete);
  const values = columns.map((column) => stagedValue(column, commit, staged, emptied));
  return `  SELECT ${values.join(",\n    ")}
  FROM ${identifier(staged.table)}
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY ${key.map(identifier).join(", ")} ORDER BY ${newestFirst(staged, identifier)}) = 1`;
}

function merge(commit: CommitPlan, staged: StagedRows, rows: string): string {
  const { columns, key, partition } = staged;
  const names = columns.map(({ name }) => identifier(name));
  const of = (row: "S" | "T") => (name: string) => `${row}.${identifier(name)}`;
  const newer = replaces(staged, of("S"), of("T"));
  const on = key.map((name) => `T.${identifier(name)} = S.${identifier(name)}`);
  if (partition) on.push(within(partition.range, `T.${identifier(partition.column)}`, timestamp));
  const removed = gone({ columns, options: { onDelete: commit.onDelete } }, of("S"));
  return `MERGE ${identifier(commit.table)} AS T
USING (
${rows}
) AS S
ON ${on.join("\n  AND ")}
${removed === undefined ? "" : `WHEN MATCHED AND (${newer}) AND ${removed} THEN DELETE\n`}WHEN MATCHED AND (${newer}) THEN UPDATE SET
  ${names.map((name) => `${name} = S.${name}`).join(",\n  ")}
WHEN NOT MATCHED${removed === undefined ? "" : ` AND NOT ${removed}`} THEN INSERT (${names.join(", ")})
  VALUES (${names.map((name) => `S.${name}`).join(", ")})`;
}

/** Raises where a staged key has two rows in the target, so that no commit leaves them. It looks at the whole table. */
function raiseIfDoubled(commit: CommitPlan, staged: StagedRows): string {
  const { key, partition } = staged;
  const rows = held({ target: commit.table, staging: staged.table, key, partition: partition?.column });
  return `IF (${countDoubled(rows)}) > 0 THEN\n  RAISE USING MESSAGE = ${string(RAISED.doubled)};\nEND IF`;
}

/**
 * Rows and receipt in one transaction. COMMIT is the last statement that can fail, so a job that failed has changed nothing:
 * BigQuery rolls back a transaction that ends before its COMMIT. The SELECT after it reads no table; it is the job's result.
 * A table's commit times only grow, so the latest one is the last.
 *
 * The ledger is only appended to: BigQuery cancels one of two transactions that change rows of one table, and the ledger is
 * shared by all tables of a dataset. Which receipts a later one replaces is found when they're read (current_receipts.ts).
 */
export function commitScript(commit: CommitPlan): string {
  const record = { ...toRecord(commit.receipt, commit.origin), target_table: commit.target };
  const receipt: Record<string, string> = {
    ...Object.fromEntries(RECEIPT_COLUMNS.map(({ name }) => [name, literal(bigquery, record[name])])),
    committed_at: "commit_time",
  };
  const names = Object.keys(receipt);
  const ledger = identifier(commit.ledger);
  const statements = [
    "DECLARE commit_time TIMESTAMP",
    "BEGIN TRANSACTION",
    `IF ${head(commit)} <> ${string(commit.head)} THEN\n  RAISE USING MESSAGE = ${string(RAISED.tableMoved)};\nEND IF`,
    ...(commit.staged ? [...mergeStatements(commit, commit.staged), raiseIfDoubled(commit, commit.staged)] : []),
    `SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.\`committed_at\`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM ${ledger} AS receipt WHERE ${ofTable(commit)})`,
    `INSERT INTO ${ledger} (${names.map(identifier).join(", ")})\nVALUES (${Object.values(receipt).join(", ")})`,
    "COMMIT TRANSACTION",
    "SELECT UNIX_MILLIS(commit_time) AS `committed_at`",
  ];
  return `${statements.join(";\n")};\n`;
}
