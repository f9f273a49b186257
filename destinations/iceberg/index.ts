/** The Iceberg destination: a table in a REST catalog with one current row of each key, and its ledger beside it. */
import { type Catalog, openCatalog } from "../catalog/catalog.ts";
import { type Destination, type DestinationDeps, type DestinationExport, FILE_BYTES } from "../destination.ts";
import { PACKED_WORDS } from "../keys/packed_keys.ts";
import { S3Store } from "../store/s3_store.ts";
import { Cache } from "./cache.ts";
import type { IcebergContext } from "./context.ts";
import { Iceberg } from "./iceberg.ts";
import type { IcebergOptions } from "./options.ts";
import { type OpenStore, Stores } from "./storage.ts";

export type { IcebergOptions, IcebergStorage } from "./options.ts";

const KEEP_SNAPSHOTS_MS = 5 * 86_400_000;
/** About 110 MB. */
const CACHED_ROWS = 2_000_000;
const CACHED_ENTRIES = 5_000;
const CACHED_POSITIONS = 2_000_000;
const CACHED_RECEIPTS = 50_000;

/** Sends nothing yet. */
export function openIceberg(options: IcebergOptions, forExport: DestinationExport, deps: DestinationDeps): Destination {
  return openIcebergOn(openCatalog(options.catalog), (bucket) => new S3Store(bucket), options, forExport, deps);
}

/** On any catalog and stores, for tests of crashes. */
export function openIcebergOn(
  catalog: Catalog,
  openStore: OpenStore,
  options: IcebergOptions,
  { export: name }: DestinationExport,
  deps: DestinationDeps,
): Destination {
  const { namespace, table = name, storage = {}, onDelete = "tombstone" } = options;
  const stores = new Stores(storage, openStore);
  const context: IcebergContext = {
    ...deps,
    catalog,
    table: { namespace, name: table },
    tableName: [...namespace, table].join("."),
    export: name,
    onDelete,
    keepSnapshotsMs: options.keepSnapshotsMs ?? KEEP_SNAPSHOTS_MS,
    location: locationOf(options, table),
    storage: (loaded) => stores.storage(loaded),
    caches: {
      keys: new Cache(CACHED_ROWS * PACKED_WORDS, ({ words }) => words.length),
      lists: new Cache(CACHED_ENTRIES, (manifests) => manifests.length + 1),
      manifests: new Cache(CACHED_ENTRIES, (entries) => entries.length + 1),
      deletes: new Cache(CACHED_POSITIONS, (byPath) => [...byPath.values()].reduce((sum, one) => sum + one.length, 1)),
      ledgers: new Cache(CACHED_RECEIPTS, ({ receipts }) => receipts.length + 1),
    },
  };
  return new Iceberg(context, options.fileBytes ?? FILE_BYTES, () => stores[Symbol.asyncDispose]());
}

/** `s3://bucket/prefix/namespace/table`. */
function locationOf({ namespace, storage }: IcebergOptions, table: string): string | undefined {
  if (storage?.bucket === undefined) return undefined;
  return ["s3:/", storage.bucket, ...(storage.prefix === undefined ? [] : [storage.prefix]), ...namespace, table].join(
    "/",
  );
}
