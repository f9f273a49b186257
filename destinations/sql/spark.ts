import { backslashed, type Dialect } from "./dialect.ts";

/** Spark and Databricks. https://spark.apache.org/docs/latest/sql-ref-literals.html */
export const spark = {
  identifier: (name) => `\`${name.replaceAll("`", "``")}\``,
  string: (value) => backslashed(value, "'"),
  /** TIMESTAMP is a time, shown in the session's time zone. */
  types: {
    string: "STRING",
    int64: "BIGINT",
    float64: "DOUBLE",
    bool: "BOOLEAN",
    timestamp: "TIMESTAMP",
    "string[]": "ARRAY<STRING>",
    "timestamp[]": "ARRAY<TIMESTAMP>",
  },
  listFromJson: (type, text): string => {
    const texts = `from_json(${text}, 'ARRAY<STRING>')`;
    return type === "string[]" ? texts : `transform(${texts}, item -> CAST(item AS TIMESTAMP))`;
  },
} as const satisfies Dialect;
