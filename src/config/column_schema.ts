/**
 * What the JSON Schema knows of columns: for session_replays the names that each rule and condition takes, with their descriptions,
 * so that an editor completes them and refuses what the CLI refuses. A model in SQL has its own names; only the order of reads is
 * known of it. Any name or value may be a placeholder.
 */
import { COMPRESSIONS } from "../export/definition.ts";
import type { ColumnType } from "../models/column.ts";
import { DELETED_COLUMN } from "../models/deletion.ts";
import { READING_ORDER } from "../models/reading_order.ts";
import { SESSION_REPLAYS } from "../models/session_replays.ts";
import { OPT_IN, refusal, type Rule, RULE_NAMES } from "./column_rules.ts";
import { PLACEHOLDER_PATTERN } from "./values/env.ts";
import { TIME_PATTERN } from "./values/times.ts";

type Schema = Readonly<Record<string, unknown>>;

const placeholder = { type: "string", pattern: PLACEHOLDER_PATTERN };
const orPlaceholder = (...forms: readonly Schema[]): Schema => ({ anyOf: [...forms, placeholder] });
const when = (given: Schema, expected: Schema): Schema => ({
  if: given,
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's keyword; nobody awaits a schema.
  then: expected,
});
const lists = (...values: readonly string[]): Schema => ({ contains: { enum: values } });

const CHANGES = ["hash", "strip_query"] as const satisfies readonly Rule[];

/** Those that the rule takes if nothing else is said of them. */
function columnsOf(rule: Rule): Schema {
  const include = rule === "include" || rule === "exclude" ? [] : OPT_IN;
  const allowed = SESSION_REPLAYS.filter(
    // Every destination needs the column of deletions, whatever its on_delete (destinations/deletion.ts).
    ({ name }) => refusal(rule, name, { include }) === undefined && !(rule === "exclude" && name === DELETED_COLUMN),
  );
  return { items: orPlaceholder(...allowed.map(({ name, description }) => ({ const: name, description }))) };
}

/** What one rule leaves to the others: a column that isn't exported can't be changed. */
function whereExported(): Schema[] {
  const changeable = SESSION_REPLAYS.filter(({ name }) => refusal("hash", name, { include: OPT_IN }) === undefined);
  return changeable.map(({ name, optIn }) => {
    const notIncluded = {
      not: { required: ["include"], properties: { include: { contains: orPlaceholder({ const: name }) } } },
    };
    const excluded = { required: ["exclude"], properties: { exclude: lists(name) } };
    const unchanged = CHANGES.map((rule) => [rule, { not: lists(name) }]);
    return when(optIn ? notIncluded : excluded, { properties: Object.fromEntries(unchanged) as Schema });
  });
}

const VALUES: Readonly<Record<ColumnType, Schema | undefined>> = {
  string: { type: "string" },
  int64: orPlaceholder({ type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  float64: orPlaceholder({ type: "number" }),
  bool: orPlaceholder({ type: "boolean" }),
  timestamp: orPlaceholder({ type: "string", pattern: TIME_PATTERN }),
  "string[]": undefined,
  "timestamp[]": undefined,
};

/** A value; for most types a list of them, too; for what has an order also a range. */
function condition(type: ColumnType, value: Schema): Schema {
  if (type === "bool") return value;
  const list = { type: "array", minItems: 1, items: value };
  const ends = { min: value, max: value };
  const range = { type: "object", minProperties: 1, properties: ends, additionalProperties: false };
  return { anyOf: [value, list, ...(type === "string" ? [] : [range])] };
}

/** By type, since the columns share them. */
const definitions = Object.fromEntries(
  Object.entries(VALUES).flatMap(([type, value]) =>
    value === undefined ? [] : [[`where_${type}`, condition(type as ColumnType, value)]],
  ),
);

const conditions = Object.fromEntries(
  SESSION_REPLAYS.flatMap(({ name, type, description }) =>
    // Beside a reference, draft 7 ignores the description.
    VALUES[type] === undefined ? [] : [[name, { description, allOf: [{ $ref: `#/definitions/where_${type}` }] }]],
  ),
);

const rulesOf = (items: (rule: Rule) => Schema): Schema =>
  Object.fromEntries(RULE_NAMES.map((rule) => [rule, items(rule)]));

/** For an export: what depends on its model, and on its format. */
export const EXPORT_CONDITIONS = {
  allOf: [
    when(
      { required: ["model"], properties: { model: { const: "session_replays" } } },
      {
        required: ["team_id"],
        properties: {
          columns: { properties: rulesOf(columnsOf), allOf: whereExported() },
          where: { properties: conditions, additionalProperties: false },
        },
      },
    ),
    when(
      { required: ["model"], properties: { model: { type: "object" } } },
      {
        properties: {
          columns: {
            properties: rulesOf((rule) => (rule === "include" ? {} : { items: { not: { enum: [...READING_ORDER] } } })),
          },
        },
      },
    ),
    ...Object.entries(COMPRESSIONS).map(([format, compressions]) =>
      when(
        { required: ["format"], properties: { format: { const: format } } },
        { properties: { compression: orPlaceholder({ enum: [...compressions] }) } },
      ),
    ),
  ],
};

const hashesNothing = { properties: { columns: { properties: { hash: { maxItems: 0 } } } } };

/** For the whole config: hashing needs a salt. With what the conditions above refer to. */
export const CONFIG_CONDITIONS = {
  definitions,
  ...when(
    { required: ["exports"], properties: { exports: { not: { additionalProperties: hashesNothing } } } },
    { required: ["hash_salt"] },
  ),
};
