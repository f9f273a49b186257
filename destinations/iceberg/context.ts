import type { OnDelete } from "../../src/models/deletion.ts";
import type { Catalog, LoadedTable, TableId } from "../catalog/catalog.ts";
import type { DestinationDeps } from "../destination.ts";
import type { PackedKeys } from "../keys/packed_keys.ts";
import type { ManifestEntry } from "../table_format/manifest.ts";
import type { ManifestFile } from "../table_format/manifest_list.ts";
import type { Cache } from "./cache.ts";
import type { Ledger } from "./ledger_file.ts";
import type { Storage } from "./storage.ts";

/** What every part of the destination works with. */
export interface IcebergContext extends DestinationDeps {
  readonly catalog: Catalog;
  readonly table: TableId;
  /** For messages: `posthog.session_replays`. */
  readonly tableName: string;
  readonly export: string;
  readonly onDelete: OnDelete;
  readonly keepSnapshotsMs: number;
  /** Where a new table goes. Undefined: the catalog chooses. */
  readonly location: string | undefined;
  readonly storage: (loaded: LoadedTable | undefined) => Storage;
  /** Files never change, so what was read of them is kept by path. */
  readonly caches: {
    readonly lists: Cache<readonly ManifestFile[]>;
    readonly manifests: Cache<readonly ManifestEntry[]>;
    readonly keys: Cache<PackedKeys>;
    readonly deletes: Cache<ReadonlyMap<string, readonly number[]>>;
    readonly ledgers: Cache<Ledger>;
  };
}
