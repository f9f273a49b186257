/** Athena and Trino: an external table over the whole folder, its sub-folders included, and a view over that. */
import type { Column, ColumnType } from "../../../src/models/column.ts";
import { athenaDdl, timeFromText, trino } from "../../sql/trino.ts";
import { shown, unlessDeleted } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { demandReadable, demandS3, ownFolder, rootOf, type ReadRequest } from "./request.ts";

/** No partitions: which row is current is only known after all of the files, so there is nothing that could be left out. */
export function athenaSql(request: ReadRequest): string {
  demandReadable(request);
  const location = `${rootOf(demandS3(request))}/${ownFolder(request)}/`;
  const columns = request.columns.map(
    (column) => `${athenaDdl.identifier(column.name)} ${stored(column, request, athenaDdl.types)}`,
  );
  return `CREATE EXTERNAL TABLE IF NOT EXISTS ${athenaDdl.identifier(files(request))} (
  ${columns.join(",\n  ")}
)
${ATHENA_FORMAT[request.format]}
LOCATION ${athenaDdl.string(location)}${request.format === "csv" ? "\nTBLPROPERTIES ('skip.header.line.count' = '1')" : ""};

${view(request)}`;
}

const ATHENA_FORMAT = {
  parquet: "STORED AS PARQUET",
  jsonl: "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'",
  csv: "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' WITH SERDEPROPERTIES ('escapeChar' = '\"')",
} as const;

export function trinoSql(request: ReadRequest): string {
  demandReadable(request);
  const location = `${rootOf(demandS3(request))}/${ownFolder(request)}/`;
  const columns = request.columns.map(
    (column) => `${trino.identifier(column.name)} ${stored(column, request, trino.types)}`,
  );
  const format = { parquet: "PARQUET", jsonl: "JSON", csv: "CSV" }[request.format];
  const csv = request.format === "csv" ? ", skip_header_line_count = 1, csv_escape = '\"'" : "";
  return `-- In a catalog of the Hive connector with hive.recursive-directories = true.
CREATE TABLE IF NOT EXISTS ${trino.identifier(files(request))} (
  ${columns.join(",\n  ")}
)
WITH (external_location = ${trino.string(location)}, format = '${format}'${csv});

${view(request)}`;
}

function files(request: ReadRequest): string {
  return `${request.export}_files`;
}

/** CSV is text throughout; timestamps in JSON carry a T and a Z that these readers do not take. */
function stored({ type }: Column, { format }: ReadRequest, types: Readonly<Record<ColumnType, string>>): string {
  if (format === "csv") return types.string;
  if (format === "jsonl" && type === "timestamp") return types.string;
  if (format === "jsonl" && type === "timestamp[]") return types["string[]"];
  return types[type];
}

function view(request: ReadRequest): string {
  const { columns, key, format } = request;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const of = (name: string): string => {
    const column = byName.get(name);
    return column ? converted(column, format) : trino.identifier(name);
  };
  const item = shown(request, trino.identifier, of);
  return `CREATE OR REPLACE VIEW ${trino.identifier(request.export)} AS
SELECT
  ${columns.map((column) => item(column, of(column.name))).join(",\n  ")}
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY ${key.map(trino.identifier).join(", ")}
    ORDER BY ${newestFirst(request, of)}
  ) AS "_rank"
  FROM ${trino.identifier(files(request))}
)
WHERE "_rank" = 1${unlessDeleted(request, of)};`;
}

function converted(column: Column, format: ReadRequest["format"]): string {
  const name = trino.identifier(column.name);
  if (format === "parquet") return name;
  const value = format === "csv" ? `nullif(${name}, '\\N')` : name;
  if (format === "csv" && isList(column.type)) return trino.listFromJson(column.type, value);
  switch (column.type) {
    case "string":
    case "string[]":
      return value;
    case "timestamp":
      return timeFromText(value);
    case "timestamp[]":
      return `transform(${value}, x -> ${timeFromText("x")})`;
    case "int64":
    case "float64":
    case "bool":
      return format === "csv" ? `CAST(${value} AS ${trino.types[column.type]})` : value;
    default:
      return column.type satisfies never;
  }
}
