/** The options of every type of destination. To add a type, start here: src/config/destinations/destinations.ts says how. */
import type { BigQueryOptions } from "./bigquery/options.ts";
import type { FileLakeOptions, S3LakeOptions } from "./lake/options.ts";
import type { SnowflakeOptions } from "./snowflake/options.ts";

export type DestinationOptions = S3LakeOptions | FileLakeOptions | BigQueryOptions | SnowflakeOptions;
export type DestinationType = DestinationOptions["type"];
export type OptionsOf<T extends DestinationType> = Extract<DestinationOptions, { readonly type: T }>;
