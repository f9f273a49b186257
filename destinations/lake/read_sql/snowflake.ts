import type { Column } from "../../../src/models/column.ts";
import { snowflake } from "../../sql/snowflake.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessDeleted } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { demandReadable, demandS3, ownFolder, rootOf, type ReadRequest } from "./request.ts";

const FILE_FORMATS = {
  parquet: "TYPE = PARQUET, USE_LOGICAL_TYPE = TRUE",
  jsonl: "TYPE = JSON",
  csv: `TYPE = CSV, SKIP_HEADER = 1, FIELD_OPTIONALLY_ENCLOSED_BY = '"', NULL_IF = ('\\\\N')`,
} as const;

const { identifier, string } = snowflake;

/** An external stage, an external table and a view. Names keep their case, so they are quoted in queries too. */
export function snowflakeSql(request: ReadRequest): string {
  demandReadable(request);
  const location = `${rootOf(demandS3(request))}/${ownFolder(request)}/`;
  const stage = identifier(`${request.export}_stage`);
  const table = identifier(`${request.export}_files`);
  const pattern = `.*${request.extension.replaceAll(".", "[.]")}`;
  const item = shown(request, identifier);
  const columns = request.columns.map(
    (column, at) => `${identifier(column.name)} ${typeOf(column)} AS (${value(column, at, request)})`,
  );
  return `-- Needs a storage integration for the bucket, and event notifications of the bucket for AUTO_REFRESH;
-- without those: AUTO_REFRESH = FALSE, and ALTER EXTERNAL TABLE ${table} REFRESH after each load.
CREATE STAGE IF NOT EXISTS ${stage}
  URL = ${string(location)}
  STORAGE_INTEGRATION = <STORAGE_INTEGRATION>;

CREATE EXTERNAL TABLE IF NOT EXISTS ${table} (
  ${columns.join(",\n  ")}
)
LOCATION = @${stage}
PATTERN = ${string(pattern)}
AUTO_REFRESH = TRUE
FILE_FORMAT = (${FILE_FORMATS[request.format]});

CREATE OR REPLACE VIEW ${identifier(request.export)} AS
SELECT
  ${request.columns.map((column) => item(column, identifier(column.name))).join(",\n  ")}
FROM ${table}
QUALIFY row_number() OVER (
  PARTITION BY ${request.key.map(identifier).join(", ")}
  ORDER BY ${newestFirst(request, identifier)}
) = 1${unlessDeleted(request, identifier)};`;
}

/** CSV has no names in an external table: its columns are counted, so their order must not change. */
function value(column: Column, at: number, { format }: ReadRequest): string {
  const raw = format === "csv" ? `VALUE:c${at + 1}` : `VALUE:${identifier(column.name)}`;
  if (isList(column.type)) {
    return format === "csv" ? snowflake.listFromJson(column.type, `${raw}::VARCHAR`) : `${raw}::ARRAY`;
  }
  return `${raw}::${typeOf(column)}`;
}

/** ClickHouse marks times in Parquet as adjusted to UTC; TIMESTAMP_NTZ would show them in the session's zone. */
function typeOf({ type }: Column): string {
  return type === "timestamp" ? "TIMESTAMP_LTZ(6)" : snowflake.types[type];
}
