/** Every kind of destination. Another one is a schema in the union, a case in `resolveDestination`, and one in `isLake`. */
import * as z from "zod";
import { type BigQueryConfig, bigquerySchema, resolveBigQuery } from "./bigquery.ts";
import { type FileConfig, fileSchema, resolveFile, resolveS3, type S3Config, s3Schema } from "./lake.ts";
import type { Path } from "../problems/path.ts";
import type { Report } from "../problems/problems.ts";
import { resolveSnowflake, type SnowflakeConfig, snowflakeSchema } from "./snowflake.ts";

export type DestinationConfig = S3Config | FileConfig | BigQueryConfig | SnowflakeConfig;

export const destinationSchema = z
  .discriminatedUnion("type", [s3Schema, fileSchema, bigquerySchema, snowflakeSchema])
  .describe("A place that exports are loaded to.")
  .meta({ examples: [{ type: "file", path: "./lake" }] });

export type DestinationInput = z.output<typeof destinationSchema>;

/** @param folder that relative paths start from */
export function resolveDestination(
  input: DestinationInput,
  path: Path,
  folder: string,
  report: Report,
): DestinationConfig {
  switch (input.type) {
    case "s3":
      return resolveS3(input, path, report);
    case "file":
      return resolveFile(input, folder);
    case "bigquery":
      return resolveBigQuery(input, path, folder, report);
    case "snowflake":
      return resolveSnowflake(input, path, folder, report);
  }
}

/** The root of a lake, equal for two destinations that are one place. Undefined for a table, which exports may share. */
export function lakeRoot(config: DestinationConfig): string | undefined {
  switch (config.type) {
    case "s3":
      return ["s3:/", config.endpoint?.toLowerCase() ?? "aws", config.bucket, config.prefix].filter(Boolean).join("/");
    case "file":
      return config.path.replaceAll("\\", "/").replace(/\/+$/, "");
    case "bigquery":
    case "snowflake":
      return undefined;
  }
}
