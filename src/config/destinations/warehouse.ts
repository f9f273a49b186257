/** What both warehouses ask of an export. */
import type { ExportDefinition } from "../../export/definition.ts";
import type { Report } from "../problems/problems.ts";

const DELETED = "is_deleted";

/** Without its column no load could tell which sessions were deleted, whatever `on_delete` says. */
export function checkOnDelete(definition: ExportDefinition, onDelete: string, report: Report): void {
  const { name, model, selection, destination } = definition;
  const { exclude } = selection.rules;
  // Only ClickHouse knows the columns of a SELECT.
  if (model.kind !== "session_replays" || !exclude.includes(DELETED)) return;
  const fix = `Remove it: \`on_delete: ${onDelete}\` of ${destination} finds deleted sessions by this column.`;
  report.add(["exports", name, "columns", "exclude", exclude.indexOf(DELETED)], "cannot be left out", fix);
}
