/** The live files of a table's current snapshot, with the deletes that apply to each. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { LoadedTable } from "../catalog/catalog.ts";
import { type ManifestEntry, readManifest } from "../table_format/manifest.ts";
import { type ManifestFile, readManifestList } from "../table_format/manifest_list.ts";
import { currentSnapshot, type Snapshot, type TableMetadata } from "../table_format/metadata.ts";
import type { IcebergContext } from "./context.ts";
import { DeadRows } from "./dead_rows.ts";
import { readDeletes } from "./position_deletes.ts";
import type { Storage } from "./storage.ts";
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

/** @throws ReplayportError for a table that has files Replayport can't keep right */
export async function readState(
  context: IcebergContext,
  loaded: LoadedTable,
  signal: AbortSignal,
): Promise<TableState> {
  const { metadata } = loaded;
  const storage = context.storage(loaded);
  const snapshot = currentSnapshot(metadata);
  const manifests = snapshot
    ? readManifestList(await storage.read(snapshot.manifestList, signal), snapshot.manifestList)
    : [];
  refusePartitions(context, metadata, manifests);
  const data: Omit<DataEntry, "deletes" | "shared">[] = [];
  const deletes: { entry: ManifestEntry; manifest: ManifestFile }[] = [];
  for (const manifest of manifests) {
    const entries = await context.caches.manifests.get(manifest.path, async () =>
      readManifest(await storage.read(manifest.path, signal), manifest),
    );
    for (const entry of entries) {
      if (entry.status === "deleted") continue;
      refuseFile(context, entry);
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

function refusePartitions(
  { tableName }: IcebergContext,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
): void {
  const partitioned = new Set(metadata.specs.filter(({ fields }) => fields.length > 0).map(({ id }) => id));
  const sorted = metadata.sortOrders.some(({ id, fields }) => id === metadata.defaultSortOrderId && fields.length > 0);
  const problem =
    metadata.formatVersion !== 2
      ? `it has format version ${metadata.formatVersion}; Replayport writes version 2`
      : partitioned.has(metadata.defaultSpecId) || manifests.some(({ specId }) => partitioned.has(specId))
        ? "it's partitioned"
        : sorted
          ? "it has a sort order"
          : undefined;
  if (problem !== undefined) throw unsupported(tableName, problem);
}

function refuseFile({ tableName }: IcebergContext, { file }: ManifestEntry): void {
  const problem =
    file.content === "equality-deletes"
      ? "it has equality deletes"
      : file.format === "PUFFIN" || file.contentOffset !== undefined
        ? "it has deletion vectors"
        : file.format !== "PARQUET"
          ? `it has files of the format ${file.format}`
          : file.keyMetadata !== undefined
            ? "its files are encrypted"
            : undefined;
  if (problem !== undefined) throw unsupported(tableName, problem);
}

function unsupported(tableName: string, problem: string): ReplayportError {
  return new ReplayportError(
    `${tableName} can't be kept current: ${problem}`,
    giveUp(
      "iceberg.unsupported_table",
      "Load into a new table: Replayport creates it as format version 2, without partitions and sort order. An engine that writes " +
        "equality deletes must not write to it.",
    ),
  );
}
