/** What both warehouses need of an export. */
import type { ExportDefinition } from "../../export/definition.ts";
import type { Report } from "../problems/problems.ts";

const DELETED = "is_deleted";

/** Both values of `on_delete` need the column that says which sessions were deleted. */
export function checkOnDelete(definition: ExportDefinition, report: Report): void {
  const { name, model, selection, destination } = definition;
  const { exclude } = selection.rules;
  // Only ClickHouse knows the columns of a SELECT.
  if (model.kind !== "session_replays" || !exclude.includes(DELETED)) return;
  const fix = `Remove it: on_delete of the destination ${destination} finds deleted sessions by this column.`;
  report.add(["exports", name, "columns", "exclude", exclude.indexOf(DELETED)], "cannot be excluded", fix);
}
