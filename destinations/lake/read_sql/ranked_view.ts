import { shown, unlessGone } from "../../sql/deletion.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import type { ReadRequest } from "./request.ts";

/** A table over files, and what a SELECT takes from it: an item for each column of the request. */
export interface FilesTable {
  readonly name: string;
  readonly items: readonly string[];
}

/** The view that gives the current row of each key, for engines without QUALIFY. */
export function rankedView(
  request: ReadRequest,
  identifier: (name: string) => string,
  tables: readonly FilesTable[],
): string {
  const { columns, key } = request;
  const item = shown(request, identifier);
  const rank = identifier("_rank");
  const files = tables.map(({ name, items }) => `    SELECT ${items.join(", ")}\n    FROM ${identifier(name)}`);
  return `CREATE OR REPLACE VIEW ${identifier(request.view ?? request.export)} AS
SELECT
  ${columns.map((column) => item(column, identifier(column.name))).join(",\n  ")}
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY ${key.map(identifier).join(", ")}
    ORDER BY ${newestFirst(request, identifier)}
  ) AS ${rank}
  FROM (
${files.join("\n    UNION ALL\n")}
  )
)
WHERE ${rank} = 1${unlessGone(request, identifier)};`;
}
