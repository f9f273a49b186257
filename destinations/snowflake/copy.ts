/** COPY INTO the staging table. Pure. https://docs.snowflake.com/en/sql-reference/sql/copy-into-table */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Batch } from "../destination.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import type { Statement } from "./statement.ts";
import { typeOf } from "./types.ts";

/** COPY's name for a compression, by file extension. */
const COMPRESSIONS: Readonly<Record<string, string>> = { zst: "ZSTD", gz: "GZIP", br: "BROTLI" };
/** The most that FILES takes. */
const MOST_FILES = 1000;

/** As ClickHouse writes them: `2026-10-01T00:00:00.000000Z`. Explicit, so that the account's own format doesn't apply. */
const TIMESTAMP_FORMAT = `TIMESTAMP_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.FF6"Z"'`;

/** Invalid UTF-8 (a string cut within a character) becomes U+FFFD. Otherwise it would block the batch forever. */
const REPLACED = "REPLACE_INVALID_CHARACTERS = TRUE";

/**
 * @param staging path of the table
 * @param location for FROM, a literal: a stage, and a folder with this attempt's files only
 * @param grants for the stage
 */
export function copyInto(
  staging: string,
  location: string,
  files: readonly string[],
  { columns, format, extension }: Pick<Batch, "columns" | "format" | "extension">,
  grants: readonly string[],
): Statement {
  const lines = [];
  if (format === "parquet") {
    // A SELECT, because with MATCH_BY_COLUMN_NAME an empty string in a Parquet file is an error.
    const names = columns.map(({ name }) => snowflake.identifier(columnName(name))).join(", ");
    const values = columns.map((column) => `$1:${snowflake.identifier(column.name)}::${typeOf(column)}`);
    lines.push(`COPY INTO ${staging} (${names})`, `FROM (\n  SELECT ${values.join(",\n    ")}\n  FROM ${location}\n)`);
  } else {
    lines.push(`COPY INTO ${staging}`, `FROM ${location}`);
  }
  if (files.length <= MOST_FILES) lines.push(`FILES = (${files.map(snowflake.string).join(", ")})`);
  lines.push(`FILE_FORMAT = (${fileFormat(format, extension)})`);
  // CSV columns are in the order of the staging table.
  if (format === "jsonl") lines.push("MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE");
  lines.push("ON_ERROR = ABORT_STATEMENT", "PURGE = FALSE");
  return { sql: lines.join("\n"), doing: "copying the staged files", grants };
}

/** @throws ReplayportError if Snowflake can't read this compression */
export function fileFormat(format: Batch["format"], extension: string): string {
  switch (format) {
    case "parquet":
      // COPY detects the compression inside Parquet. Without logical types, times are off by a factor of 1000. The scanner is
      // explicit because its default will change: both read lists as arrays, but this one keeps NULLs in them.
      return `TYPE = PARQUET USE_LOGICAL_TYPE = TRUE USE_VECTORIZED_SCANNER = TRUE BINARY_AS_TEXT = FALSE ${REPLACED}`;
    case "jsonl":
      return `TYPE = JSON COMPRESSION = ${compressionOf(extension)} ${TIMESTAMP_FORMAT} ENABLE_OCTAL = FALSE ALLOW_DUPLICATE = FALSE STRIP_OUTER_ARRAY = FALSE NULL_IF = () ${REPLACED}`;
    case "csv":
      // The escape character of unenclosed fields would consume the backslash of \N.
      return (
        `TYPE = CSV COMPRESSION = ${compressionOf(extension)} SKIP_HEADER = 1 FIELD_DELIMITER = ',' ` +
        `FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ('\\\\N') ` +
        `EMPTY_FIELD_AS_NULL = FALSE TRIM_SPACE = FALSE ENCODING = 'UTF8' ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE ${REPLACED} ${TIMESTAMP_FORMAT}`
      );
  }
}

function compressionOf(extension: string): string {
  const last = extension.split(".").at(-1) ?? "";
  if (last === "jsonl" || last === "csv") return "NONE";
  const known = COMPRESSIONS[last];
  if (known !== undefined) return known;
  throw new ReplayportError(
    `Snowflake can't load ${extension} files`,
    giveUp(
      "snowflake.compression",
      "Set the export's `compression` to zstd, gzip, brotli or none, or its `format` to parquet.",
    ),
  );
}
