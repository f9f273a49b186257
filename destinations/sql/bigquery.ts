import { backslashed, type WarehouseDialect, microsOf } from "./dialect.ts";

/** Single quotes end at the end of a line, so line breaks are escaped as well. */
function escaped(value: string, quote: "'" | "`"): string {
  return backslashed(value, quote)
    .replaceAll("\n", String.raw`\n`)
    .replaceAll("\r", String.raw`\r`);
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical */
export const bigquery = {
  identifier: (name) => escaped(name, "`"),
  string: (value) => escaped(value, "'"),
  types: {
    string: "STRING",
    int64: "INT64",
    float64: "FLOAT64",
    bool: "BOOL",
    timestamp: "TIMESTAMP",
    "string[]": "ARRAY<STRING>",
    "timestamp[]": "ARRAY<TIMESTAMP>",
  },
  /** A table has no NULL lists, so NULL gives an empty one. */
  listFromJson: (type, text): string => {
    const texts = `IFNULL(JSON_VALUE_ARRAY(${text}), [])`;
    if (type === "string[]") return texts;
    return `ARRAY(SELECT TIMESTAMP(item) FROM UNNEST(${texts}) AS item WITH OFFSET AS place ORDER BY place)`;
  },
  /** A literal and not a function of a number: only constants prune partitions for certain. */
  timestamp: (time): string => {
    const micros = microsOf(time);
    const below = ((micros % 1000n) + 1000n) % 1000n;
    const iso = new Date(Number((micros - below) / 1000n)).toISOString().replace("T", " ").replace("Z", "");
    return `TIMESTAMP '${iso}${String(below).padStart(3, "0")}+00'`;
  },
} as const satisfies WarehouseDialect;
