/** src/models/deletion.ts in SQL that means the same in every engine. */
import type { Column } from "../../src/models/column.ts";
import { DELETED_COLUMN, emptiedColumns, type OnDelete, tellsDeleted } from "../../src/models/deletion.ts";

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

/** A condition on the current row that leaves deleted sessions out, with `AND` before it; empty for tombstones. */
export function unlessDeleted({ columns, options }: Rows, of: Expression): string {
  return options.onDelete === "delete" && tellsDeleted(columns)
    ? ` AND NOT coalesce(${of(DELETED_COLUMN)}, FALSE)`
    : "";
}
