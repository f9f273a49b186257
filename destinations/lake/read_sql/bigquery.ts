import type { Column } from "../../../src/models/column.ts";
import type { S3LakeOptions } from "../options.ts";
import {
  backtick,
  bucketAndPrefix,
  demandReadable,
  demandS3,
  NEWEST,
  ownFolder,
  TYPES,
  type ReadRequest,
} from "./request.ts";

/** An external table and a view, in the dataset that is to be filled in. */
export function bigquerySql(request: ReadRequest): string {
  demandReadable(request);
  const options = demandS3(request);
  const google = isGoogle(options);
  const uri = `${google ? "gs" : "s3"}://${bucketAndPrefix(options)}/${ownFolder(request)}/*${request.extension}`;
  const table = `<DATASET>.${backtick(`${request.export}_files`)}`;
  const { columns, key, format } = request;
  return `${needs(google)}
CREATE OR REPLACE EXTERNAL TABLE ${table} (
  ${columns.map((column) => `${backtick(column.name)} ${stored(column, request)}`).join(",\n  ")}
)
${google ? "" : "WITH CONNECTION <AWS_REGION>.<CONNECTION>\n"}OPTIONS (${FORMAT_OPTIONS[format]}, uris = [${JSON.stringify(uri)}]);

CREATE OR REPLACE VIEW <DATASET>.${backtick(request.export)} AS
SELECT
  ${columns.map((column) => selected(column, format)).join(",\n  ")}
FROM ${table}
WHERE TRUE
QUALIFY row_number() OVER (
  PARTITION BY ${key.map(backtick).join(", ")}
  ORDER BY ${NEWEST.map((name) => `${backtick(name)} DESC`).join(", ")}
) = 1;`;
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
function stored(column: Column, { format }: ReadRequest): string {
  return format === "csv" && column.type.endsWith("[]") ? "STRING" : TYPES[column.type].bigquery;
}

function selected(column: Column, format: ReadRequest["format"]): string {
  const name = backtick(column.name);
  if (format !== "csv" || !column.type.endsWith("[]")) return name;
  const texts = `JSON_VALUE_ARRAY(${name})`;
  if (column.type === "string[]") return `${texts} AS ${name}`;
  return `ARRAY(SELECT TIMESTAMP(x) FROM UNNEST(${texts}) AS x WITH OFFSET AS i ORDER BY i) AS ${name}`;
}
