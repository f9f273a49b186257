import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import type { S3LakeOptions } from "../options.ts";
import { bigquery } from "../../sql/bigquery.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessGone } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { bucketAndPrefix, demandS3, formatOf, ownFolder, type ReadRequest } from "./request.ts";

const { identifier, string } = bigquery;

/** An external table for each folder and a view, in a dataset that the reader fills in. */
export function bigquerySql(request: ReadRequest): string {
  const google = isGoogle(demandS3(request));
  const { columns, key, folders } = request;
  const item = shown(request, identifier);
  const tables = folders.map((folder, at) => {
    const name = `<DATASET>.${identifier(`${request.export}_files${at === 0 ? "" : `_${at + 1}`}`)}`;
    return { name, format: formatOf(folder), ddl: externalTable(request, folder, name, google) };
  });
  return `${needs(google)}
${tables.map(({ ddl }) => ddl).join("\n\n")}

CREATE OR REPLACE VIEW <DATASET>.${identifier(request.view ?? request.export)} AS
SELECT
  ${columns.map((column) => item(column, identifier(column.name), isList(column.type) ? "[]" : "NULL")).join(",\n  ")}
FROM (
${tables.map(({ name, format }) => `  SELECT ${columns.map((column) => valueOf(column, format)).join(", ")}\n  FROM ${name}`).join("\nUNION ALL\n")}
)
WHERE TRUE
QUALIFY row_number() OVER (
  PARTITION BY ${key.map(identifier).join(", ")}
  ORDER BY ${newestFirst(request, identifier)}
) = 1${unlessGone(request, identifier)};`;
}

function externalTable(request: ReadRequest, folder: DataFolder, name: string, google: boolean): string {
  const root = `${google ? "gs" : "s3"}://${bucketAndPrefix(demandS3(request))}`;
  const uri = `${root}/${ownFolder(request, folder)}/*${folder.extension}`;
  const format = formatOf(folder);
  return `CREATE OR REPLACE EXTERNAL TABLE ${name} (
  ${request.columns.map((column) => `${identifier(column.name)} ${stored(column, format)}`).join(",\n  ")}
)
${google ? "" : "WITH CONNECTION <AWS_REGION>.<CONNECTION>\n"}OPTIONS (${FORMAT_OPTIONS[format]}, uris = [${string(uri)}]);`;
}

const FORMAT_OPTIONS = {
  parquet: "format = 'PARQUET', enable_list_inference = TRUE",
  jsonl: "format = 'NEWLINE_DELIMITED_JSON'",
  csv: "format = 'CSV', skip_leading_rows = 1, null_marker = '\\\\N', allow_quoted_newlines = TRUE, allow_jagged_rows = TRUE",
} as const;

function needs(google: boolean): string {
  return google
    ? "-- The dataset has to lie in the bucket's location."
    : "-- Needs BigQuery Omni: a connection to AWS with a role for the bucket, and a dataset in the region aws-….\n" +
        "-- Buckets in regions that Omni does not have are reached through a Storage Transfer to a bucket of Google's.";
}

function isGoogle({ endpoint }: S3LakeOptions): boolean {
  return endpoint !== undefined && new URL(endpoint).hostname === "storage.googleapis.com";
}

/** Lists in CSV are text. */
function stored({ type }: Column, format: FileFormat): string {
  return format === "csv" && isList(type) ? bigquery.types.string : bigquery.types[type];
}

function valueOf({ name, type }: Column, format: FileFormat): string {
  const quoted = identifier(name);
  return format === "csv" && isList(type) ? `${bigquery.listFromJson(type, quoted)} AS ${quoted}` : quoted;
}
