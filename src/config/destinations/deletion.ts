/** `on_delete`, which every destination has, and what it needs of an export. */
import * as z from "zod";
import type { ExportDefinition } from "../../export/definition.ts";
import { DELETED_COLUMN } from "../../models/deletion.ts";
import type { Report } from "../problems/problems.ts";

export const onDelete = z
  .enum(["tombstone", "delete"])
  .optional()
  .describe("Deleted sessions: keep the row without its personal columns (the default), or leave the row out.");

/** Both values of `on_delete` need the column that says which sessions were deleted. */
export function checkOnDelete(definition: ExportDefinition, report: Report): void {
  const { name, model, selection, destination } = definition;
  const { exclude } = selection.rules;
  // Only ClickHouse knows the columns of a SELECT.
  if (model.kind !== "session_replays" || !exclude.includes(DELETED_COLUMN)) return;
  const fix = `Remove it: on_delete of the destination ${destination} finds deleted sessions by this column.`;
  report.add(["exports", name, "columns", "exclude", exclude.indexOf(DELETED_COLUMN)], "cannot be excluded", fix);
}
