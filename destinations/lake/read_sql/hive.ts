/** Athena and Trino: an external table over each whole folder, its sub-folders included, and a view over those. */
import type { Column, ColumnType } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import { athenaDdl, timeFromText, trino } from "../../sql/trino.ts";
import { rankedView } from "./ranked_view.ts";
import { demandS3, formatOf, ownFolder, rootOf, type ReadRequest } from "./request.ts";

interface Table {
  readonly name: string;
  readonly location: string;
  readonly format: HiveFormat;
}

/** CSV is refused before (readable.ts). */
type HiveFormat = Exclude<FileFormat, "csv">;

/** A folder is read as one table, whatever its files are compressed with. */
function tablesOf(request: ReadRequest): Table[] {
  const root = rootOf(demandS3(request));
  const byLocation = Map.groupBy(request.folders, (folder) => `${root}/${ownFolder(request, folder)}/`);
  return [...byLocation].map(([location, [folder]], at) => ({
    name: `${request.export}_files${at === 0 ? "" : `_${at + 1}`}`,
    location,
    format: formatOf(folder as DataFolder) as HiveFormat,
  }));
}

/** No partitions: which row is current is only known after all of the files, so there is nothing that could be left out. */
export function athenaSql(request: ReadRequest): string {
  const { identifier, string, types } = athenaDdl;
  const tables = tablesOf(request);
  const ddl = tables.map(({ name, location, format }) => {
    const columns = request.columns.map((column) => `${identifier(column.name)} ${stored(column, format, types)}`);
    return `DROP TABLE IF EXISTS ${identifier(name)};

CREATE EXTERNAL TABLE ${identifier(name)} (
  ${columns.join(",\n  ")}
)
${ATHENA_FORMAT[format]}
LOCATION ${string(location)};`;
  });
  return `${DROPPED}\n${[...ddl, view(request, tables)].join("\n\n")}`;
}

/** A table that exists may have another location, or lack columns. */
const DROPPED = "-- Dropping an external table leaves its files alone.";

const ATHENA_FORMAT = {
  parquet: "STORED AS PARQUET",
  jsonl: "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'",
} as const;

export function trinoSql(request: ReadRequest): string {
  const { identifier, string } = trino;
  const tables = tablesOf(request);
  const ddl = tables.map(({ name, location, format }) => {
    const columns = request.columns.map(
      (column) => `${identifier(column.name)} ${stored(column, format, TRINO_STORED)}`,
    );
    const kind = { parquet: "PARQUET", jsonl: "JSON" }[format];
    return `DROP TABLE IF EXISTS ${identifier(name)};

CREATE TABLE ${identifier(name)} (
  ${columns.join(",\n  ")}
)
WITH (external_location = ${string(location)}, format = '${kind}');`;
  });
  return `-- In a catalog of the Hive connector with hive.recursive-directories = true. For microseconds, set
-- hive.timestamp-precision = MICROSECONDS there, and write timestamp(6) in the tables.
${DROPPED}
${[...ddl, view(request, tables)].join("\n\n")}`;
}

/** Milliseconds: a table with timestamp(6) is refused unless the catalog says so. */
const TRINO_STORED = {
  ...trino.types,
  timestamp: "timestamp(3)",
  "timestamp[]": "array(timestamp(3))",
} as const;

/** Timestamps in JSON carry a T and a Z that these readers do not take. */
function stored({ type }: Column, format: HiveFormat, types: Readonly<Record<ColumnType, string>>): string {
  if (format === "jsonl" && type === "timestamp") return types.string;
  if (format === "jsonl" && type === "timestamp[]") return types["string[]"];
  return types[type];
}

function view(request: ReadRequest, tables: readonly Table[]): string {
  const { identifier } = trino;
  return rankedView(
    request,
    identifier,
    tables.map(({ name, format }) => ({ name, items: request.columns.map((column) => item(column, format)) })),
  );
}

function item(column: Column, format: HiveFormat): string {
  const [value, quoted] = [converted(column, format), trino.identifier(column.name)];
  return value === quoted ? quoted : `${value} AS ${quoted}`;
}

function converted({ name, type }: Column, format: HiveFormat): string {
  const value = trino.identifier(name);
  if (format === "parquet") return value;
  if (type === "timestamp") return timeFromText(value);
  return type === "timestamp[]" ? `transform(${value}, x -> ${timeFromText("x")})` : value;
}
