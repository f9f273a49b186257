import type { Column } from "../../../src/models/column.ts";
import type { S3LakeOptions } from "../options.ts";
import { bigquery } from "../../sql/bigquery.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessDeleted } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { bucketAndPrefix, demandReadable, demandS3, ownFolder, type ReadRequest } from "./request.ts";

const { identifier, string } = bigquery;

/** An external table and a view, in the dataset that is to be filled in. */
export function bigquerySql(request: ReadRequest): string {
  demandReadable(request);
  const options = demandS3(request);
  const google = isGoogle(options);
  const uri = `${google ? "gs" : "s3"}://${bucketAndPrefix(options)}/${ownFolder(request)}/*${request.extension}`;
  const table = `<DATASET>.${identifier(`${request.export}_files`)}`;
  const { columns, key, format } = request;
  const item = shown(request, identifier);
  return `${needs(google)}
CREATE OR REPLACE EXTERNAL TABLE ${table} (
  ${columns.map((column) => `${identifier(column.name)} ${stored(column, request)}`).join(",\n  ")}
)
${google ? "" : "WITH CONNECTION <AWS_REGION>.<CONNECTION>\n"}OPTIONS (${FORMAT_OPTIONS[format]}, uris = [${string(uri)}]);

CREATE OR REPLACE VIEW <DATASET>.${identifier(request.export)} AS
SELECT
  ${columns.map((column) => item(column, valueOf(column, format), isList(column.type) ? "[]" : "NULL")).join(",\n  ")}
FROM ${table}
WHERE TRUE
QUALIFY row_number() OVER (
  PARTITION BY ${key.map(identifier).join(", ")}
  ORDER BY ${newestFirst(request, identifier)}
) = 1${unlessDeleted(request, identifier)};`;
}

const FORMAT_OPTIONS = {
  parquet: "format = 'PARQUET', enable_list_inference = TRUE",
  jsonl: "format = 'NEWLINE_DELIMITED_JSON'",
  csv: "format = 'CSV', skip_leading_rows = 1, null_marker = '\\\\N', allow_quoted_newlines = TRUE",
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
function stored({ type }: Column, { format }: ReadRequest): string {
  return format === "csv" && isList(type) ? bigquery.types.string : bigquery.types[type];
}

function valueOf({ name, type }: Column, format: ReadRequest["format"]): string {
  const quoted = identifier(name);
  return format === "csv" && isList(type) ? bigquery.listFromJson(type, quoted) : quoted;
}
