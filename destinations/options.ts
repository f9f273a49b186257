/** The options of every type of destination. To add a type, start here: src/config/destinations/destinations.ts says how. */
import type { BigQueryOptions } from "./bigquery/options.ts";
import type { IcebergOptions } from "./iceberg/options.ts";
import type { LakeOptions } from "./lake/options.ts";
import type { SnowflakeOptions } from "./snowflake/options.ts";

export type DestinationOptions = LakeOptions | IcebergOptions | BigQueryOptions | SnowflakeOptions;
export type DestinationType = DestinationOptions["type"];
export type OptionsOf<T extends DestinationType> = Extract<DestinationOptions, { readonly type: T }>;

const IS_LAKE = { s3: true, file: true, iceberg: false, bigquery: false, snowflake: false } as const satisfies {
  readonly [T in DestinationType]: OptionsOf<T> extends LakeOptions ? true : false;
};

/** Whether the destination is files, which readers need SQL for (lake/read_sql). */
export function isLake(options: DestinationOptions): options is LakeOptions {
  return IS_LAKE[options.type];
}
