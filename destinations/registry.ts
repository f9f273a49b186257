/** Which folder loads which type of destination. A type without a conformance harness fails the tests. */
import type { Destination } from "./destination.ts";
import { type LakeDeps, type LakeExport, type LakeOptions, openLake } from "./lake/index.ts";

export type DestinationOptions = LakeOptions;
export type ForExport = LakeExport;
export type DestinationDeps = LakeDeps;

type Opener = (options: DestinationOptions, forExport: ForExport, deps: DestinationDeps) => Destination;

export const OPENERS = { s3: openLake, file: openLake } as const satisfies Record<DestinationOptions["type"], Opener>;

/** Opens a destination for one export. Nothing is asked of the other side yet. */
export function openDestination(options: DestinationOptions, forExport: ForExport, deps: DestinationDeps): Destination {
  return OPENERS[options.type](options, forExport, deps);
}
