/** Snowflake's types for a model's columns. Pure. */
import type { Column } from "../../src/models/column.ts";
import { snowflake } from "../sql/snowflake.ts";

export function typeOf({ type }: Pick<Column, "type">): string {
  return snowflake.types[type];
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
