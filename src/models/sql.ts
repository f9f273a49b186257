/** The building blocks of queries. */
import type { Column, ColumnType } from "./column.ts";
import type { ColumnRules, Condition, Parameter, Teams, TextShape } from "./model.ts";

/** ClickHouse's type for each of ours. DateTime64 without a zone, so that Parquet gets none either. */
export const CLICKHOUSE_TYPES: Readonly<Record<ColumnType, string>> = {
  string: "String",
  int64: "Int64",
  float64: "Float64",
  bool: "Bool",
  timestamp: "DateTime64(6)",
  "string[]": "Array(String)",
  "timestamp[]": "Array(DateTime64(6))",
};

/** A quoted name; it may contain anything. */
export function identifier(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}

/** The text that ClickHouse parses as DateTime or DateTime64 in UTC. */
export function timeParameter(time: Date): string {
  return time.toISOString().replace("T", " ").replace("Z", "");
}

/** Whole seconds, for columns of type DateTime. */
export function secondParameter(time: Date): string {
  return timeParameter(time).slice(0, 19);
}

/** An item of a SELECT, cast to exactly the type of its column. */
export function typed(expression: string, type: ColumnType, nullable: boolean): string {
  const base = CLICKHOUSE_TYPES[type];
  return `CAST(${expression}, '${nullable && !type.endsWith("[]") ? `Nullable(${base})` : base}')`;
}

export function teamCondition(teams: Teams): { sql: string; parameters: Record<string, Parameter> } {
  if (teams === "all") return { sql: "1", parameters: {} };
  if (typeof teams === "number") return { sql: "team_id = {team_id:Int64}", parameters: { team_id: teams } };
  return { sql: "team_id IN {team_ids:Array(Int64)}", parameters: { team_ids: teams } };
}

const stripped = (value: string): string => `cutQueryStringAndFragment(${value})`;
// A NUL ends the salt, so that two pairs of salt and value never give the same input.
const hashed = (value: string): string =>
  `lower(hex(SHA256(concat({hash_salt:String}, char(0), assumeNotNull(${value})))))`;

/** A column's value after the rules. */
export function ruled(value: string, type: ColumnType, name: string, rules: ColumnRules): string {
  const steps: ((value: string) => string)[] = [];
  if (rules.stripQuery.includes(name)) steps.push(stripped);
  if (rules.hash.includes(name)) steps.push(hashed);
  if (steps.length === 0) return value;
  const apply = (one: string): string => steps.reduce((inner, step) => step(inner), one);
  if (type === "string[]") return `arrayMap(x -> ${apply("x")}, ${value})`;
  return `if(${value} IS NULL, NULL, ${apply(value)})`;
}

/** A column's value; nothing where it's personal and `condition` doesn't hold. */
export function emptiedUnless(
  condition: string,
  value: string,
  { name, privacy }: Pick<Column, "name" | "privacy">,
  key: readonly string[],
): string {
  return condition === "" || privacy === "none" || key.includes(name)
    ? value
    : `if(${condition}, ${value}, defaultValueOfArgumentType(${value}))`;
}

/**
 * A column's value as a file has it. ClickHouse's strings are bytes, and one that isn't UTF-8, such as an address cut within a
 * character, makes a column of Parquet unreadable for every row. CSV has no arrays: they become JSON text.
 */
export function shaped(value: string, type: ColumnType, shape: TextShape): string {
  const valid =
    type === "string"
      ? `toValidUTF8(${value})`
      : type === "string[]"
        ? `arrayMap(x -> toValidUTF8(x), ${value})`
        : value;
  return shape === "csv" && type.endsWith("[]") ? `toJSONString(${valid})` : valid;
}

/** Conditions over `prefix`.column, with their parameters. */
export function conditions(
  where: readonly Condition[],
  types: ReadonlyMap<string, ColumnType>,
  prefix: string,
): { sql: string; parameters: Record<string, Parameter> } {
  const parameters: Record<string, Parameter> = {};
  const bind = (value: Parameter, type: string): string => {
    const name = `where_${Object.keys(parameters).length}`;
    parameters[name] = value;
    return `{${name}:${type}}`;
  };
  const parts = where.map((condition) => {
    const type = CLICKHOUSE_TYPES[types.get(condition.column) ?? "string"];
    const column = `${prefix}.${identifier(condition.column)}`;
    switch (condition.op) {
      case "equal":
        return `${column} = ${bind(condition.value, type)}`;
      case "in":
        return `${column} IN ${bind(condition.values as Parameter, `Array(${type})`)}`;
      case "range": {
        const bounds = [];
        if (condition.min !== undefined) bounds.push(`${column} >= ${bind(condition.min, type)}`);
        if (condition.max !== undefined) bounds.push(`${column} <= ${bind(condition.max, type)}`);
        return bounds.join(" AND ");
      }
    }
  });
  return { sql: parts.length === 0 ? "1" : parts.map((part) => `ifNull(${part}, 0)`).join(" AND "), parameters };
}
