/** Snowflake's types for the columns of a model. Pure. */
import type { Column, ColumnType } from "../../src/models/column.ts";

/**
 * Timestamps are TIMESTAMP_NTZ(6) in UTC: what `TIMESTAMP` means in an account by default, and what other tables mostly
 * hold. TIMESTAMP_TZ and TIMESTAMP_LTZ are taken too where a table has them: sessions run in UTC, so the moment is right.
 */
const TYPES: Readonly<Record<ColumnType, string>> = {
  string: "VARCHAR",
  int64: "NUMBER(38, 0)",
  float64: "FLOAT",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMP_NTZ(6)",
  "string[]": "ARRAY",
  "timestamp[]": "ARRAY",
};

export function typeOf({ type }: Pick<Column, "type">): string {
  return TYPES[type];
}

/** Digits of the largest Int64. */
const INT64_DIGITS = 19;
const MICROSECONDS = 6;

/** @param existing as DESCRIBE TABLE shows it: `NUMBER(38,0)`, `VARCHAR(16777216)`, `TIMESTAMP_NTZ(9)` */
export function fits(existing: string, { type }: Pick<Column, "type">): boolean {
  const [, name = "", first = "", second = ""] = /^(\w+)(?:\((\d+)(?:, ?(\d+))?\))?/.exec(existing.toUpperCase()) ?? [];
  switch (type) {
    case "string":
      return name === "VARCHAR" || name === "TEXT" || name === "STRING";
    case "int64":
      return name === "NUMBER" && Number(first || "38") >= INT64_DIGITS && Number(second || "0") === 0;
    case "float64":
      return ["FLOAT", "DOUBLE", "REAL"].includes(name);
    case "bool":
      return name === "BOOLEAN";
    case "timestamp":
      return /^TIMESTAMP_(?:NTZ|LTZ|TZ)$/.test(name) && Number(first || "9") >= MICROSECONDS;
    case "string[]":
    case "timestamp[]":
      return name === "ARRAY" || name === "VARIANT";
  }
}
