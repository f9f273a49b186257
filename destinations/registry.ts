/**
 * Which folder loads which type of destination. An SDK is loaded only when a config names its destination: loading all of
 * them takes a second. A type without a conformance harness doesn't compile (test/conformance/harnesses.ts).
 */
import type { Destination, DestinationDeps, DestinationExport } from "./destination.ts";
import type { DestinationOptions, DestinationType, OptionsOf } from "./options.ts";

type Open<Options> = (options: Options, forExport: DestinationExport, deps: DestinationDeps) => Destination;

export const OPENERS = {
  s3: async () => (await import("./lake/s3.ts")).openS3Lake,
  file: async () => (await import("./lake/index.ts")).openFileLake,
  iceberg: async () => (await import("./iceberg/index.ts")).openIceberg,
  bigquery: async () => (await import("./bigquery/index.ts")).openBigQuery,
  snowflake: async () => (await import("./snowflake/index.ts")).openSnowflake,
} as const satisfies { readonly [T in DestinationType]: () => Promise<Open<OptionsOf<T>>> };

/** Opens a destination for one export. Sends nothing yet. */
export type OpenDestination = Open<DestinationOptions>;

/** @param types the types to open later; the function throws for any other */
export async function loadDestinations(types: Iterable<DestinationType>): Promise<OpenDestination> {
  const openers = new Map<DestinationType, OpenDestination>();
  for (const type of types) {
    // The map has each opener under the type of its options.
    openers.set(type, (await OPENERS[type]()) as OpenDestination);
  }
  return (options, forExport, deps) => {
    const open = openers.get(options.type);
    if (open === undefined) throw new Error(`destinations of type ${options.type} weren't loaded`);
    return open(options, forExport, deps);
  };
}
