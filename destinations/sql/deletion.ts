/** src/models/deletion.ts in SQL that means the same in every engine. */
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, emptiedColumns, MATCHES, type OnDelete, tellsDeleted } from "../../src/models/deletion.ts";

/** A column's value, by the column's name. */
type Expression = (column: string) => string;

interface Rows {
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly options: { readonly onDelete?: OnDelete };
}

/** An item of a SELECT, `value AS name`, or NULL in the row of a deleted session where the column is personal. */
export function shown(
  { columns, key, options }: Rows,
  identifier: Expression,
  of: Expression = identifier,
): (column: Column, value: string, none?: string) => string {
  const emptied = emptiedColumns({ columns, key }, options.onDelete ?? "tombstone");
  return ({ name }, value, none = "NULL") => {
    const sql = emptied.has(name) ? `CASE WHEN ${of(DELETED_COLUMN)} THEN ${none} ELSE ${value} END` : value;
    return sql === identifier(name) ? sql : `${sql} AS ${identifier(name)}`;
  };
}

/** A condition on a current row that readers must not get; undefined if there can be none. */
export function gone({ columns, options }: Pick<Rows, "columns" | "options">, of: Expression): string | undefined {
  const conditions = [];
  if (options.onDelete === "delete" && tellsDeleted(columns)) conditions.push(`COALESCE(${of(DELETED_COLUMN)}, FALSE)`);
  // Rows from before the export had a `where` lack a value.
  if (columns.some(({ name }) => name === MATCHES.name)) conditions.push(`NOT COALESCE(${of(MATCHES.name)}, TRUE)`);
  return conditions.length === 0 ? undefined : `(${conditions.join(" OR ")})`;
}

/** A condition on the current row that leaves out those that are gone, with `AND` before it; may be empty. */
export function unlessGone(rows: Rows, of: Expression): string {
  const condition = gone(rows, of);
  return condition === undefined ? "" : ` AND NOT ${condition}`;
}
