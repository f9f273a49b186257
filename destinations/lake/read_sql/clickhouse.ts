import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import type { S3LakeOptions } from "../options.ts";
import { clickhouse } from "../../sql/clickhouse.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessGone } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import {
  bucketAndPrefix,
  type ByStore,
  dataGlob,
  formatOf,
  manifestGlob,
  rootOf,
  type ReadRequest,
  viewOf,
} from "./request.ts";

const FORMATS: Readonly<Record<FileFormat, string>> = {
  parquet: "Parquet",
  jsonl: "JSONEachRow",
  csv: "CSVWithNames",
};

const ACCESS: ByStore<string> = {
  s3: "-- Without a role of the server's own, name a collection with the keys: s3(<NAMED_COLLECTION>, url = …).\n",
  file: "-- The folder has to lie within the server's user_files_path.\n",
};

const { identifier, string } = clickhouse;

export function clickhouseSql(request: ReadRequest): string {
  const { columns, key, options, folders } = request;
  const item = shown(request, identifier);
  const current = `SELECT
  ${columns.map((column) => item(column, identifier(column.name), isList(column.type) ? "[]" : "NULL")).join(",\n  ")}
FROM (
${folders.map((folder) => rowsOf(request, folder)).join("\nUNION ALL\n")}
)
ORDER BY ${[...key.map(identifier), newestFirst(request, identifier)].join(", ")}
LIMIT 1 BY ${key.map(identifier).join(", ")}`;
  const left = unlessGone(request, identifier);
  return `${ACCESS[options.type]}${viewOf(request, identifier)}${left === "" ? current : `SELECT * FROM (${current}) WHERE TRUE${left}`}
SETTINGS date_time_input_format = 'best_effort', input_format_parquet_allow_missing_columns = 1, use_hive_partitioning = 0`;
}

/** All rows of a folder's files, in the types of the statement. */
function rowsOf(request: ReadRequest, folder: DataFolder): string {
  const format = formatOf(folder);
  const structure = request.columns.map((column) => `${identifier(column.name)} ${readAs(column, format)}`).join(", ");
  const from = tableFunction(request, dataGlob(folder, request.export), FORMATS[format], structure);
  const filter = request.follow === "manifests" ? `\n  WHERE _path IN (\n  ${committedFiles(request)}\n)` : "";
  const values = request.columns.map((column) => {
    const [value, name] = [valueOf(column, format), identifier(column.name)];
    return value === name ? name : `${value} AS ${name}`;
  });
  return `  SELECT ${values.join(", ")}\n  FROM ${from}${filter}`;
}

function readAs({ type, nullable }: Column, format: FileFormat): string {
  if (isList(type)) return format === "csv" ? clickhouse.types.string : clickhouse.types[type];
  return nullable ? `Nullable(${clickhouse.types[type]})` : clickhouse.types[type];
}

function valueOf({ name, type }: Column, format: FileFormat): string {
  const quoted = identifier(name);
  return format === "csv" && isList(type) ? clickhouse.listFromJson(type, quoted) : quoted;
}

function tableFunction({ options }: ReadRequest, glob: string, format: string, structure: string): string {
  const rest = `${string(format)}, ${string(structure)}`;
  switch (options.type) {
    case "s3":
      return `s3(${string(`${url(options)}/${glob}`)}, ${rest})`;
    case "file":
      return `file(${string(`${rootOf(options)}/${glob}`)}, ${rest})`;
    default:
      return options satisfies never;
  }
}

function url({ bucket, prefix, region, endpoint }: S3LakeOptions): string {
  const path = bucketAndPrefix({ type: "s3", bucket, ...(prefix === undefined ? {} : { prefix }) });
  if (endpoint !== undefined) return `${endpoint.replace(/\/+$/, "")}/${path}`;
  const host = region === undefined ? "s3.amazonaws.com" : `s3.${region}.amazonaws.com`;
  return `https://${host}/${path}`;
}

/** `_path` begins with the bucket, or is the path on the disk. */
function committedFiles(request: ReadRequest): string {
  const root = rootOf(request.options).replace("s3://", "");
  const from = tableFunction(request, manifestGlob(request), "JSONAsString", "`json` String");
  const key = "JSONExtractString(file, 'key')";
  const files = ["files", "kept"].map((list) => `JSONExtractArrayRaw(argMax(\`json\`, _path), '${list}')`);
  return `SELECT concat(${string(`${root}/`)}, arrayJoin(arrayMap(file -> ${key}, arrayConcat(${files.join(", ")}))))
  FROM ${from}
  GROUP BY JSONExtractRaw(\`json\`, 'interval')`;
}
