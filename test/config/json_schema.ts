/** As much of JSON Schema as the config's schema uses. Throws on a keyword that it does not know. */
import assert from "node:assert/strict";
import { configJsonSchema } from "../../src/config/problems/json_schema.ts";

type Schema = Readonly<Record<string, unknown>>;
type Check = (value: unknown, expected: never, schema: Schema) => boolean;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const onObject = (value: unknown, check: (object: Readonly<Record<string, unknown>>) => boolean): boolean =>
  !isObject(value) || check(value);
const always = (): boolean => true;

const CHECKS: Readonly<Record<string, Check>> = {
  $schema: always,
  definitions: always,
  $ref: (value, name: string) => accepts(definition(name), value),
  title: always,
  description: always,
  default: always,
  examples: always,
  writeOnly: always,
  type: (value, type: string) =>
    ({
      object: isObject(value),
      array: Array.isArray(value),
      string: typeof value === "string",
      boolean: typeof value === "boolean",
      number: typeof value === "number",
      integer: Number.isInteger(value),
    })[type] ?? assert.fail(`unknown type ${type}`),
  enum: (value, values: readonly unknown[]) => values.includes(value),
  const: (value, constant: unknown) => value === constant,
  pattern: (value, pattern: string) => typeof value !== "string" || new RegExp(pattern, "u").test(value),
  minLength: (value, least: number) => typeof value !== "string" || value.length >= least,
  minimum: (value, least: number) => typeof value !== "number" || value >= least,
  maximum: (value, most: number) => typeof value !== "number" || value <= most,
  minItems: (value, least: number) => !Array.isArray(value) || value.length >= least,
  items: (value, schema: Schema) => !Array.isArray(value) || value.every((item) => accepts(schema, item)),
  anyOf: (value, schemas: readonly Schema[]) => schemas.some((schema) => accepts(schema, value)),
  allOf: (value, schemas: readonly Schema[]) => schemas.every((schema) => accepts(schema, value)),
  not: (value, schema: Schema) => !accepts(schema, value),
  if: (value, schema: Schema, { then: expected = {} }) => !accepts(schema, value) || accepts(expected as Schema, value),
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's keyword; nobody awaits a schema.
  then: always,
  contains: (value, schema: Schema) => !Array.isArray(value) || value.some((item) => accepts(schema, item)),
  maxItems: (value, most: number) => !Array.isArray(value) || value.length <= most,
  oneOf: (value, schemas: readonly Schema[]) => schemas.filter((schema) => accepts(schema, value)).length === 1,
  required: (value, keys: readonly string[]) =>
    onObject(value, (object) => keys.every((key) => Object.hasOwn(object, key))),
  minProperties: (value, least: number) => onObject(value, (object) => Object.keys(object).length >= least),
  maxProperties: (value, most: number) => onObject(value, (object) => Object.keys(object).length <= most),
  propertyNames: (value, schema: Schema) =>
    onObject(value, (object) => Object.keys(object).every((key) => accepts(schema, key))),
  properties: (value, properties: Readonly<Record<string, Schema>>) =>
    onObject(value, (object) =>
      Object.entries(properties).every(([key, schema]) => !Object.hasOwn(object, key) || accepts(schema, object[key])),
    ),
  additionalProperties: (value, rest: Schema | false, { properties = {} }) =>
    onObject(value, (object) =>
      Object.entries(object).every(
        ([key, item]) => Object.hasOwn(properties as object, key) || (rest !== false && accepts(rest, item)),
      ),
    ),
};

/** Those of the config's schema: the only ones there are. */
function definition(name: string): Schema {
  const { definitions = {} } = configJsonSchema() as { readonly definitions?: Readonly<Record<string, Schema>> };
  return definitions[name.replace("#/definitions/", "")] ?? assert.fail(`no definition ${name}`);
}

export function accepts(schema: Schema, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, expected]) => {
    const check = CHECKS[keyword] ?? assert.fail(`unknown keyword ${keyword}`);
    return check(value, expected as never, schema);
  });
}
