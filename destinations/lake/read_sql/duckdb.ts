import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import { duckdb } from "../../sql/duckdb.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessGone } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { type ByStore, dataGlob, formatOf, manifestGlob, rootOf, type ReadRequest, viewOf } from "./request.ts";

/** Not the name of any column: which file a row comes from. */
const FILE = "_replayport_file";

const ACCESS: ByStore<string> = {
  s3: "-- Needs the httpfs extension, and CREATE SECRET (TYPE s3, PROVIDER credential_chain).\n",
  file: "",
};

/** Of one row, in bytes. By default DuckDB fails on rows of CSV above 2 MB and of JSON above some 16 to 32 MiB. */
const LARGEST = { csv: 64 * 1024 * 1024, jsonl: 128 * 1024 * 1024 } as const;

const { identifier, string } = duckdb;

export function duckdbSql(request: ReadRequest): string {
  const { columns, key, options, folders } = request;
  const item = shown(request, identifier);
  const kinds = [...Map.groupBy(folders, ({ extension }) => extension).values()];
  return `${ACCESS[options.type]}${viewOf(request, identifier)}SELECT
  ${columns.map((column) => item(column, identifier(column.name))).join(",\n  ")}
FROM (
${kinds.map((kind) => files(request, kind)).join("\nUNION ALL\n")}
)
QUALIFY row_number() OVER (
  PARTITION BY ${key.map(identifier).join(", ")}
  ORDER BY ${newestFirst(request, identifier)}
) = 1${unlessGone(request, identifier)}`;
}

/** All rows of the files of one kind, in the types of the statement. */
function files(request: ReadRequest, kind: readonly DataFolder[]): string {
  const format = kind[0] ? formatOf(kind[0]) : "parquet";
  const values = request.columns.map((column) => `${valueOf(column, format)} AS ${identifier(column.name)}`);
  const filter =
    request.follow === "manifests" ? `\n  WHERE ${identifier(FILE)} IN (\n  ${committedFiles(request)}\n)` : "";
  return `  SELECT ${values.join(", ")}
  FROM (
    SELECT * FROM ${reader(request, kind, format)}
    UNION ALL BY NAME
    SELECT ${request.columns.map((column) => `NULL::${storedType(column, format)} AS ${identifier(column.name)}`).join(", ")} WHERE FALSE
  )${filter}`;
}

function valueOf({ name, type }: Column, format: FileFormat): string {
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

/** The type that a column has in the files. A column that no file has yet couldn't be named without it. */
function storedType({ type }: Column, format: FileFormat): string {
  if (format === "csv") return duckdb.types.string;
  const stored = duckdb.types[type];
  return format === "parquet" ? stored.replace("TIMESTAMP", "TIMESTAMPTZ") : stored;
}

function reader(request: ReadRequest, kind: readonly DataFolder[], format: FileFormat): string {
  const globs = kind.map((folder) => string(`${rootOf(request.options)}/${dataGlob(folder, request.export)}`));
  const paths = globs.length === 1 ? globs[0] : `[${globs.join(", ")}]`;
  // Files that were written before a column was added lack it; folders like dt=2026-10-01 would add columns of their own.
  const common = "union_by_name = true, hive_partitioning = false";
  const file = request.follow === "manifests" ? `, filename = ${string(FILE)}` : "";
  switch (format) {
    case "parquet":
      return `read_parquet(${paths}, ${common}${file})`;
    case "jsonl": {
      const types = request.columns.map((column) => `${string(column.name)}: ${string(storedType(column, format))}`);
      return `read_json(${paths}, format = 'newline_delimited', columns = {${types.join(", ")}}, maximum_object_size = ${LARGEST.jsonl}, hive_partitioning = false${file})`;
    }
    case "csv":
      return `read_csv(${paths}, header = true, delim = ',', quote = '"', escape = '"', nullstr = '\\N', all_varchar = true, max_line_size = ${LARGEST.csv}, ${common}${file})`;
    default:
      return format satisfies never;
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
