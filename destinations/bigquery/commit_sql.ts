/** The statements that bring a staged batch into the target: what is asked before the commit, and the commit. Pure. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { FileFormat } from "../destination.ts";
import {
  DELETED_COLUMN,
  EXPORTED_AT_COLUMN,
  END_COLUMN,
  hasRange,
  type OnDelete,
  PARTITION_COLUMN,
  personalColumns,
  type Rows,
  VERSION_COLUMN,
} from "../warehouse/rows.ts";
import {
  attemptsOf,
  DELETED_ROWS_COLUMN,
  EARLIEST_START_COLUMN,
  head,
  type LedgerPlace,
  ofExport,
  ofTable,
  quote,
  RAISED,
  text,
  timestamp,
  timestampOfMicros,
} from "./sql.ts";
import { isArray } from "./types.ts";

function tellsDeleted({ columns }: Rows): boolean {
  return columns.some(({ name, type }) => name === DELETED_COLUMN && type === "bool");
}

export interface Question extends Rows {
  readonly interval: Interval;
  readonly readAt: Date;
  /** Undefined for a batch without files. */
  readonly staging: string | undefined;
  /** Loads that committed after this moment may have brought newer rows than this batch's. */
  readonly since: Date;
  /** The target, where it is partitioned by start_time. */
  readonly pruned: string | undefined;
}

/**
 * What a commit is planned from, all of one snapshot: the last commit of the table, the receipt that stands for the interval,
 * whether sessions were deleted since the source was read, the count of what was staged and the range of its sessions. Times
 * in microseconds, as text: they exceed 2^53.
 */
export function inspect(place: LedgerPlace, question: Question): string {
  const { interval, key, pruned, readAt, since, staging } = question;
  const micros = (value: string): string => `CAST(UNIX_MICROS(${value}) AS STRING)`;
  const recent = `FROM ${quote(place.ledger)} AS receipt WHERE ${ofTable(place)}`;
  const items = [
    `${head(place)} AS \`head\``,
    `(${attemptsOf(place, interval)}) AS \`attempts\``,
    `(SELECT COUNT(*) ${recent} AND receipt.${quote(DELETED_ROWS_COLUMN)} > 0 AND (receipt.\`committed_at\` >= ${timestamp(readAt)} OR receipt.\`read_at\` >= ${timestamp(readAt)})) AS \`later_deletions\``,
  ];
  if (staging === undefined) return `SELECT ${items.join(",\n  ")}`;
  items.push(
    "COUNT(*) AS `rows`",
    `COUNTIF(${key.map((name) => `${quote(name)} IS NULL`).join(" OR ")}) AS \`keyless\``,
    `${tellsDeleted(question) ? `COUNTIF(${quote(DELETED_COLUMN)})` : "0"} AS \`deleted\``,
  );
  if (hasRange(question)) {
    items.push(
      `${micros(`MIN(${quote(PARTITION_COLUMN)})`)} AS \`first_start\``,
      `${micros(`MAX(${quote(END_COLUMN)})`)} AS \`last_end\``,
      `(SELECT ${micros(`MIN(receipt.${quote(EARLIEST_START_COLUMN)})`)} ${recent} AND receipt.\`committed_at\` >= ${timestamp(since)}) AS \`earlier_start\``,
    );
    if (pruned !== undefined) {
      items.push(
        `(SELECT COUNT(*) FROM ${quote(pruned)} AS target WHERE target.${quote(PARTITION_COLUMN)} IS NULL) AS \`startless\``,
      );
    }
  }
  return `SELECT ${items.join(",\n  ")}\nFROM ${quote(staging)}`;
}

export interface StagedRows extends Rows {
  readonly table: string;
  readonly format: FileFormat;
  readonly deleted: number;
  /** The earliest start of the batch. */
  readonly firstStart?: bigint;
  /** The days of the target that may hold rows of these sessions, and whether rows without a start may be theirs too. */
  readonly range?: { readonly from: bigint; readonly to: bigint; readonly orNone: boolean };
}

export interface Commit extends LedgerPlace {
  /** The target table, in full. */
  readonly table: string;
  readonly interval: Interval;
  readonly json: ReadonlySet<string>;
  readonly onDelete: OnDelete;
  readonly replace: boolean;
  /** The table's last commit, as this one was planned on: what was planned holds for no other. */
  readonly head: string;
  readonly attempt: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  readonly fingerprint: string;
  readonly readAt: Date;
  readonly version: string;
  readonly sourceVersion: string;
  /** Undefined for an empty batch: nothing is merged then. */
  readonly staged?: StagedRows;
}

/** A staged column as the target takes it. */
function stagedValue(column: Column, commit: Commit, staged: StagedRows, emptied: ReadonlySet<string>): string {
  const name = quote(column.name);
  let sql = name;
  if (isArray(column) && staged.format === "csv") {
    sql =
      column.type === "string[]"
        ? `IFNULL(JSON_VALUE_ARRAY(${name}), [])`
        : `ARRAY(SELECT TIMESTAMP(item) FROM UNNEST(IFNULL(JSON_VALUE_ARRAY(${name}), [])) AS item WITH OFFSET AS place ORDER BY place)`;
  }
  const json = commit.json.has(column.name);
  if (json && isArray(column)) sql = `TO_JSON(${sql})`;
  else if (json) {
    // Text that is no JSON becomes a JSON string: nothing is lost, and no load fails for it.
    sql = `IF(${name} IS NULL, NULL, IFNULL(SAFE.PARSE_JSON(${name}, wide_number_mode => 'round'), TO_JSON(${name})))`;
  }
  if (emptied.has(column.name)) {
    const empty = isArray(column) && !json ? "[]" : "NULL";
    sql = `IF(IFNULL(${quote(DELETED_COLUMN)}, FALSE), ${empty}, ${sql})`;
  }
  return sql === name ? name : `${sql} AS ${name}`;
}

/**
 * One row for each key, whatever the files held: a MERGE with two rows for one key fails. Columns are named everywhere, so
 * columns of users' own are left as they are.
 */
export function merge(commit: Commit, staged: StagedRows): string {
  const { columns, key, range } = staged;
  const deletes = tellsDeleted(staged);
  const tombstones = deletes && commit.onDelete === "tombstone";
  const emptied = new Set(tombstones ? personalColumns(columns, key).map(({ name }) => name) : []);
  const names = columns.map(({ name }) => quote(name));
  const values = columns.map((column) => stagedValue(column, commit, staged, emptied));
  const [version, exportedAt] = [quote(VERSION_COLUMN), quote(EXPORTED_AT_COLUMN)];
  const newer = [
    `T.${version} IS NULL`,
    `S.${version} > T.${version}`,
    ...(commit.replace ? [`(S.${version} = T.${version} AND S.${exportedAt} > T.${exportedAt})`] : []),
  ].join(" OR ");
  const on = [...key.map((name) => `T.${quote(name)} = S.${quote(name)}`), ...(range ? prune(range) : [])];
  const removes = deletes && commit.onDelete === "delete";
  const gone = `IFNULL(S.${quote(DELETED_COLUMN)}, FALSE)`;
  return `MERGE ${quote(commit.table)} AS T
USING (
  SELECT ${values.join(",\n    ")}
  FROM ${quote(staged.table)}
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY ${key.map(quote).join(", ")} ORDER BY ${version} DESC, ${exportedAt} DESC) = 1
) AS S
ON ${on.join("\n  AND ")}
${removes ? `WHEN MATCHED AND ${gone} THEN DELETE\n` : ""}WHEN MATCHED AND (${newer}) THEN UPDATE SET
  ${names.map((name) => `${name} = S.${name}`).join(",\n  ")}
WHEN NOT MATCHED${removes ? ` AND NOT ${gone}` : ""} THEN INSERT (${names.join(", ")})
  VALUES (${names.map((name) => `S.${name}`).join(", ")})`;
}

function prune({ from, to, orNone }: NonNullable<StagedRows["range"]>): string[] {
  const start = `T.${quote(PARTITION_COLUMN)}`;
  const bounds = [`${start} >= ${timestampOfMicros(from)}`, `${start} <= ${timestampOfMicros(to)}`];
  return orNone ? [`(${start} IS NULL OR (${bounds.join(" AND ")}))`] : bounds;
}

/**
 * Rows and receipt in one transaction. COMMIT is the last statement that can fail, so a job that failed has changed nothing:
 * BigQuery rolls a transaction back that ends before its COMMIT. The SELECT after it reads no table; it is the job's result.
 * Commits of a table have times that only grow, so that the last one can be told.
 */
export function commitScript(commit: Commit): string {
  const { start, end } = commit.interval;
  const contained = `${ofExport(commit)} AND receipt.\`interval_start\` >= ${timestamp(start)} AND receipt.\`interval_end\` <= ${timestamp(end)} AND receipt.\`read_at\` <= ${timestamp(commit.readAt)}`;
  const firstStart =
    commit.staged?.firstStart === undefined ? "CAST(NULL AS TIMESTAMP)" : timestampOfMicros(commit.staged.firstStart);
  const receipt: Record<string, string> = {
    export: text(commit.export),
    interval_start: timestamp(start),
    interval_end: timestamp(end),
    target_table: text(commit.target),
    attempt: text(commit.attempt),
    rows: String(commit.rows),
    bytes: String(commit.bytes),
    files: String(commit.files),
    fingerprint: text(commit.fingerprint),
    read_at: timestamp(commit.readAt),
    committed_at: "commit_time",
    replayport_version: text(commit.version),
    source_version: text(commit.sourceVersion),
    [EARLIEST_START_COLUMN]: "first_start",
    [DELETED_ROWS_COLUMN]: String(commit.staged?.deleted ?? 0),
  };
  const names = Object.keys(receipt);
  const ledger = quote(commit.ledger);
  const statements = [
    "DECLARE commit_time TIMESTAMP",
    "DECLARE first_start TIMESTAMP",
    "BEGIN TRANSACTION",
    `IF ${head(commit)} <> ${text(commit.head)} THEN\n  RAISE USING MESSAGE = ${text(RAISED.tableMoved)};\nEND IF`,
    ...(commit.staged ? [merge(commit, commit.staged)] : []),
    `SET first_start = (SELECT MIN(seen.start) FROM (
  SELECT ${firstStart} AS start
  UNION ALL SELECT receipt.${quote(EARLIEST_START_COLUMN)} AS start FROM ${ledger} AS receipt WHERE ${contained}
) AS seen)`,
    `SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.\`committed_at\`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM ${ledger} AS receipt WHERE ${ofTable(commit)})`,
    `DELETE FROM ${ledger} AS receipt\nWHERE ${contained}`,
    `INSERT INTO ${ledger} (${names.map(quote).join(", ")})\nVALUES (${Object.values(receipt).join(", ")})`,
    "COMMIT TRANSACTION",
    "SELECT UNIX_MILLIS(commit_time) AS `committed_at`",
  ];
  return `${statements.join(";\n")};\n`;
}
