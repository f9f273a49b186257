import { backslashed, type Dialect } from "./dialect.ts";

export const clickhouse = {
  identifier: (name) => backslashed(name, "`"),
  string: (value) => backslashed(value, "'"),
  types: {
    string: "String",
    int64: "Int64",
    float64: "Float64",
    bool: "Bool",
    timestamp: "DateTime64(6, 'UTC')",
    "string[]": "Array(String)",
    "timestamp[]": "Array(DateTime64(6, 'UTC'))",
  },
  listFromJson: (type, text): string => {
    const texts = `JSONExtract(${text}, 'Array(String)')`;
    return type === "string[]" ? texts : `arrayMap(x -> parseDateTime64BestEffort(x, 6, 'UTC'), ${texts})`;
  },
} as const satisfies Dialect;
