import type { Column } from "../../../src/models/column.ts";
import { duckdb } from "../../sql/duckdb.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessDeleted } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { type ByStore, dataGlob, demandReadable, manifestGlob, rootOf, type ReadRequest } from "./request.ts";

/** Not the name of any column: which file a row comes from. */
const FILE = "_replayport_file";

const ACCESS: ByStore<string> = {
  s3: "-- Needs the httpfs extension, and CREATE SECRET (TYPE s3, PROVIDER credential_chain).\n",
  file: "",
};

const { identifier, string } = duckdb;

export function duckdbSql(request: ReadRequest): string {
  demandReadable(request);
  const { columns, key, options } = request;
  const item = shown(request, identifier);
  const filter =
    request.follow === "manifests" ? `WHERE ${identifier(FILE)} IN (\n  ${committedFiles(request)}\n)\n` : "";
  return `${ACCESS[options.type]}SELECT
  ${columns.map((column) => item(column, valueOf(column, request))).join(",\n  ")}
FROM ${reader(request)}
${filter}QUALIFY row_number() OVER (
  PARTITION BY ${key.map(identifier).join(", ")}
  ORDER BY ${newestFirst(request, identifier)}
) = 1${unlessDeleted(request, identifier)}`;
}

function valueOf({ name, type }: Column, { format }: ReadRequest): string {
  const quoted = identifier(name);
  if (format === "parquet" && type === "timestamp") return inUtc(quoted);
  if (format === "parquet" && type === "timestamp[]") {
    return `list_transform(${quoted}, lambda x: ${inUtc("x")})`;
  }
  if (format === "csv" && isList(type)) return duckdb.listFromJson(type, quoted);
  return `CAST(${quoted} AS ${duckdb.types[type]})`;
}

/** A cast would give the time of the session's zone. */
function inUtc(value: string): string {
  return `make_timestamp(epoch_us(${value}))`;
}

function reader(request: ReadRequest): string {
  const glob = string(`${rootOf(request.options)}/${dataGlob(request)}`);
  // Files that were written before a column was added lack it; folders like dt=2026-10-01 would add columns of their own.
  const common = "union_by_name = true, hive_partitioning = false";
  const file = request.follow === "manifests" ? `, filename = ${string(FILE)}` : "";
  const types = request.columns.map(({ name, type }) => {
    const read = request.format === "csv" && isList(type) ? "string" : type;
    return `${string(name)}: ${string(duckdb.types[read])}`;
  });
  switch (request.format) {
    case "parquet":
      return `read_parquet(${glob}, ${common}${file})`;
    case "jsonl":
      return `read_json(${glob}, format = 'newline_delimited', columns = {${types.join(", ")}}, hive_partitioning = false${file})`;
    case "csv":
      return `read_csv(${glob}, header = true, delim = ',', quote = '"', escape = '"', nullstr = '\\N', types = {${types.join(", ")}}, ${common}${file})`;
    default:
      return request.format satisfies never;
  }
}

/** The files of the highest generation of each interval, and those of earlier ones that it keeps. */
function committedFiles(request: ReadRequest): string {
  const root = rootOf(request.options);
  const glob = string(`${root}/${manifestGlob(request)}`);
  const columns = `{interval: 'STRUCT("start" VARCHAR, "end" VARCHAR)', files: 'STRUCT("key" VARCHAR)[]', kept: 'STRUCT("key" VARCHAR)[]'}`;
  return `SELECT ${string(`${root}/`)} || unnest(newest."files")."key"
  FROM (
    SELECT arg_max(list_concat("files", "kept"), "filename") AS "files"
    FROM read_json(${glob}, format = 'newline_delimited', columns = ${columns}, filename = true)
    GROUP BY "interval"
  ) AS newest`;
}
