/**
 * The sessions whose rows a warehouse has deleted, in a table beside the target: their keys, and their places in the order of
 * reads. Without it a source that has forgotten a deletion (PostHog's purge), or an older read that arrives late, would bring
 * the row of a session back. Deletions are remembered for ever, sessions that no longer match `where` while a read may be
 * under way.
 */
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, type OnDelete, tellsDeleted } from "../../src/models/deletion.ts";
import { EXPORTED_AT_COLUMN, READING_ORDER } from "../../src/models/reading_order.ts";
import { gone } from "../sql/deletion.ts";
import { replaces } from "../sql/reading_order.ts";
import type { Rows } from "./rows.ts";

/** Before the target's name. */
export const GONE_PREFIX = "_replayport_gone_";

const READ_MS = 2 * 86_400_000;

/** The columns of the table; undefined if no row of the export is ever deleted. */
export function goneColumns({ columns, key }: Rows, onDelete: OnDelete): readonly Column[] | undefined {
  if (gone({ columns, options: { onDelete } }, String) === undefined) return undefined;
  const order: readonly string[] = READING_ORDER;
  return [
    ...columns.filter(({ name }) => key.includes(name) || order.includes(name)),
    { name: DELETED_COLUMN, type: "bool", nullable: true, privacy: "none", description: "Whether PostHog deleted it." },
  ];
}

export interface GoneRows {
  readonly rows: Rows;
  readonly onDelete: OnDelete;
  /** In SQL, as are the rows of the batch, one per key. */
  readonly table: string;
  readonly source: string;
  /** How the engine writes a column's name. */
  readonly identifier: (name: string) => string;
  /** The condition that two rows have one key. */
  readonly sameKey: (a: (name: string) => string, b: (name: string) => string) => string;
}

const qualified =
  (alias: string, { identifier }: GoneRows) =>
  (name: string): string =>
    `${alias}.${identifier(name)}`;

/** The rows of the batch, without those that an earlier batch has overtaken by deleting the session's row. */
export function withoutOvertaken(of: GoneRows): string {
  const [s, g] = [qualified("s", of), qualified("g", of)];
  return `  SELECT s.* FROM (
${of.source}
  ) AS s LEFT JOIN ${of.table} AS g ON ${of.sameKey(s, g)}
  WHERE ${replaces(of.rows, s, g)}`;
}

/** Statements for after the MERGE, in its transaction. @param timestamp a literal of a time */
export function rememberGone(of: GoneRows, readAt: Date, timestamp: (time: Date) => string): string[] {
  const { identifier, onDelete, rows, source, table } = of;
  const [s, g] = [qualified("s", of), qualified("g", of)];
  const columns = (goneColumns(rows, onDelete) ?? []).map(({ name }) => name);
  const deleted = tellsDeleted(rows.columns) ? `COALESCE(${s(DELETED_COLUMN)}, FALSE)` : "FALSE";
  const values = columns.map((name) => (name === DELETED_COLUMN ? deleted : s(name)));
  const names = columns.map(identifier).join(", ");
  const merge = `MERGE INTO ${table} AS g
USING (
  SELECT ${columns.map((name, at) => `${values[at]} AS ${identifier(name)}`).join(", ")}
  FROM (
${source}
  ) AS s
  WHERE ${gone({ columns: rows.columns, options: { onDelete } }, s)}
) AS s
ON ${of.sameKey(s, g)}
WHEN MATCHED AND (${replaces(rows, s, g)}) THEN UPDATE SET ${columns
    .filter((name) => !rows.key.includes(name))
    .map((name) => `${identifier(name)} = ${s(name)}`)
    .join(", ")}
WHEN NOT MATCHED THEN INSERT (${names}) VALUES (${columns.map(s).join(", ")})`;
  if (!columns.includes(EXPORTED_AT_COLUMN)) return [merge];
  const before = timestamp(new Date(readAt.getTime() - READ_MS));
  return [
    merge,
    `DELETE FROM ${table} WHERE NOT ${identifier(DELETED_COLUMN)} AND ${identifier(EXPORTED_AT_COLUMN)} < ${before}`,
  ];
}
