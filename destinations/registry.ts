/**
 * Which folder loads which type of destination. An SDK is loaded when a config names its destination, not before: all of
 * them together take a second. A type without a conformance harness fails the tests.
 */
import type { Destination } from "./destination.ts";
import type { LakeDeps, LakeExport, LakeOptions } from "./lake/index.ts";
import type { DestinationOptions, DestinationType, OptionsOf } from "./options.ts";

export type ForExport = LakeExport;
export type DestinationDeps = LakeDeps;

type Open<Options> = (options: Options, forExport: ForExport, deps: DestinationDeps) => Destination;

const lake = async (): Promise<Open<LakeOptions>> => (await import("./lake/index.ts")).openLake;

export const OPENERS = {
  s3: lake,
  file: lake,
  bigquery: async () => (await import("./bigquery/index.ts")).openBigQuery,
  snowflake: async () => (await import("./snowflake/index.ts")).openSnowflake,
} as const satisfies { readonly [T in DestinationType]: () => Promise<Open<OptionsOf<T>>> };

/** Opens a destination for one export. Nothing is asked of the other side yet. */
export type OpenDestination = Open<DestinationOptions>;

/** @param types of the destinations that are going to be opened; others throw */
export async function loadDestinations(types: Iterable<DestinationType>): Promise<OpenDestination> {
  const openers = new Map<DestinationType, OpenDestination>();
  for (const type of types) {
    // Each opener takes the options of its own type, under which it stands.
    openers.set(type, (await OPENERS[type]()) as OpenDestination);
  }
  return (options, forExport, deps) => {
    const open = openers.get(options.type);
    if (open === undefined) throw new Error(`destinations of type ${options.type} were not loaded`);
    return open(options, forExport, deps);
  };
}
