import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import { snowflake } from "../../sql/snowflake.ts";
import { newestFirst } from "../../sql/reading_order.ts";
import { shown, unlessGone } from "../../sql/deletion.ts";
import { isList } from "../../sql/dialect.ts";
import { demandS3, formatOf, ownFolder, rootOf, type ReadRequest } from "./request.ts";

const FILE_FORMATS = {
  parquet: "TYPE = PARQUET, USE_LOGICAL_TYPE = TRUE",
  jsonl: "TYPE = JSON",
  csv: `TYPE = CSV, SKIP_HEADER = 1, FIELD_OPTIONALLY_ENCLOSED_BY = '"', NULL_IF = ('\\\\N')`,
} as const;

const { identifier, string } = snowflake;

/** A stage and an external table for each folder, and a view. Names keep their case, so they are quoted in queries too. */
export function snowflakeSql(request: ReadRequest): string {
  const item = shown(request, identifier);
  const tables = request.folders.map((folder, at) => {
    const name = (what: string): string => identifier(`${request.export}_${what}${at === 0 ? "" : `_${at + 1}`}`);
    return { table: name("files"), ddl: externalTable(request, folder, name("stage"), name("files")) };
  });
  const names = request.columns.map(({ name }) => identifier(name)).join(", ");
  return `-- Needs a storage integration for the bucket, and event notifications of the bucket for AUTO_REFRESH.
-- Without those: AUTO_REFRESH = FALSE, and ALTER EXTERNAL TABLE … REFRESH after each load.
${tables.map(({ ddl }) => ddl).join("\n\n")}

CREATE OR REPLACE VIEW ${identifier(request.view ?? request.export)} AS
SELECT
  ${request.columns.map((column) => item(column, identifier(column.name))).join(",\n  ")}
FROM (
${tables.map(({ table }) => `  SELECT ${names}\n  FROM ${table}`).join("\nUNION ALL\n")}
)
QUALIFY row_number() OVER (
  PARTITION BY ${request.key.map(identifier).join(", ")}
  ORDER BY ${newestFirst(request, identifier)}
) = 1${unlessGone(request, identifier)};`;
}

/** Replaced and not kept: one that exists may have another location, or lack columns. */
function externalTable(request: ReadRequest, folder: DataFolder, stage: string, table: string): string {
  const location = `${rootOf(demandS3(request))}/${ownFolder(request, folder)}/`;
  const format = formatOf(folder);
  const columns = request.columns.map(
    (column, at) => `${identifier(column.name)} ${typeOf(column)} AS (${value(column, at, format)})`,
  );
  return `CREATE OR REPLACE STAGE ${stage}
  URL = ${string(location)}
  STORAGE_INTEGRATION = <STORAGE_INTEGRATION>;

CREATE OR REPLACE EXTERNAL TABLE ${table} (
  ${columns.join(",\n  ")}
)
LOCATION = @${stage}
PATTERN = ${string(`.*${folder.extension.replaceAll(".", "[.]")}`)}
AUTO_REFRESH = TRUE
FILE_FORMAT = (${FILE_FORMATS[format]});`;
}

/** CSV has no names in an external table: its columns are counted, so their order must not change. */
function value(column: Column, at: number, format: FileFormat): string {
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
