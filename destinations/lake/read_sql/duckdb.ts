import type { Column } from "../../../src/models/column.ts";
import {
  dataGlob,
  demandReadable,
  double,
  isJsonText,
  manifestGlob,
  NEWEST,
  rootOf,
  text,
  TYPES,
  type ReadRequest,
} from "./request.ts";

/** Not the name of any column: which file a row comes from. */
const FILE = "_replayport_file";

export function duckdbSql(request: ReadRequest): string {
  demandReadable(request);
  const { columns, key, options } = request;
  const filter = request.follow === "manifests" ? `WHERE ${double(FILE)} IN (\n  ${committedFiles(request)}\n)\n` : "";
  const access =
    options.type === "s3"
      ? "-- Needs the httpfs extension, and CREATE SECRET (TYPE s3, PROVIDER credential_chain).\n"
      : "";
  return `${access}SELECT
  ${columns.map((column) => selected(column, request)).join(",\n  ")}
FROM ${reader(request)}
${filter}QUALIFY row_number() OVER (
  PARTITION BY ${key.map(double).join(", ")}
  ORDER BY ${NEWEST.map((name) => `${double(name)} DESC`).join(", ")}
) = 1`;
}

function selected(column: Column, { format }: ReadRequest): string {
  const name = double(column.name);
  if (format === "parquet" && column.type === "timestamp") return `${inUtc(name)} AS ${name}`;
  if (format === "parquet" && column.type === "timestamp[]") {
    return `list_transform(${name}, lambda x: ${inUtc("x")}) AS ${name}`;
  }
  if (!isJsonText(column, format)) return `CAST(${name} AS ${TYPES[column.type].duckdb}) AS ${name}`;
  return `CAST(from_json(${name}, '["VARCHAR"]') AS ${TYPES[column.type].duckdb}) AS ${name}`;
}

/** A cast would give the time of the session's zone. */
function inUtc(value: string): string {
  return `make_timestamp(epoch_us(${value}))`;
}

function reader(request: ReadRequest): string {
  const glob = text(`${rootOf(request.options)}/${dataGlob(request)}`);
  // Files that were written before a column was added lack it; folders like dt=2026-10-01 would add columns of their own.
  const common = "union_by_name = true, hive_partitioning = false";
  const file = request.follow === "manifests" ? `, filename = ${text(FILE)}` : "";
  const types = request.columns
    .map(
      (column) =>
        `${text(column.name)}: ${text(isJsonText(column, request.format) ? "VARCHAR" : TYPES[column.type].duckdb)}`,
    )
    .join(", ");
  switch (request.format) {
    case "parquet":
      return `read_parquet(${glob}, ${common}${file})`;
    case "jsonl":
      return `read_json(${glob}, format = 'newline_delimited', columns = {${types}}, hive_partitioning = false${file})`;
    case "csv":
      return `read_csv(${glob}, header = true, delim = ',', quote = '"', escape = '"', nullstr = '\\N', types = {${types}}, ${common}${file})`;
    default:
      return request.format satisfies never;
  }
}

/** The files of the highest generation of each interval. */
function committedFiles(request: ReadRequest): string {
  const root = rootOf(request.options);
  const glob = text(`${root}/${manifestGlob(request)}`);
  const columns = `{interval: 'STRUCT("start" VARCHAR, "end" VARCHAR)', files: 'STRUCT("key" VARCHAR)[]'}`;
  return `SELECT ${text(`${root}/`)} || unnest(newest."files")."key"
  FROM (
    SELECT arg_max("files", "filename") AS "files"
    FROM read_json(${glob}, format = 'newline_delimited', columns = ${columns}, filename = true)
    GROUP BY "interval"
  ) AS newest`;
}
