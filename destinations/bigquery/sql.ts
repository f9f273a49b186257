/** Every statement that BigQuery is sent, as text. Pure; held literally by test/golden/bigquery_*.sql. */
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { FileFormat } from "../destination.ts";
import {
  DELETED_COLUMN,
  END_COLUMN,
  EXPORTED_AT_COLUMN,
  type OnDelete,
  PARTITION_COLUMN,
  personalColumns,
  RECEIPT_COLUMNS,
  VERSION_COLUMN,
} from "../warehouse/rows.ts";
import { isArray, targetType } from "./types.ts";

/** A name in backticks. The config lets only names through that need no escape; this holds for columns of users' SQL. */
export function quote(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}

export function text(value: string): string {
  const escaped = value.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `'${escaped}'`;
}

export function timestamp(time: Date): string {
  return `TIMESTAMP '${time.toISOString().replace("T", " ").replace("Z", "+00")}'`;
}

/** A literal and no function of a number, so that it prunes whatever the planner folds. */
export function timestampOfMicros(micros: bigint): string {
  const ms = micros >= 0n ? micros / 1000n : (micros - 999n) / 1000n;
  const iso = new Date(Number(ms)).toISOString().replace("T", " ").replace("Z", "");
  return `TIMESTAMP '${iso}${String(micros - ms * 1000n).padStart(3, "0")}+00'`;
}

/** Columns of the ledger that only BigQuery has; the range of a later MERGE and a later deletion are told by them. */
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

/** What `RAISE` says inside the transaction; the adapter finds it again in the job's error. */
export const RAISED = {
  lostRace: "replayport: another attempt has loaded this interval",
  rangeMoved: "replayport: a load in between has merged earlier sessions",
  deletedMeanwhile: "replayport: a load in between has deleted sessions",
} as const;

export interface TableShape {
  readonly table: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly json: ReadonlySet<string>;
  readonly partition?: { readonly column: string; readonly granularity: string };
  readonly cluster: readonly string[];
  readonly description: string;
  /** For tables of a check, which must not stay where the check is killed. */
  readonly expires?: Date;
}

function definition(column: Column, json: ReadonlySet<string>, required: boolean): string {
  const described = column.description === "" ? "" : ` OPTIONS (description = ${text(column.description)})`;
  return `${quote(column.name)} ${targetType(column, json)}${required ? " NOT NULL" : ""}${described}`;
}

/** Only the key is NOT NULL: a tombstone empties other columns, and NOT NULL can never be added to a column later. */
export function createTable(shape: TableShape): string {
  const columns = shape.columns.map((column) => definition(column, shape.json, shape.key.includes(column.name)));
  const { partition } = shape;
  const options = [
    `description = ${text(shape.description)}`,
    ...(shape.expires ? [`expiration_timestamp = ${timestamp(shape.expires)}`] : []),
  ];
  return [
    `CREATE TABLE IF NOT EXISTS ${quote(shape.table)} (\n  ${columns.join(",\n  ")}\n)`,
    ...(partition
      ? [`PARTITION BY TIMESTAMP_TRUNC(${quote(partition.column)}, ${partition.granularity.toUpperCase()})`]
      : []),
    ...(shape.cluster.length > 0 ? [`CLUSTER BY ${shape.cluster.map(quote).join(", ")}`] : []),
    `OPTIONS (${options.join(", ")})`,
  ].join("\n");
}

export function addColumns(table: string, columns: readonly Column[], json: ReadonlySet<string>): string {
  const added = columns.map((column) => `ADD COLUMN IF NOT EXISTS ${definition(column, json, false)}`);
  return `ALTER TABLE ${quote(table)}\n  ${added.join(",\n  ")}`;
}

/** Which batch of which export in which table. */
export interface LedgerPlace {
  readonly ledger: string;
  /** The target's name as the receipts have it. */
  readonly target: string;
  readonly export: string;
}

function ofExport({ target, export: exportName }: LedgerPlace): string {
  return `${quote("target_table")} = ${text(target)} AND ${quote("export")} = ${text(exportName)}`;
}

function exactly(place: LedgerPlace, { start, end }: Interval): string {
  return `${ofExport(place)} AND \`interval_start\` = ${timestamp(start)} AND \`interval_end\` = ${timestamp(end)}`;
}

function attempts(place: LedgerPlace, interval: Interval): string {
  return `SELECT IFNULL(STRING_AGG(\`attempt\`, ',' ORDER BY \`attempt\`), '') FROM ${quote(place.ledger)} WHERE ${exactly(place, interval)}`;
}

/** What stands for this interval now. `read_at` in milliseconds, NULL where nothing stands. */
export function precondition(place: LedgerPlace, interval: Interval): string {
  return `SELECT IFNULL(STRING_AGG(\`attempt\`, ',' ORDER BY \`attempt\`), '') AS \`attempts\`, UNIX_MILLIS(MAX(\`read_at\`)) AS \`read_at\`
FROM ${quote(place.ledger)}
WHERE ${exactly(place, interval)}`;
}

const MILLISECONDS = new Set(["interval_start", "interval_end", "read_at", "committed_at"]);

/** The receipts whose interval overlaps the range, by start. Times in milliseconds. */
export function receipts(place: LedgerPlace, { start, end }: Interval, columns: readonly string[]): string {
  const items = columns.map((name) =>
    MILLISECONDS.has(name) ? `UNIX_MILLIS(${quote(name)}) AS ${quote(name)}` : quote(name),
  );
  return `SELECT ${items.join(", ")}
FROM ${quote(place.ledger)} AS receipt
WHERE ${ofExport(place)} AND receipt.\`interval_start\` < ${timestamp(end)} AND receipt.\`interval_end\` > ${timestamp(start)}
ORDER BY receipt.\`interval_start\`, receipt.\`interval_end\``;
}

export interface Rows {
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

/**
 * Whether a start that has moved can be bounded: only where start and end are the least and the greatest of what was ever
 * seen of a session, as in session_replays. A model of users' own may have columns of these names that mean something else;
 * its key tells.
 */
export function hasRange({ columns, key }: Rows): boolean {
  const certain = (name: string): boolean =>
    columns.some((column) => column.name === name && column.type === "timestamp" && !column.nullable);
  return key.join() === "team_id,session_id" && certain(PARTITION_COLUMN) && certain(END_COLUMN);
}

/** Counts what was staged, and finds the range of its sessions. Times in microseconds, as text: they exceed 2^53. */
export function inspect(staging: string, place: LedgerPlace, rows: Rows, since: Date): string {
  const deleted = rows.columns.some(({ name, type }) => name === DELETED_COLUMN && type === "bool");
  const micros = (value: string): string => `CAST(UNIX_MICROS(${value}) AS STRING)`;
  const items = [
    "COUNT(*) AS `rows`",
    `COUNTIF(${rows.key.map((name) => `${quote(name)} IS NULL`).join(" OR ")}) AS \`keyless\``,
    `${deleted ? `COUNTIF(${quote(DELETED_COLUMN)})` : "0"} AS \`deleted\``,
    ...(hasRange(rows)
      ? [
          `${micros(`MIN(${quote(PARTITION_COLUMN)})`)} AS \`first_start\``,
          `${micros(`MAX(${quote(END_COLUMN)})`)} AS \`last_end\``,
          `(SELECT ${micros(`MIN(receipt.${quote(EARLIEST_START_COLUMN)})`)} FROM ${quote(place.ledger)} AS receipt WHERE receipt.\`target_table\` = ${text(place.target)} AND receipt.\`committed_at\` >= ${timestamp(since)}) AS \`earlier_start\``,
        ]
      : []),
  ];
  return `SELECT ${items.join(",\n  ")}\nFROM ${quote(staging)}`;
}

export interface StagedRows extends Rows {
  readonly table: string;
  readonly format: FileFormat;
  readonly deleted: number;
  /** The days of the target that may hold rows of these sessions. */
  readonly range?: { readonly from: bigint; readonly to: bigint; readonly firstStart: bigint };
}

export interface Commit extends LedgerPlace {
  /** The target table, in full. */
  readonly table: string;
  readonly interval: Interval;
  readonly json: ReadonlySet<string>;
  readonly onDelete: OnDelete;
  readonly replace: boolean;
  /** The attempts that the precondition found. */
  readonly previous: string;
  readonly attempt: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  readonly fingerprint: string;
  readonly readAt: Date;
  readonly version: string;
  readonly sourceVersion: string;
  /** Loads that committed after this moment may have brought newer rows than this batch's. */
  readonly since: Date;
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
  const deletes = columns.some(({ name, type }) => name === DELETED_COLUMN && type === "bool");
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
  const on = [
    ...key.map((name) => `T.${quote(name)} = S.${quote(name)}`),
    ...(range
      ? [
          `T.${quote(PARTITION_COLUMN)} >= ${timestampOfMicros(range.from)}`,
          `T.${quote(PARTITION_COLUMN)} <= ${timestampOfMicros(range.to)}`,
        ]
      : []),
  ];
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

function raise(condition: string, message: string): string {
  return `IF ${condition} THEN\n  RAISE USING MESSAGE = ${text(message)};\nEND IF`;
}

/** What a load in between may have changed, asked inside the transaction: its snapshot is the one that is committed on. */
function guards(commit: Commit): string[] {
  const { staged } = commit;
  const recent = `FROM ${quote(commit.ledger)} AS receipt WHERE receipt.\`target_table\` = ${text(commit.target)} AND receipt.\`committed_at\` >= `;
  return [
    raise(`(${attempts(commit, commit.interval)}) <> ${text(commit.previous)}`, RAISED.lostRace),
    ...(staged?.range
      ? [
          raise(
            `EXISTS (SELECT 1 ${recent}${timestamp(commit.since)} AND receipt.${quote(EARLIEST_START_COLUMN)} < ${timestampOfMicros(staged.range.from)})`,
            RAISED.rangeMoved,
          ),
        ]
      : []),
    ...(staged && commit.onDelete === "delete"
      ? [
          raise(
            `EXISTS (SELECT 1 ${recent}${timestamp(commit.readAt)} AND receipt.${quote(DELETED_ROWS_COLUMN)} > 0)`,
            RAISED.deletedMeanwhile,
          ),
        ]
      : []),
  ];
}

/**
 * Rows and receipt in one transaction. COMMIT is the last statement that can fail, so a job that failed has changed nothing:
 * BigQuery rolls a transaction back that ends before its COMMIT. The SELECT after it reads no table; it is the job's result.
 */
export function commitScript(commit: Commit): string {
  const { start, end } = commit.interval;
  const contained = `${ofExport(commit)} AND \`interval_start\` >= ${timestamp(start)} AND \`interval_end\` <= ${timestamp(end)} AND \`read_at\` <= ${timestamp(commit.readAt)}`;
  const firstStart = commit.staged?.range
    ? timestampOfMicros(commit.staged.range.firstStart)
    : "CAST(NULL AS TIMESTAMP)";
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
  const statements = [
    "DECLARE commit_time TIMESTAMP",
    "DECLARE first_start TIMESTAMP",
    "BEGIN TRANSACTION",
    ...guards(commit),
    ...(commit.staged ? [merge(commit, commit.staged)] : []),
    `SET first_start = (SELECT MIN(seen.start) FROM (
  SELECT ${firstStart} AS start
  UNION ALL SELECT ${quote(EARLIEST_START_COLUMN)} AS start FROM ${quote(commit.ledger)} WHERE ${contained}
) AS seen)`,
    "SET commit_time = TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND)",
    `DELETE FROM ${quote(commit.ledger)}\nWHERE ${contained}`,
    `INSERT INTO ${quote(commit.ledger)} (${names.map(quote).join(", ")})\nVALUES (${Object.values(receipt).join(", ")})`,
    "COMMIT TRANSACTION",
    "SELECT UNIX_MILLIS(commit_time) AS `committed_at`",
  ];
  return `${statements.join(";\n")};\n`;
}
