/** The two statements that move a staged batch into the target: the query before the commit, and the commit. Pure. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, emptiedColumns, type OnDelete, tellsDeleted } from "../../src/models/deletion.ts";
import type { FileFormat, Receipt } from "../destination.ts";
import { type Origin, toRecord } from "../receipts.ts";
import { hasRange, PARTITION_COLUMN, RECEIPT_COLUMNS, type Rows, startRange } from "../warehouse/rows.ts";
import {
  attemptsOf,
  DELETED_ROWS_COLUMN,
  EARLIEST_START_COLUMN,
  head,
  type LedgerPlace,
  ofExport,
  ofTable,
  RAISED,
} from "./ledger_sql.ts";
import { gone } from "../sql/deletion.ts";
import { newestFirst, replaces } from "../sql/reading_order.ts";
import { goneColumns, type GoneRows, rememberGone, withoutOvertaken } from "../warehouse/gone_rows.ts";
import { bigquery } from "../sql/bigquery.ts";
import { isList, literal } from "../sql/dialect.ts";

const { identifier, string, timestamp } = bigquery;

export interface Question extends Rows {
  readonly interval: Interval;
  /** Undefined for a batch without files. */
  readonly staging: string | undefined;
  /** Loads that committed after this time may have brought newer rows than this batch's. */
  readonly since: Date;
  /** The target, if it is partitioned by start_time. */
  readonly pruned: string | undefined;
}

/**
 * What a commit is planned from, in one snapshot: the table's last commit, the interval's receipt, how many rows were
 * staged, and the range of their sessions. Times are microseconds as strings, since they exceed 2^53.
 */
export function inspect(place: LedgerPlace, question: Question): string {
  const { interval, key, pruned, since, staging } = question;
  const micros = (value: string): string => `CAST(UNIX_MICROS(${value}) AS STRING)`;
  const recent = `FROM ${identifier(place.ledger)} AS receipt WHERE ${ofTable(place)}`;
  const items = [`${head(place)} AS \`head\``, `(${attemptsOf(place, interval)}) AS \`attempts\``];
  if (staging === undefined) return `SELECT ${items.join(",\n  ")}`;
  items.push(
    "COUNT(*) AS `rows`",
    `COUNTIF(${key.map((name) => `${identifier(name)} IS NULL`).join(" OR ")}) AS \`keyless\``,
    `${tellsDeleted(question.columns) ? `COUNTIF(${identifier(DELETED_COLUMN)})` : "0"} AS \`deleted\``,
  );
  if (hasRange(question)) {
    const { firstStart, lastEnd } = startRange(question, identifier, timestamp);
    items.push(
      `${micros(firstStart)} AS \`first_start\``,
      `${micros(lastEnd)} AS \`last_end\``,
      `(SELECT ${micros(`MIN(receipt.${identifier(EARLIEST_START_COLUMN)})`)} ${recent} AND receipt.\`committed_at\` >= ${timestamp(since)}) AS \`earlier_start\``,
    );
    if (pruned !== undefined) {
      items.push(
        `(SELECT COUNT(*) FROM ${identifier(pruned)} AS target WHERE target.${identifier(PARTITION_COLUMN)} IS NULL) AS \`startless\``,
      );
    }
  }
  return `SELECT ${items.join(",\n  ")}\nFROM ${identifier(staging)}`;
}

export interface StagedRows extends Rows {
  readonly table: string;
  readonly format: FileFormat;
  readonly deleted: number;
  /** The earliest start of the batch. */
  readonly firstStart?: bigint;
  /** The days of the target that may hold rows of these sessions, and whether rows without a start may be among them. */
  readonly range?: { readonly from: bigint; readonly to: bigint; readonly orNone: boolean };
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
  const { columns, key, range } = staged;
  const names = columns.map(({ name }) => identifier(name));
  const of = (row: "S" | "T") => (name: string) => `${row}.${identifier(name)}`;
  const newer = replaces(staged, of("S"), of("T"));
  const on = [...key.map((name) => `T.${identifier(name)} = S.${identifier(name)}`), ...(range ? prune(range) : [])];
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

function prune({ from, to, orNone }: NonNullable<StagedRows["range"]>): string[] {
  const start = `T.${identifier(PARTITION_COLUMN)}`;
  const bounds = [`${start} >= ${timestamp(from)}`, `${start} <= ${timestamp(to)}`];
  return orNone ? [`(${start} IS NULL OR (${bounds.join(" AND ")}))`] : bounds;
}

/**
 * Rows and receipt in one transaction. COMMIT is the last statement that can fail, so a job that failed has changed nothing:
 * BigQuery rolls back a transaction that ends before its COMMIT. The SELECT after it reads no table; it is the job's result.
 * A table's commit times only grow, so the latest one is the last.
 */
export function commitScript(commit: CommitPlan): string {
  const {
    interval: { start, end },
    readAt,
  } = commit.receipt;
  const contained = `${ofExport(commit)} AND receipt.\`interval_start\` >= ${timestamp(start)} AND receipt.\`interval_end\` <= ${timestamp(end)} AND (receipt.\`read_at\` <= ${timestamp(readAt)} OR receipt.\`read_at\` > TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE))`;
  const firstStart =
    commit.staged?.firstStart === undefined ? "CAST(NULL AS TIMESTAMP)" : timestamp(commit.staged.firstStart);
  const record = { ...toRecord(commit.receipt, commit.origin), target_table: commit.target };
  const receipt: Record<string, string> = {
    ...Object.fromEntries(RECEIPT_COLUMNS.map(({ name }) => [name, literal(bigquery, record[name])])),
    committed_at: "commit_time",
    [EARLIEST_START_COLUMN]: "first_start",
    [DELETED_ROWS_COLUMN]: String(commit.staged?.deleted ?? 0),
  };
  const names = Object.keys(receipt);
  const ledger = identifier(commit.ledger);
  const statements = [
    "DECLARE commit_time TIMESTAMP",
    "DECLARE first_start TIMESTAMP",
    "BEGIN TRANSACTION",
    `IF ${head(commit)} <> ${string(commit.head)} THEN\n  RAISE USING MESSAGE = ${string(RAISED.tableMoved)};\nEND IF`,
    ...(commit.staged ? mergeStatements(commit, commit.staged) : []),
    `SET first_start = (SELECT MIN(seen.start) FROM (
  SELECT ${firstStart} AS start
  UNION ALL SELECT receipt.${identifier(EARLIEST_START_COLUMN)} AS start FROM ${ledger} AS receipt WHERE ${contained}
) AS seen)`,
    `SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.\`committed_at\`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM ${ledger} AS receipt WHERE ${ofTable(commit)})`,
    `DELETE FROM ${ledger} AS receipt\nWHERE ${contained}`,
    `INSERT INTO ${ledger} (${names.map(identifier).join(", ")})\nVALUES (${Object.values(receipt).join(", ")})`,
    "COMMIT TRANSACTION",
    "SELECT UNIX_MILLIS(commit_time) AS `committed_at`",
  ];
  return `${statements.join(";\n")};\n`;
}
