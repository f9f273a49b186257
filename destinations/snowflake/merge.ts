/**
 * The MERGE from the staging table into the target. Pure.
 *
 * **The guard.** A row is updated or deleted only by a row that wins by src/models/reading_order.ts, so a batch that was read
 * earlier and arrives late changes nothing.
 *
 * **Pruning.** Without a range in ON, a MERGE reads every micro-partition of the target. Where the target has rows of the staged
 * keys is asked first, in the same transaction (warehouse/held_rows.ts), and Snowflake skips the micro-partitions whose times
 * are all outside.
 * https://docs.snowflake.com/en/user-guide/tables-clustering-micropartitions
 */
import type { Batch } from "../destination.ts";
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, emptiedColumns, type OnDelete } from "../../src/models/deletion.ts";
import { gone } from "../sql/deletion.ts";
import { newestFirst, replaces } from "../sql/reading_order.ts";
import { goneColumns, type GoneRows, rememberGone, withoutOvertaken } from "../warehouse/gone_rows.ts";
import { countDoubled, type HeldRows, heldRange, type TimeRange, within } from "../warehouse/held_rows.ts";
import { PARTITION_COLUMN, type Rows } from "../warehouse/rows.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { inTransaction } from "./ledger_sql.ts";
import type { Statement } from "./statement.ts";

export interface MergeOptions {
  readonly target: string;
  /** The table of the rows that are gone. */
  readonly gone: string;
  readonly staging: string;
  /** The target's name of each column, by the model's name. */
  readonly spelling: ReadonlyMap<string, string>;
  readonly onDelete: OnDelete;
  /** Where the target has rows of the staged keys. Undefined: anywhere. */
  readonly range: TimeRange | undefined;
  /** The MERGE does nothing outside this transaction. */
  readonly transaction: string;
}

/** What brings the rows of a batch into the target, in order. */
export function mergeStatements(batch: LoadBatch, options: MergeOptions): Statement[] {
  const { gone: table, onDelete, transaction } = options;
  const rows = source(batch, options);
  if (goneColumns(batch, onDelete) === undefined) return [merge(batch, options, rows)];
  const goneRows: GoneRows = {
    rows: batch,
    onDelete,
    table,
    source: rows,
    identifier: staged,
    sameKey: (a, b) =>
      keyOf(batch)
        .map((column) => equal(column, a, b))
        .join(" AND "),
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
  const { target, onDelete, range } = options;
  const { columns, key } = batch;
  const column = targetColumn(options);
  const t = (name: string): string => `t.${column(name)}`;
  const s = (name: string): string => `s.${staged(name)}`;
  const removed = gone({ columns, options: { onDelete } }, s);
  const guard = replaces(batch, s, t);
  const names = columns.map(({ name }) => name);
  const assignments = names.filter((name) => !key.includes(name)).map((name) => `  ${column(name)} = ${s(name)}`);
  const inserted = names.map(column).join(", ");
  const on = [
    ...keyOf(batch).map((one) => equal(one, t, s)),
    ...(range === undefined ? [] : [within(range, t(PARTITION_COLUMN), snowflake.timestamp)]),
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

export function equal({ name, nullable }: Column, t: (name: string) => string, s: (name: string) => string): string {
  return nullable ? `EQUAL_NULL(${t(name)}, ${s(name)})` : `${t(name)} = ${s(name)}`;
}

export type Target = Pick<MergeOptions, "target" | "spelling">;

/** A column as the target spells it. */
export function targetColumn({ spelling }: Target): (name: string) => string {
  return (name) => snowflake.identifier(spelling.get(name) ?? columnName(name));
}

export function keyOf({ columns, key }: Rows): readonly Column[] {
  return columns.filter(({ name }) => key.includes(name));
}

function held(batch: Rows, options: Target & Pick<MergeOptions, "staging">): HeldRows {
  const column = targetColumn(options);
  const t = (name: string): string => `t.${column(name)}`;
  const s = (name: string): string => `s.${staged(name)}`;
  return {
    target: options.target,
    staging: options.staging,
    key: batch.key,
    targetColumn: column,
    stagedColumn: staged,
    sameKey: keyOf(batch)
      .map((one) => equal(one, t, s))
      .join(" AND "),
  };
}

/** The column that the MERGE is bounded by: rows arrive by its time. Undefined if the export lacks it. */
export function boundBy({ columns }: Rows): string | undefined {
  return columns.find(({ name, type }) => name === PARTITION_COLUMN && type === "timestamp")?.name;
}

/** One row: FIRST_TIME, LAST_TIME, TIMELESS and DOUBLED of the target's rows with the staged keys. */
export function findHeld(batch: Rows, options: Target & Pick<MergeOptions, "staging">): Statement {
  const micros = (time: string): string => `DATE_PART(EPOCH_MICROSECOND, ${time})`;
  return reading(heldRange(held(batch, options), boundBy(batch), micros, staged), options);
}

/** One row: DOUBLED, how many staged keys have more than one row in the whole target. */
export function findDoubled(batch: Rows, options: Target & Pick<MergeOptions, "staging">): Statement {
  return reading(countDoubled(held(batch, options)), options);
}

export function reading(sql: string, { target }: Target): Statement {
  return { sql, doing: `looking for sessions in ${target}`, grants: [`SELECT ON TABLE ${target}`] };
}

export type LoadBatch = Pick<Batch, "columns" | "key" | "format" | "extension" | "readAt">;
