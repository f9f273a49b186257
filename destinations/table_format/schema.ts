/** The schema of a table of ours, and how one that exists differs from what an export needs. */
import type { Column, ColumnType } from "../../src/models/column.ts";
import { printJson } from "./json.ts";
import type { IcebergField, IcebergSchema, IcebergType } from "./schema_json.ts";

export { schemaJson, type IcebergField, type IcebergSchema, type IcebergType } from "./schema_json.ts";

const TYPES: Readonly<Record<ColumnType, { readonly type: string; readonly list: boolean }>> = {
  string: { type: "string", list: false },
  int64: { type: "long", list: false },
  float64: { type: "double", list: false },
  bool: { type: "boolean", list: false },
  timestamp: { type: "timestamptz", list: false },
  "string[]": { type: "string", list: true },
  "timestamp[]": { type: "timestamptz", list: true },
};

/**
 * Ids begin at 1: Snowflake refuses 0. The columns come first and the elements of lists after them, as catalogs number them too.
 * @param required the columns that every row has, besides the key
 */
export function newSchema(
  columns: readonly Column[],
  { key, required }: { readonly key: readonly string[]; readonly required: readonly string[] },
): IcebergSchema {
  const needed = new Set([...key, ...required]);
  const { fields } = numbered(columns, 0, (column) => needed.has(column.name) && !column.nullable);
  const ids = key.flatMap((name) => fields.find((field) => field.name === name)?.id ?? []);
  return { id: 0, identifierFieldIds: ids, fields };
}

/** The schema with the columns at its end. They are optional: the rows that are there have no value. */
export function grownSchema(
  schema: IcebergSchema,
  columns: readonly Column[],
  lastColumnId: number,
): { readonly schema: IcebergSchema; readonly lastColumnId: number } {
  const { fields, last } = numbered(columns, lastColumnId, () => false);
  const id = schema.id + 1;
  return { schema: { ...schema, id, fields: [...schema.fields, ...fields] }, lastColumnId: last };
}

function numbered(
  columns: readonly Column[],
  last: number,
  isRequired: (column: Column) => boolean,
): { readonly fields: readonly IcebergField[]; readonly last: number } {
  let element = last + columns.length;
  const fields = columns.map((column, at): IcebergField => {
    const { type, list } = TYPES[column.type];
    if (list) element += 1;
    return {
      id: last + 1 + at,
      name: column.name,
      required: isRequired(column),
      // An optional element: DuckDB's MERGE fails on a required one.
      type: list ? { type: "list", "element-id": element, element: type, "element-required": false } : type,
      doc: column.description,
    };
  });
  return { fields, last: element };
}

export interface TypeClash {
  readonly column: string;
  readonly ours: string;
  readonly theirs: string;
}

/**
 * What the table lacks of the columns, and what keeps their rows out of it.
 * @param id which of a table's columns is meant goes by name, as engines do, whatever the case of the letters
 */
export function compareSchema(
  table: IcebergSchema,
  columns: readonly Column[],
): { readonly missing: readonly Column[]; readonly clashes: readonly TypeClash[] } {
  const byName = new Map(table.fields.map((field) => [field.name.toLowerCase(), field]));
  const missing: Column[] = [];
  const clashes: TypeClash[] = [];
  for (const column of columns) {
    const field = byName.get(column.name.toLowerCase());
    const ours = describeType(column.type, column.nullable);
    if (!field) missing.push(column);
    else if (field.name !== column.name || typeText(field.type) !== typeText(typeOf(column)))
      clashes.push({ column: column.name, ours, theirs: `${field.name} ${typeText(field.type)}` });
    else if (typeof field.type === "object" && field.type.type === "list" && field.type["element-required"])
      clashes.push({ column: column.name, ours, theirs: `${typeText(field.type)} of required elements` });
    else if (field.required && column.nullable)
      clashes.push({ column: column.name, ours, theirs: `${typeText(field.type)} required` });
  }
  const given = new Set(columns.map((column) => column.name.toLowerCase()));
  for (const field of table.fields) {
    if (field.required && !given.has(field.name.toLowerCase()))
      clashes.push({ column: field.name, ours: "no such column", theirs: `${typeText(field.type)} required` });
  }
  return { missing, clashes };
}

function typeOf({ type: name }: Pick<Column, "type">): IcebergType {
  const { type, list } = TYPES[name];
  return list ? { type: "list", "element-id": 0, element: type, "element-required": false } : type;
}

/** Our type of a column of the table; undefined if none of ours becomes that. */
export function columnTypeOf(type: IcebergType): ColumnType | undefined {
  const ours = Object.keys(TYPES) as ColumnType[];
  return ours.find((name) => typeText(typeOf({ type: name })) === typeText(type));
}

function describeType(name: ColumnType, nullable: boolean): string {
  const { type, list } = TYPES[name];
  return `${list ? `list<${type}>` : type}${nullable ? " optional" : ""}`;
}

/** A type for people: `list<string>`. Whether parts are required doesn't show. */
export function typeText(type: IcebergType): string {
  if (typeof type === "string") return type;
  switch (type.type) {
    case "list":
      return `list<${typeText(type.element)}>`;
    case "map":
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
    case "struct":
      return `struct<${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(", ")}>`;
    default:
      return type satisfies never;
  }
}

/** A column without parts: what has statistics in a Parquet file. */
export interface Leaf {
  readonly id: number;
  readonly type: string;
  /** Whether a row may have several values. */
  readonly repeated: boolean;
  /** The column of the table that it's in. */
  readonly column: string;
}

/**
 * The id of every node of a Parquet file, by its path joined with dots. A list is `tags`, `tags.list`, `tags.list.element`; the
 * node in the middle has no id.
 */
export function fieldIds(schema: IcebergSchema): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const field of schema.fields)
    walk(field, field.name, field.name, false, (path, { id }) => {
      found.set(path, id);
    });
  return found;
}

/** The leaves by path, as for `fieldIds`. */
export function leaves(schema: IcebergSchema): ReadonlyMap<string, Leaf> {
  const found = new Map<string, Leaf>();
  for (const field of schema.fields)
    walk(field, field.name, field.name, false, (path, { id, type, repeated, column }) => {
      if (typeof type === "string") found.set(path, { id, type, repeated, column });
    });
  return found;
}

interface Node {
  readonly id: number;
  readonly type: IcebergType;
}

function walk(
  { id, type }: Node,
  path: string,
  column: string,
  repeated: boolean,
  visit: (path: string, node: Node & { readonly column: string; readonly repeated: boolean }) => void,
): void {
  visit(path, { id, type, column, repeated });
  if (typeof type === "string") return;
  switch (type.type) {
    case "list":
      walk({ id: type["element-id"], type: type.element }, `${path}.list.element`, column, true, visit);
      return;
    case "map":
      walk({ id: type["key-id"], type: type.key }, `${path}.key_value.key`, column, true, visit);
      walk({ id: type["value-id"], type: type.value }, `${path}.key_value.value`, column, true, visit);
      return;
    case "struct":
      for (const field of type.fields) walk(field, `${path}.${field.name}`, column, repeated, visit);
      return;
    default:
      void (type satisfies never);
  }
}

/** For the property `schema.name-mapping.default`: readers of files without field ids go by these names. */
export function nameMapping(schema: IcebergSchema): string {
  const mapped = ({ id, type }: Node, name: string): object => ({
    "field-id": id,
    names: [name],
    ...(typeof type === "object" ? { fields: parts(type) } : {}),
  });
  const parts = (type: Exclude<IcebergType, string>): object[] => {
    switch (type.type) {
      case "list":
        return [mapped({ id: type["element-id"], type: type.element }, "element")];
      case "map":
        return [
          mapped({ id: type["key-id"], type: type.key }, "key"),
          mapped({ id: type["value-id"], type: type.value }, "value"),
        ];
      case "struct":
        return type.fields.map((field) => mapped(field, field.name));
      default:
        return type satisfies never;
    }
  };
  return printJson(schema.fields.map((field) => mapped(field, field.name)));
}
