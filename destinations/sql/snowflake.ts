import { doubleQuoted, microsOf, singleQuoted, type WarehouseDialect } from "./dialect.ts";

/**
 * https://docs.snowflake.com/en/sql-reference/identifiers-syntax,
 * https://docs.snowflake.com/en/sql-reference/data-types-text: a backslash escapes in strings, and not in names.
 */
export const snowflake = {
  identifier: doubleQuoted,
  string: (value) => singleQuoted(value.replaceAll("\\", "\\\\")),
  /**
   * Timestamps are TIMESTAMP_NTZ(6) in UTC: what `TIMESTAMP` means in an account by default, and what other tables mostly
   * have.
   */
  types: {
    string: "VARCHAR",
    int64: "NUMBER(38, 0)",
    float64: "FLOAT",
    bool: "BOOLEAN",
    timestamp: "TIMESTAMP_NTZ(6)",
    "string[]": "ARRAY",
    "timestamp[]": "ARRAY",
  },
  listFromJson: (_type, text): string => `PARSE_JSON(${text})::ARRAY`,
  /** TIMESTAMP_NTZ in UTC, whatever account, user and session have set. */
  timestamp: (time): string => `TO_TIMESTAMP_NTZ(${microsOf(time)}, 6)`,
} as const satisfies WarehouseDialect;

const PLAIN = /^[A-Za-z_][\w$]*$/;
const QUOTED = /^"(?<name>(?:[^"]|"")+)"$/;

/**
 * The name that an object has, for a name as a person writes it: a plain one is upper case, as in SQL; one in double quotes
 * is taken as written. Anything else (`my-db`) can only be meant as written.
 */
export function resolveIdentifier(written: string): string {
  const quoted = QUOTED.exec(written)?.groups?.["name"];
  if (quoted !== undefined) return quoted.replaceAll('""', '"');
  return PLAIN.test(written) ? written.toUpperCase() : written;
}

/** The same name, quoted, as SQL has it. */
export function sqlName<Written extends string | undefined>(written: Written): Written | string {
  return written === undefined ? written : snowflake.identifier(resolveIdentifier(written));
}

/** Columns are made in upper case, so that `SELECT session_id` finds them without quotes. */
export function columnName(name: string): string {
  return name.toUpperCase();
}
