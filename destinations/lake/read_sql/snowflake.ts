import type { Column } from "../../../src/models/column.ts";
import {
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

const FILE_FORMATS = {
  parquet: "TYPE = PARQUET, USE_LOGICAL_TYPE = TRUE",
  jsonl: "TYPE = JSON",
  csv: `TYPE = CSV, SKIP_HEADER = 1, FIELD_OPTIONALLY_ENCLOSED_BY = '"', NULL_IF = ('\\\\N')`,
} as const;

/** An external stage, an external table and a view. Names keep their case, so they are quoted in queries too. */
export function snowflakeSql(request: ReadRequest): string {
  demandReadable(request);
  const location = `${rootOf(demandS3(request))}/${ownFolder(request)}/`;
  const stage = double(`${request.export}_stage`);
  const table = double(`${request.export}_files`);
  const pattern = `.*${request.extension.replaceAll(".", "[.]")}`;
  const columns = request.columns.map(
    (column, at) => `${double(column.name)} ${TYPES[column.type].snowflake} AS (${value(column, at, request)})`,
  );
  return `-- Needs a storage integration for the bucket, and event notifications of the bucket for AUTO_REFRESH;
-- without those: AUTO_REFRESH = FALSE, and ALTER EXTERNAL TABLE ${table} REFRESH after each load.
CREATE STAGE IF NOT EXISTS ${stage}
  URL = ${text(location)}
  STORAGE_INTEGRATION = <STORAGE_INTEGRATION>;

CREATE EXTERNAL TABLE IF NOT EXISTS ${table} (
  ${columns.join(",\n  ")}
)
LOCATION = @${stage}
PATTERN = ${text(pattern)}
AUTO_REFRESH = TRUE
FILE_FORMAT = (${FILE_FORMATS[request.format]});

CREATE OR REPLACE VIEW ${double(request.export)} AS
SELECT
  ${request.columns.map((column) => double(column.name)).join(",\n  ")}
FROM ${table}
QUALIFY row_number() OVER (
  PARTITION BY ${request.key.map(double).join(", ")}
  ORDER BY ${NEWEST.map((name) => `${double(name)} DESC`).join(", ")}
) = 1;`;
}

/** CSV has no names in an external table: its columns are counted, so their order must not change. */
function value(column: Column, at: number, { format }: ReadRequest): string {
  const raw = format === "csv" ? `VALUE:c${at + 1}` : `VALUE:${double(column.name)}`;
  const type = TYPES[column.type].snowflake;
  if (column.type.endsWith("[]")) return format === "csv" ? `parse_json(${raw}::VARCHAR)::ARRAY` : `${raw}::ARRAY`;
  return `${raw}::${type}`;
}
