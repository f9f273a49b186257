/** The live files of a table's current snapshot, with the deletes that apply to each. */
import type { LoadedTable } from "../catalog/catalog.ts";
import { type ManifestEntry, readManifest } from "../table_format/manifest.ts";
import { type ManifestFile, readManifestList } from "../table_format/manifest_list.ts";
import { currentSnapshot, type Snapshot, type TableMetadata } from "../table_format/metadata.ts";
import type { IcebergContext } from "./context.ts";
import { DeadRows } from "./dead_rows.ts";
import { readDeletes } from "./position_deletes.ts";
import { refuseAddress, type Storage } from "./storage.ts";
import { refuseFile, refuseUnsupported } from "./supported.ts";
import { deletedFrom } from "../table_format/position_deletes.ts";

export interface DataEntry {
  readonly entry: ManifestEntry;
  readonly manifest: ManifestFile;
  /** Position deletes that mark rows of this file only. */
  readonly deletes: readonly ManifestEntry[];
  /** Position deletes of others that mark rows of several files, maybe of this one. */
  readonly shared: readonly ManifestEntry[];
}

/** What a commit builds on. */
export interface TableState {
  readonly loaded: LoadedTable;
  readonly metadata: TableMetadata;
  readonly storage: Storage;
  readonly snapshot: Snapshot | undefined;
  readonly manifests: readonly ManifestFile[];
  /** The newest first. */
  readonly data: readonly DataEntry[];
  /** All live delete files, each with its manifest. */
  readonly deletes: readonly { readonly entry: ManifestEntry; readonly manifest: ManifestFile }[];
}

/** @throws ReplayportError `iceberg.unsupported_table` */
export async function readState(
  context: IcebergContext,
  loaded: LoadedTable,
  signal: AbortSignal,
): Promise<TableState> {
  const { metadata } = loaded;
  refuseUnsupported(context.tableName, metadata);
  refuseAddress(metadata.location);
  const storage = context.storage(loaded);
  const snapshot = currentSnapshot(metadata);
  const manifests = snapshot
    ? await context.caches.lists.get(snapshot.manifestList, async () =>
        readManifestList(await storage.read(snapshot.manifestList, signal), snapshot.manifestList),
      )
    : [];
  const data: Omit<DataEntry, "deletes" | "shared">[] = [];
  const deletes: { entry: ManifestEntry; manifest: ManifestFile }[] = [];
  for (const manifest of manifests) {
    const entries = await context.caches.manifests.get(manifest.path, async () =>
      readManifest(await storage.read(manifest.path, signal), manifest),
    );
    for (const entry of entries) {
      if (entry.status === "deleted") continue;
      refuseFile(context.tableName, entry, manifest, metadata);
      (entry.file.content === "data" ? data : deletes).push({ entry, manifest });
    }
  }
  const byPath = Map.groupBy(
    deletes.map(({ entry }) => entry),
    ({ file }) => deletedFrom(file),
  );
  const appliesTo = (some: readonly ManifestEntry[] = [], to: ManifestEntry): readonly ManifestEntry[] =>
    some.filter((one) => one.sequenceNumber >= to.sequenceNumber);
  return {
    loaded,
    metadata,
    storage,
    snapshot,
    manifests,
    deletes,
    data: data
      .sort((one, other) => other.entry.sequenceNumber - one.entry.sequenceNumber)
      .map((one) => ({
        ...one,
        deletes: appliesTo(byPath.get(one.entry.file.path), one.entry),
        shared: appliesTo(byPath.get(undefined), one.entry),
      })),
  };
}

/** The rows of a file that are dead already; undefined for none. */
export async function deadRows(
  context: IcebergContext,
  state: TableState,
  { entry, deletes, shared }: DataEntry,
  signal: AbortSignal,
): Promise<DeadRows | undefined> {
  const { path, rows } = entry.file;
  const dead = new DeadRows(rows);
  for (const one of [...deletes, ...shared]) {
    const positions = (await readDeletes(context, state.storage, one.file, signal)).get(path) ?? [];
    for (const position of positions) dead.add(position);
  }
  return dead.count === 0 ? undefined : dead;
}
