/**
 * Rules and conditions on columns. Only ClickHouse knows the columns of a model in SQL, so their names are passed on
 * unchecked, and the run reports the unknown ones.
 */
import type { ColumnType } from "../models/column.ts";
import type { ColumnRules, Condition } from "../models/model.ts";
import { READING_ORDER } from "../models/reading_order.ts";
import { SESSION_REPLAYS, SESSION_REPLAYS_KEY } from "../models/session_replays.ts";
import { plainValue } from "./problems/zod_issues.ts";
import type { Path } from "./problems/path.ts";
import type { Report } from "./problems/problems.ts";
import type { ColumnsInput, ConditionInput } from "./columns.ts";
import { nearest, suggestion } from "./problems/suggest.ts";
import { defined } from "./values/defined.ts";
import { clickhouseTime, parseTime } from "./values/times.ts";

/** What is known about the columns: all of them, or only the key. */
export type Columns = { readonly known: true } | { readonly known: false; readonly key: readonly string[] };

const BY_NAME = new Map(SESSION_REPLAYS.map((column) => [column.name, column]));
const NAMES = [...BY_NAME.keys()];
/** These identify a row and say which read of it is newer. Without them a destination can't replace an old row. */
const NEEDED: ReadonlySet<string> = new Set([...SESSION_REPLAYS_KEY, ...READING_ORDER]);
export const OPT_IN = SESSION_REPLAYS.filter(({ optIn }) => optIn).map((column) => column.name);

const RULES = { include: "include", exclude: "exclude", hash: "hash", strip_query: "stripQuery" } as const;
export type Rule = keyof typeof RULES;
export const RULE_NAMES = Object.keys(RULES) as readonly Rule[];

function unknownColumn(name: string, candidates: readonly string[]): string {
  const close = nearest(name, candidates);
  return close === undefined ? suggestion(name, NAMES, "column") : `Did you mean "${close}"?`;
}

/** What is wrong with a rule on one column, and the fix. */
export function refusal(rule: Rule, name: string, input: ColumnsInput): readonly [string, string] | undefined {
  const column = BY_NAME.get(name);
  const included = input.include?.includes(name) ?? false;
  const optIn = column?.optIn === true;
  if (!column) {
    const candidates = rule === "include" ? OPT_IN : NAMES;
    return ["no such column", unknownColumn(name, candidates)];
  }
  switch (rule) {
    case "include":
      return optIn ? undefined : ["is exported anyway", `Remove it. What can be included: ${OPT_IN.join(", ")}.`];
    case "exclude":
      if (NEEDED.has(name))
        return ["cannot be excluded", "Remove it: this column identifies a row or decides which row is current."];
      if (included) return ["both included and excluded", "Remove it from one of the two."];
      return optIn ? ["is not exported anyway", "Remove it."] : undefined;
    case "hash":
    case "strip_query": {
      if (NEEDED.has(name))
        return ["cannot be changed", "Remove it: joins, merges and replay_url need its true value."];
      if (column.type !== "string" && column.type !== "string[]") {
        return [`a column of type ${column.type}`, `Remove it: ${rule} is for columns of type string and string[].`];
      }
      const gone = (optIn && !included) || (input.exclude?.includes(name) ?? false);
      return gone ? ["is not exported", "Remove it, or export the column."] : undefined;
    }
  }
}

/** The same for a model in SQL, whose columns only ClickHouse knows. */
function refusalInSql(rule: Rule, name: string, key: readonly string[]): readonly [string, string] | undefined {
  if (rule === "include") return undefined;
  if (key.includes(name)) return ["a column of the key", "Remove it: the key's true value identifies a row."];
  const isOrder = READING_ORDER.some((column) => column === name);
  return isOrder ? ["cannot be excluded", "Remove it: this column decides which row is current."] : undefined;
}

export function resolveRules(input: ColumnsInput, columns: Columns, path: Path, report: Report): ColumnRules {
  const rules: Record<(typeof RULES)[Rule], string[]> = { include: [], exclude: [], hash: [], stripQuery: [] };
  for (const rule of RULE_NAMES) {
    for (const [index, name] of (input[rule] ?? []).entries()) {
      if (rules[RULES[rule]].includes(name)) continue;
      const problem = columns.known ? refusal(rule, name, input) : refusalInSql(rule, name, columns.key);
      if (problem) report.add([...path, rule, index], ...problem);
      else rules[RULES[rule]].push(name);
    }
  }
  return rules;
}

type Value = string | number | boolean;

/** The value in ClickHouse's form, or what is wrong with it. */
function checkValue(
  value: Value,
  type: ColumnType,
  timezone: string,
  coerced: boolean,
): { value: Value } | readonly [string, string] {
  const given = coerced && typeof value === "string" ? (plainValue(value) ?? value) : value;
  switch (type) {
    case "string":
      return typeof value === "string" ? { value } : ["the column holds text", "Put the value in quotes."];
    case "int64":
      if (typeof given === "number" && Number.isSafeInteger(given)) return { value: given };
      return ["the column holds whole numbers", "Write a whole number."];
    case "float64":
      if (typeof given === "number" && Number.isFinite(given)) return { value: given };
      return ["the column holds numbers", "Write a number."];
    case "bool":
      return typeof given === "boolean" ? { value: given } : ["the column holds true or false", "Write true or false."];
    case "timestamp": {
      const time = typeof value === "string" ? parseTime(value, timezone) : undefined;
      if (time && "value" in time) return { value: clickhouseTime(time.value) };
      const fix = "Write a date (2026-10-01) or a timestamp with its zone (2026-10-01T06:00:00Z).";
      return [time?.problem ?? "the column holds timestamps", time?.fix ?? fix];
    }
    case "string[]":
    case "timestamp[]":
      return ["a column of lists cannot be compared", "Remove it, and filter by it in the destination."];
  }
}

export interface ConditionContext {
  readonly columns: Columns;
  readonly timezone: string;
  readonly report: Report;
  /** Whether the value is one placeholder: its text may spell a number or a flag. */
  readonly wholeFromEnv: (path: Path) => boolean;
}

export function resolveConditions(
  where: Readonly<Record<string, ConditionInput>>,
  path: Path,
  context: ConditionContext,
): Condition[] {
  return Object.entries(where).flatMap(([column, input]) => {
    const condition = resolveCondition(column, input, [...path, column], context);
    return condition ? [condition] : [];
  });
}

function resolveCondition(
  name: string,
  input: ConditionInput,
  path: Path,
  { columns, timezone, report, wholeFromEnv }: ConditionContext,
): Condition | undefined {
  const type = columns.known ? BY_NAME.get(name)?.type : undefined;
  if (columns.known && type === undefined) {
    report.add(path, "no such column", unknownColumn(name, NAMES), "key");
    return undefined;
  }
  if (type === "string[]" || type === "timestamp[]") {
    report.add(path, ...(checkValue("", type, timezone, false) as readonly [string, string]), "key");
    return undefined;
  }
  const checked = (value: Value, at: Path): Value => {
    if (type === undefined) return value;
    const result = checkValue(value, type, timezone, wholeFromEnv(at));
    if ("value" in result) return result.value;
    report.add(at, ...result);
    return value;
  };
  if (Array.isArray(input)) {
    if (type === "bool") report.add(path, "a column of true and false takes no list", "Write true or false.", "key");
    const values = input.map((value, index) => checked(value, [...path, index]) as string | number);
    return { column: name, op: "in", values };
  }
  if (typeof input !== "object") return { column: name, op: "equal", value: checked(input, path) };
  return range(name, input, path, type, checked, report);
}

function range(
  column: string,
  input: { readonly min?: string | number | undefined; readonly max?: string | number | undefined },
  path: Path,
  type: ColumnType | undefined,
  checked: (value: Value, at: Path) => Value,
  report: Report,
): Condition | undefined {
  if (input.min === undefined && input.max === undefined) {
    report.add(path, "a range without an end", "Write min, max or both.", "key");
    return undefined;
  }
  if (type === "string" || type === "bool") {
    report.add(path, `a column of type ${type} has no range`, "Write a value, or a list of values.", "key");
    return undefined;
  }
  const end = (key: "min" | "max"): string | number | undefined =>
    input[key] === undefined ? undefined : (checked(input[key], [...path, key]) as string | number);
  const min = end("min");
  const max = end("max");
  if (min !== undefined && max !== undefined && typeof min === typeof max && min > max) {
    report.add(path, "min is greater than max: no row fits", "Swap them.", "key");
  }
  return defined<Extract<Condition, { op: "range" }>>({ column, op: "range", min, max });
}
