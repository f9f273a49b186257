/** Spark and Databricks: a table over the files of each folder, and a view over those. */
import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import { isList } from "../../sql/dialect.ts";
import { spark } from "../../sql/spark.ts";
import { rankedView } from "./ranked_view.ts";
import { formatOf, ownFolder, rootOf, type ReadRequest } from "./request.ts";

const { identifier, string, types } = spark;

export function sparkSql(request: ReadRequest): string {
  const tables = request.folders.map((folder, at) => {
    const name = `${request.export}_files${at === 0 ? "" : `_${at + 1}`}`;
    const items = request.columns.map((column) => converted(column, formatOf(folder)));
    return { name, items, ddl: table(request, folder, identifier(name)) };
  });
  const ddl = tables.map((one) => one.ddl).join("\n\n");
  return `${NOTES[request.options.type]}${ddl}\n\n${rankedView(request, identifier, tables)}`;
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
