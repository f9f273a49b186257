import { type Dialect, doubleQuoted, singleQuoted } from "./dialect.ts";

export const duckdb = {
  identifier: doubleQuoted,
  string: singleQuoted,
  /** A timestamp is a time in UTC, without a zone: one with a zone would be shown in the session's. */
  types: {
    string: "VARCHAR",
    int64: "BIGINT",
    float64: "DOUBLE",
    bool: "BOOLEAN",
    timestamp: "TIMESTAMP",
    "string[]": "VARCHAR[]",
    "timestamp[]": "TIMESTAMP[]",
  },
  listFromJson: (type, text): string => `CAST(from_json(${text}, '["VARCHAR"]') AS ${duckdb.types[type]})`,
} as const satisfies Dialect;
