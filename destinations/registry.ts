/** Which folder loads which type of destination. A type without a conformance harness fails the tests. */
import { type BigQueryOptions, openBigQuery } from "./bigquery/index.ts";
import type { Destination } from "./destination.ts";
import { type LakeDeps, type LakeExport, type LakeOptions, openLake } from "./lake/index.ts";
import { openSnowflake, type SnowflakeOptions } from "./snowflake/index.ts";

export type DestinationOptions = LakeOptions | BigQueryOptions | SnowflakeOptions;
export type ForExport = LakeExport;
export type DestinationDeps = LakeDeps;

type Opener<Options> = (options: Options, forExport: ForExport, deps: DestinationDeps) => Destination;

export const OPENERS = {
  s3: openLake,
  file: openLake,
  bigquery: openBigQuery,
  snowflake: openSnowflake,
} as const satisfies {
  readonly [Type in DestinationOptions["type"]]: Opener<Extract<DestinationOptions, { type: Type }>>;
};

/** Opens a destination for one export. Nothing is asked of the other side yet. */
export function openDestination(options: DestinationOptions, forExport: ForExport, deps: DestinationDeps): Destination {
  switch (options.type) {
    case "s3":
    case "file":
      return OPENERS[options.type](options, forExport, deps);
    case "bigquery":
      return OPENERS[options.type](options, forExport, deps);
    case "snowflake":
      return OPENERS[options.type](options, forExport, deps);
    default:
      return options satisfies never;
  }
}
