/** Avro schemas as JSON, with the field ids that Iceberg adds. https://avro.apache.org/docs/1.12.0/specification/ */

export type AvroSchema =
  | string
  | readonly AvroSchema[]
  | AvroRecord
  | AvroArray
  | AvroMap
  | AvroFixed
  | AvroEnum
  | AvroLogical;

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly "field-id"?: number;
  readonly default?: unknown;
  readonly doc?: string;
}

export interface AvroRecord {
  readonly type: "record";
  readonly name: string;
  readonly fields: readonly AvroField[];
}

export interface AvroArray {
  readonly type: "array";
  readonly items: AvroSchema;
  readonly "element-id"?: number;
  /** `map`: an array of records of `key` and `value`, since keys of an Avro map are always text. */
  readonly logicalType?: string;
}

export interface AvroMap {
  readonly type: "map";
  readonly values: AvroSchema;
}

export interface AvroFixed {
  readonly type: "fixed";
  readonly name: string;
  readonly size: number;
}

export interface AvroEnum {
  readonly type: "enum";
  readonly name: string;
  readonly symbols: readonly string[];
}

/** A primitive with a logical type, which is ignored, or a type within a type. */
export interface AvroLogical {
  readonly type: AvroPrimitive;
  readonly logicalType?: string;
}

export type AvroPrimitive = "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string";

/** "Obj" and the version. */
export const MAGIC = Uint8Array.of(0x4f, 0x62, 0x6a, 1);
export const SYNC_BYTES = 16;

const PRIMITIVES: ReadonlySet<string> = new Set([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);

export function isUnion(schema: Exclude<AvroSchema, string>): schema is readonly AvroSchema[] {
  return Array.isArray(schema);
}

export function isLogical(schema: { readonly type: string }): schema is AvroLogical {
  return PRIMITIVES.has(schema.type);
}
