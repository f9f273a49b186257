/** Spark and Databricks: a table over the files of each folder, and a view over those. */
import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import { shown, unlessGone } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { spark } from "../../sql/spark.ts";
import { formatOf, ownFolder, rootOf, type ReadRequest } from "./request.ts";

const { identifier, string, types } = spark;

export function sparkSql(request: ReadRequest): string {
  const { columns, key } = request;
  const item = shown(request, identifier);
  const tables = request.folders.map((folder, at) => {
    const name = identifier(`${request.export}_files${at === 0 ? "" : `_${at + 1}`}`);
    return { name, format: formatOf(folder), ddl: table(request, folder, name) };
  });
  const files = tables.map(
    ({ name, format }) =>
      `    SELECT ${columns.map((column) => converted(column, format)).join(", ")}\n    FROM ${name}`,
  );
  return `${NOTES[request.options.type]}${tables.map(({ ddl }) => ddl).join("\n\n")}

CREATE OR REPLACE VIEW ${identifier(request.view ?? request.export)} AS
SELECT
  ${columns.map((column) => item(column, identifier(column.name))).join(",\n  ")}
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY ${key.map(identifier).join(", ")}
    ORDER BY ${newestFirst(request, identifier)}
  ) AS \`_rank\`
  FROM (
${files.join("\n    UNION ALL\n")}
  )
)
WHERE \`_rank\` = 1${unlessGone(request, identifier)};`;
}

const NOTES = {
  s3: "-- Outside of Databricks and EMR, s3:// is s3a://, with the package hadoop-aws. Dropping a table over files leaves them alone.\n",
  file: "-- Dropping a table over files leaves them alone.\n",
} as const;

/** A table that exists may have another folder, or lack columns. */
function table(request: ReadRequest, folder: DataFolder, name: string): string {
  const format = formatOf(folder);
  const path = `${rootOf(request.options)}/${ownFolder(request, folder)}`;
  const options = {
    // The engine would take folders such as dt=2026-10-01 for columns.
    recursiveFileLookup: "true",
    pathGlobFilter: `*${folder.extension}`,
    ...(format === "csv" ? CSV : {}),
    path: request.options.type === "file" ? `file://${path}` : path,
  };
  const columns = request.columns.map((column) => `${identifier(column.name)} ${stored(column, format)}`);
  return `DROP TABLE IF EXISTS ${name};

CREATE TABLE ${name} (
  ${columns.join(",\n  ")}
)
USING ${{ parquet: "PARQUET", jsonl: "JSON", csv: "CSV" }[format]}
OPTIONS (${Object.entries(options)
    .map(([key, value]) => `${key} ${string(value)}`)
    .join(", ")});`;
}

/** A text that is exactly \N is read as NULL. */
const CSV = { header: "true", multiLine: "true", escape: '"', nullValue: String.raw`\N` };

/** Times of text files are read by a cast, which takes microseconds and the Z. Lists in CSV are text. */
function stored({ type }: Column, format: FileFormat): string {
  if (format === "parquet") return types[type];
  if (isList(type)) return format === "csv" ? types.string : types["string[]"];
  return type === "timestamp" ? types.string : types[type];
}

function converted({ name, type }: Column, format: FileFormat): string {
  const quoted = identifier(name);
  if (format === "parquet") return quoted;
  if (type === "timestamp") return `CAST(${quoted} AS TIMESTAMP) AS ${quoted}`;
  if (isList(type) && format === "csv") return `${spark.listFromJson(type, quoted)} AS ${quoted}`;
  return type === "timestamp[]" ? `transform(${quoted}, item -> CAST(item AS TIMESTAMP)) AS ${quoted}` : quoted;
}
