/** Athena and Trino: an external table over the whole folder, its sub-folders included, and a view over that. */
import type { Column } from "../../../src/models/column.ts";
import {
  backtick,
  demandReadable,
  demandS3,
  double,
  NEWEST,
  ownFolder,
  rootOf,
  text,
  TYPES,
  type ReadRequest,
} from "./request.ts";

/** No partitions: which row is current is only known after all of the files, so there is nothing that could be left out. */
export function athenaSql(request: ReadRequest): string {
  demandReadable(request);
  const location = `${rootOf(demandS3(request))}/${ownFolder(request)}/`;
  const columns = request.columns.map((column) => `${backtick(column.name)} ${stored(column, request, "athena")}`);
  return `CREATE EXTERNAL TABLE IF NOT EXISTS ${backtick(files(request))} (
  ${columns.join(",\n  ")}
)
${ATHENA_FORMAT[request.format]}
LOCATION ${text(location)}${request.format === "csv" ? "\nTBLPROPERTIES ('skip.header.line.count' = '1')" : ""};

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
  const columns = request.columns.map((column) => `${double(column.name)} ${stored(column, request, "trino")}`);
  const format = { parquet: "PARQUET", jsonl: "JSON", csv: "CSV" }[request.format];
  const csv = request.format === "csv" ? ", skip_header_line_count = 1, csv_escape = '\"'" : "";
  return `-- In a catalog of the Hive connector with hive.recursive-directories = true.
CREATE TABLE IF NOT EXISTS ${double(files(request))} (
  ${columns.join(",\n  ")}
)
WITH (external_location = ${text(location)}, format = '${format}'${csv});

${view(request)}`;
}

function files(request: ReadRequest): string {
  return `${request.export}_files`;
}

/** CSV is text throughout; timestamps in JSON carry a T and a Z that these readers do not take. */
function stored(column: Column, { format }: ReadRequest, reader: "athena" | "trino"): string {
  const textual = format === "csv" ? "string" : column.type;
  if (format === "jsonl" && column.type === "timestamp") return TYPES.string[reader];
  if (format === "jsonl" && column.type === "timestamp[]") return TYPES["string[]"][reader];
  return TYPES[textual][reader];
}

function view(request: ReadRequest): string {
  const { columns, key, format } = request;
  const order = NEWEST.map((name) => {
    const column = columns.find((each) => each.name === name);
    return `${column ? converted(column, format) : double(name)} DESC`;
  });
  return `CREATE OR REPLACE VIEW ${double(request.export)} AS
SELECT
  ${columns.map((column) => (format === "parquet" ? double(column.name) : `${converted(column, format)} AS ${double(column.name)}`)).join(",\n  ")}
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY ${key.map(double).join(", ")}
    ORDER BY ${order.join(", ")}
  ) AS "_rank"
  FROM ${double(files(request))}
)
WHERE "_rank" = 1;`;
}

function converted(column: Column, format: ReadRequest["format"]): string {
  const name = double(column.name);
  if (format === "parquet") return name;
  const moment = (value: string): string => `CAST(from_iso8601_timestamp_nanos(${value}) AS timestamp(6))`;
  const value = format === "csv" ? `nullif(${name}, '\\N')` : name;
  switch (column.type) {
    case "string":
      return value;
    case "timestamp":
      return moment(value);
    case "string[]":
      return format === "csv" ? `CAST(json_parse(${value}) AS array(varchar))` : value;
    case "timestamp[]": {
      const list = format === "csv" ? `CAST(json_parse(${value}) AS array(varchar))` : value;
      return `transform(${list}, x -> ${moment("x")})`;
    }
    case "int64":
    case "float64":
    case "bool":
      return format === "csv" ? `CAST(${value} AS ${TYPES[column.type].trino})` : value;
    default:
      return column.type satisfies never;
  }
}
