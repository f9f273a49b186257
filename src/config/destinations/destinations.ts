/**
 * Every type of destination that the YAML can name.
 *
 * To add one, add its options to destinations/options.ts. The compiler then finds the places that lack it: here the entry in
 * SCHEMAS and the case in each of the three switches, and the opener in destinations/registry.ts. A test asks for its
 * harness in test/conformance. The option types are the destination's own, so an option is written twice: there and in the
 * schema.
 */
import * as z from "zod";
import type { DestinationOptions, DestinationType } from "../../../destinations/options.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import type { Path } from "../problems/path.ts";
import type { Report } from "../problems/problems.ts";
import { field } from "../values/fields.ts";
import { bigquerySchema, checkBigQuery, resolveBigQuery } from "./bigquery.ts";
import { checkOnDelete } from "./deletion.ts";
import { fileSchema, resolveFile } from "./file.ts";
import { checkIceberg, icebergSchema, resolveIceberg } from "./iceberg.ts";
import { resolveS3, s3Schema } from "./s3.ts";
import { resolveSnowflake, snowflakeSchema } from "./snowflake.ts";

/** In the order in which messages list the types. */
const SCHEMAS = {
  s3: s3Schema,
  file: fileSchema,
  iceberg: icebergSchema,
  bigquery: bigquerySchema,
  snowflake: snowflakeSchema,
} as const satisfies { readonly [T in DestinationType]: z.ZodType<{ type: T }> };
type Schema = (typeof SCHEMAS)[DestinationType];

export const destinationSchema = field(
  z
    // The cast says that the list isn't empty, which Object.values forgets.
    .discriminatedUnion("type", Object.values(SCHEMAS) as [Schema, ...Schema[]]),
  "A place that exports are loaded into.",
  { type: "file", path: "./lake" },
);

/** @param folder where relative paths start */
export function resolveDestination(
  input: z.output<typeof destinationSchema>,
  path: Path,
  folder: string,
  report: Report,
): DestinationOptions {
  switch (input.type) {
    case "s3":
      return resolveS3(input, path, report);
    case "file":
      return resolveFile(input, folder);
    case "iceberg":
      return resolveIceberg(input, path, report);
    case "bigquery":
      return resolveBigQuery(input, path, folder, report);
    case "snowflake":
      return resolveSnowflake(input, path, folder, report);
  }
}

/** Reports what shows only once the export and its destination are both known. */
export function checkForDestination(definition: ExportDefinition, options: DestinationOptions, report: Report): void {
  switch (options.type) {
    case "s3":
    case "file":
    case "snowflake":
      return checkOnDelete(definition, report);
    case "iceberg":
      return checkIceberg(definition, report);
    case "bigquery":
      return checkBigQuery(definition, options, report);
    default:
      options satisfies never;
  }
}

/** Readers of an Iceberg table get its files as they are, so the read has to leave out what a tombstone must not have. */
export function suited(definition: ExportDefinition, options: DestinationOptions): ExportDefinition {
  if (options.type !== "iceberg") return definition;
  return { ...definition, selection: { ...definition.selection, emptyDeleted: true } };
}

/** The root of a lake, equal for two destinations that are one place. Undefined for a table, which exports may share. */
export function lakeRoot(options: DestinationOptions): string | undefined {
  switch (options.type) {
    case "s3":
      return ["s3:/", options.endpoint?.toLowerCase() ?? "aws", options.bucket, options.prefix]
        .filter(Boolean)
        .join("/");
    case "file":
      return options.path.replaceAll("\\", "/").replace(/\/+$/, "");
    case "iceberg":
    case "bigquery":
    case "snowflake":
      return undefined;
    default:
      return options satisfies never;
  }
}
