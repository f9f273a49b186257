/**
 * The MERGE from the staging table into the target. Pure.
 *
 * **The guard.** A row is updated or deleted only by a row that wins by src/models/reading_order.ts, so a batch that was read
 * earlier and arrives late changes nothing.
 *
 * **Pruning.** Without a range in ON, a MERGE reads every micro-partition of the target. The start of a session moves:
 * it can only fall, and its end can only grow. So if the target's row was read before the batch's, its start is within
 * [start, end] of the batch's row; if it was read later, its start may be anywhere before. Bounds on start_time find the
 * first kind. `_exported_at`, which is later than the batch's, finds the second. Snowflake keeps the lowest and the highest
 * value of both columns for each micro-partition, and skips those in which neither can match. SLACK extends the lower bound:
 * if the source has dropped a session's first rows (retention, day by day), the batch's row starts later than the target's,
 * and would be inserted a second time; and the clocks of two workers are never quite the same.
 * https://docs.snowflake.com/en/user-guide/tables-clustering-micropartitions
 */
import type { Batch } from "../destination.ts";
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, emptiedColumns, type OnDelete } from "../../src/models/deletion.ts";
import { EXPORTED_AT_COLUMN } from "../../src/models/reading_order.ts";
import { gone } from "../sql/deletion.ts";
import { newestFirst, replaces } from "../sql/reading_order.ts";
import { goneColumns, type GoneRows, rememberGone, withoutOvertaken } from "../warehouse/gone_rows.ts";
import { hasRange, PARTITION_COLUMN, type Rows, SLACK_MICROS, startRange } from "../warehouse/rows.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { inTransaction } from "./ledger_sql.ts";
import type { Statement } from "./statement.ts";

/** Of the batch's rows, in microseconds. */
export interface Bounds {
  readonly firstStart: number;
  readonly lastEnd: number;
  readonly firstExport: number;
}

/** The aggregates that pruning needs; none if the columns don't allow pruning. */
export function boundsWanted(rows: Rows): { name: string; sql: string }[] {
  if (!hasRange(rows) || !hasColumn(rows.columns, EXPORTED_AT_COLUMN)) return [];
  const { firstStart, lastEnd } = startRange(rows, staged, snowflake.timestamp);
  return [
    { name: "FIRST_START", sql: firstStart },
    { name: "LAST_END", sql: lastEnd },
    { name: "FIRST_EXPORT", sql: `MIN(${staged(EXPORTED_AT_COLUMN)})` },
  ];
}

export interface MergeOptions {
  readonly target: string;
  /** The table of the rows that are gone. */
  readonly gone: string;
  readonly staging: string;
  /** The target's name of each column, by the model's name. */
  readonly spelling: ReadonlyMap<string, string>;
  readonly onDelete: OnDelete;
  /** Undefined: don't prune. */
  readonly bounds: Bounds | undefined;
  /** The MERGE does nothing outside this transaction. */
  readonly transaction: string;
}

/** What brings the rows of a batch into the target, in order. */
export function mergeStatements(batch: LoadBatch, options: MergeOptions): Statement[] {
  const { gone: table, onDelete, transaction } = options;
  const rows = source(batch, options);
  if (goneColumns(batch, onDelete) === undefined) return [merge(batch, options, rows)];
  const keys = batch.columns.filter(({ name }) => batch.key.includes(name));
  const goneRows: GoneRows = {
    rows: batch,
    onDelete,
    table,
    source: rows,
    identifier: staged,
    sameKey: (a, b) => keys.map((column) => equal(column, a, b)).join(" AND "),
  };
  const [remember = "", ...forget] = rememberGone(goneRows, batch.readAt, snowflake.timestamp);
  const own = (sql: string): Statement => ({
    sql,
    doing: `remembering deletions in ${table}`,
    grants: [`SELECT, INSERT, UPDATE, DELETE ON TABLE ${table}`],
  });
  return [
    merge(batch, options, withoutOvertaken(goneRows)),
    own(remember),
    ...forget.map((sql) => own(`${sql} AND ${inTransaction(transaction)}`)),
  ];
}

function merge(batch: LoadBatch, options: MergeOptions, rows: string): Statement {
  const { target, spelling, onDelete, bounds } = options;
  const { columns, key } = batch;
  const t = (name: string): string => `t.${snowflake.identifier(spelling.get(name) ?? columnName(name))}`;
  const s = (name: string): string => `s.${staged(name)}`;
  const removed = gone({ columns, options: { onDelete } }, s);
  const guard = replaces(batch, s, t);
  const names = columns.map(({ name }) => name);
  const assignments = names
    .filter((name) => !key.includes(name))
    .map((name) => `  ${snowflake.identifier(spelling.get(name) ?? columnName(name))} = ${s(name)}`);
  const inserted = names.map((name) => snowflake.identifier(spelling.get(name) ?? columnName(name))).join(", ");
  const on = [
    ...columns.filter(({ name }) => key.includes(name)).map((column) => equal(column, t, s)),
    ...(bounds === undefined ? [] : prune(bounds, t)),
  ];
  const lines = [`MERGE INTO ${target} AS t`, `USING (\n${rows}\n) AS s`, `ON ${on.join("\n  AND ")}`];
  if (removed !== undefined) lines.push(`WHEN MATCHED AND (${guard}) AND ${removed} THEN DELETE`);
  if (assignments.length > 0) lines.push(`WHEN MATCHED AND (${guard}) THEN UPDATE SET\n${assignments.join(",\n")}`);
  lines.push(
    `WHEN NOT MATCHED${removed === undefined ? "" : ` AND NOT ${removed}`} THEN INSERT (${inserted})\nVALUES (${names.map(s).join(", ")})`,
  );
  return {
    sql: lines.join("\n"),
    doing: `merging into ${target}`,
    grants: [`SELECT, INSERT, UPDATE, DELETE ON TABLE ${target}`],
  };
}

/** A column of the staging table, by the model's name. */
function staged(name: string): string {
  return snowflake.identifier(columnName(name));
}

/** One row per key: MERGE would refuse two. */
function source({ columns, key, format }: LoadBatch, { staging, onDelete, transaction }: MergeOptions): string {
  const emptied = emptiedColumns({ columns, key }, onDelete);
  const selected = columns.map((column) => {
    const value = valueOf(column, format);
    const kept = emptied.has(column.name) ? `IFF(COALESCE(${staged(DELETED_COLUMN)}, FALSE), NULL, ${value})` : value;
    return kept === staged(column.name) ? `    ${kept}` : `    ${kept} AS ${staged(column.name)}`;
  });
  return [
    "  SELECT",
    selected.join(",\n"),
    `  FROM ${staging}`,
    `  WHERE ${inTransaction(transaction)}`,
    `  QUALIFY ROW_NUMBER() OVER (PARTITION BY ${key.map(staged).join(", ")} ORDER BY ${newestFirst({ columns, key }, staged)}) = 1`,
  ].join("\n");
}

/** Lists of times become lists of ISO strings in UTC, in every format: a VARIANT would carry the session's time zone. */
function valueOf({ name, type }: Column, format: LoadBatch["format"]): string {
  if (!type.endsWith("[]")) return staged(name);
  const list = format === "csv" ? `PARSE_JSON(${staged(name)})::ARRAY` : staged(name);
  if (type !== "timestamp[]") return list;
  return `TRANSFORM(${list}, x -> TO_VARCHAR(x::TIMESTAMP_NTZ(6), 'YYYY-MM-DD"T"HH24:MI:SS.FF6"Z"'))`;
}

function equal({ name, nullable }: Column, t: (name: string) => string, s: (name: string) => string): string {
  return nullable ? `EQUAL_NULL(${t(name)}, ${s(name)})` : `${t(name)} = ${s(name)}`;
}

/** Rows without a value (the column was added later) are always included. */
function prune({ firstStart, lastEnd, firstExport }: Bounds, t: (name: string) => string): string[] {
  const [start, exported] = [t(PARTITION_COLUMN), t(EXPORTED_AT_COLUMN)];
  const lower = snowflake.timestamp(BigInt(firstStart) - SLACK_MICROS);
  return [
    `(${start} IS NULL OR ${start} <= ${snowflake.timestamp(BigInt(lastEnd))})`,
    `(${start} IS NULL OR ${start} >= ${lower} OR ${exported} IS NULL OR ${exported} > ${snowflake.timestamp(BigInt(firstExport))})`,
  ];
}

export function hasColumn(columns: readonly Column[], name: string): boolean {
  return columns.some((column) => column.name === name);
}

export type LoadBatch = Pick<Batch, "columns" | "key" | "format" | "extension" | "readAt">;
