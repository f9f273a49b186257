/** An Iceberg schema and its JSON. https://iceberg.apache.org/spec/#schemas */
import { z } from "zod";

/** `string`, `long`, `decimal(10, 2)` …, or a nested type. */
export type IcebergType = string | IcebergList | IcebergStruct | IcebergMap;

export interface IcebergList {
  readonly type: "list";
  readonly "element-id": number;
  readonly element: IcebergType;
  readonly "element-required": boolean;
}

export interface IcebergStruct {
  readonly type: "struct";
  readonly fields: readonly IcebergField[];
}

export interface IcebergMap {
  readonly type: "map";
  readonly "key-id": number;
  readonly key: IcebergType;
  readonly "value-id": number;
  readonly value: IcebergType;
  readonly "value-required": boolean;
}

export interface IcebergField {
  readonly id: number;
  readonly name: string;
  readonly required: boolean;
  readonly type: IcebergType;
  readonly doc?: string | undefined;
}

export interface IcebergSchema {
  readonly id: number;
  readonly identifierFieldIds: readonly number[];
  readonly fields: readonly IcebergField[];
  /** What else a table's schema has, as it came. */
  readonly more?: Readonly<Record<string, unknown>>;
}

const TYPE: z.ZodType<IcebergType> = z.lazy(() =>
  z.union([
    z.string(),
    z.looseObject({ type: z.literal("list"), "element-id": z.int(), element: TYPE, "element-required": z.boolean() }),
    z.looseObject({ type: z.literal("struct"), fields: z.array(FIELD) }),
    z.looseObject({
      type: z.literal("map"),
      "key-id": z.int(),
      key: TYPE,
      "value-id": z.int(),
      value: TYPE,
      "value-required": z.boolean(),
    }),
  ]),
);

/** Loose: what we don't know, such as a default value, goes back to the catalog as it came. */
const FIELD: z.ZodType<IcebergField> = z.looseObject({
  id: z.int(),
  name: z.string(),
  required: z.boolean(),
  type: TYPE,
  doc: z.string().optional(),
});

export const SCHEMA = z
  .looseObject({
    type: z.unknown(),
    "schema-id": z.int().default(0),
    "identifier-field-ids": z.array(z.int()).default([]),
    fields: z.array(FIELD),
  })
  .transform(
    ({ type: _, "schema-id": id, "identifier-field-ids": identifierFieldIds, fields, ...more }): IcebergSchema => ({
      id,
      identifierFieldIds,
      fields,
      ...(Object.keys(more).length === 0 ? {} : { more }),
    }),
  );

/** For requests to a catalog, and for the header of a manifest. */
export function schemaJson({ id, identifierFieldIds, fields, more }: IcebergSchema): object {
  return { ...more, type: "struct", "schema-id": id, "identifier-field-ids": identifierFieldIds, fields };
}
