/** Trino, and Athena, whose queries are Trino's and whose DDL is Hive's. */
import { backslashed, type Dialect, doubleQuoted, singleQuoted } from "./dialect.ts";

export const trino = {
  identifier: doubleQuoted,
  string: singleQuoted,
  types: {
    string: "varchar",
    int64: "bigint",
    float64: "double",
    bool: "boolean",
    timestamp: "timestamp(6)",
    "string[]": "array(varchar)",
    "timestamp[]": "array(timestamp(6))",
  },
} as const satisfies Omit<Dialect, "listFromJson">;

/** The time in `text`, an expression that gives `2026-10-01T00:00:00.000000Z`. */
export function timeFromText(text: string): string {
  return `CAST(from_iso8601_timestamp_nanos(${text}) AS timestamp(6))`;
}

/** What Athena takes in CREATE EXTERNAL TABLE. Lists are converted in the view over the table, which is Trino's. */
export const athenaDdl = {
  /** Hive doubles a backtick, and knows no other escape in a name. */
  identifier: (name) => `\`${name.replaceAll("`", "``")}\``,
  string: (value) => backslashed(value, "'"),
  types: {
    string: "string",
    int64: "bigint",
    float64: "double",
    bool: "boolean",
    timestamp: "timestamp",
    "string[]": "array<string>",
    "timestamp[]": "array<timestamp>",
  },
} as const satisfies Omit<Dialect, "listFromJson">;
