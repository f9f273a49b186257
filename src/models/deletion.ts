/**
 * What becomes of a session whose recording was deleted, or that no longer matches the export's `where`, wherever its current
 * row is read: in a warehouse, and by the SQL that reads a lake. A user's own SELECT takes part by a column `is_deleted` of
 * type bool.
 */
import type { Column } from "./column.ts";
import { READING_ORDER } from "./reading_order.ts";

/**
 * - `tombstone`: its row stays, with `is_deleted` true and everything personal NULL.
 * - `delete`: it has no row.
 */
export type OnDelete = "tombstone" | "delete";

export const DELETED_COLUMN = "is_deleted";

/** Whether the model's rows say that a session was deleted. */
export function tellsDeleted(columns: readonly Pick<Column, "name" | "type">[]): boolean {
  return columns.some(({ name, type }) => name === DELETED_COLUMN && type === "bool");
}

/**
 * Of an export with `where`: a session that no longer matches is exported once more, so that its older rows, which did,
 * aren't current for ever. No reader gets that row, whatever `on_delete` says.
 */
export const MATCHES: Column = {
  name: "_matches",
  type: "bool",
  // Files and tables from before the export had a `where` lack it.
  nullable: true,
  privacy: "none",
  description:
    "False in the last row of a session that no longer matches the export's `where`; it has nothing personal.",
};

/** What makes a row a tombstone, whatever its model says of these columns. */
const KEPT: ReadonlySet<string> = new Set([DELETED_COLUMN, "deleted_at", ...READING_ORDER]);

type Named = Pick<Column, "name" | "type" | "privacy">;

/**
 * The columns that a tombstone empties: everything that says something about a person, except for the key, which finds the
 * row. Of the columns of a user's own SELECT nothing is known, so all count as personal.
 */
export function emptiedColumns(
  { columns, key }: { readonly columns: readonly Named[]; readonly key: readonly string[] },
  onDelete: OnDelete,
): ReadonlySet<string> {
  if (onDelete !== "tombstone" || !tellsDeleted(columns)) return new Set();
  const personal = columns.filter(({ name, privacy }) => privacy !== "none" && !key.includes(name) && !KEPT.has(name));
  return new Set(personal.map(({ name }) => name));
}
