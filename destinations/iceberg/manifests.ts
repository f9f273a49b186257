/** The manifests of the next snapshot: which stay as they are, and which are written. Pure. */
import { type DataFile, type NewEntry, writeManifest, type WrittenManifest } from "../table_format/manifest.ts";
import type { ManifestFile } from "../table_format/manifest_list.ts";
import type { IcebergSchema } from "../table_format/schema.ts";
import type { AddedFile } from "./change.ts";
import type { TableState } from "./snapshot.ts";

/** More are merged into one, so that a year of loads isn't a year of manifests. */
const MOST_MANIFESTS = 16;
/** Larger ones aren't merged any more: each merge would write all of it again. */
const LARGE_BYTES = 8 * 1024 * 1024;

export interface FileChanges {
  readonly added: readonly Pick<AddedFile, "file" | "sequenceNumber">[];
  /** Paths of data files that leave the table. */
  readonly dropped: ReadonlySet<string>;
  /** New position deletes. */
  readonly deletes: readonly DataFile[];
  /** Paths of position deletes that leave the table. */
  readonly removed: ReadonlySet<string>;
}

export type NextManifest = { readonly kept: ManifestFile } | { readonly written: WrittenManifest };

export function nextManifests(
  state: TableState,
  { added, dropped, deletes, removed }: FileChanges,
  schema: IcebergSchema,
  snapshotId: bigint,
): NextManifest[] {
  const write = (content: ManifestFile["content"], entries: readonly NewEntry[]): NextManifest[] =>
    entries.length === 0
      ? []
      : [{ written: writeManifest({ content, schema, specId: state.metadata.defaultSpecId, snapshotId, entries }) }];
  const newData = added.map(({ file, sequenceNumber }): NewEntry => ({
    status: "added",
    file,
    ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
  }));
  const data = Map.groupBy(state.data, ({ manifest }) => manifest);
  const small = [...data.keys()].filter(({ length }) => length < LARGE_BYTES);
  const merging = small.length + (added.length > 0 ? 1 : 0) > MOST_MANIFESTS;
  const merged: NewEntry[] = merging ? newData : [];
  const next: NextManifest[] = merging ? [] : write("data", newData);
  for (const [manifest, files] of data) {
    const entries = files.map(({ entry }) => carried(entry, dropped));
    if (merging && manifest.length < LARGE_BYTES) merged.push(...entries);
    else if (entries.some(({ status }) => status === "deleted")) next.push(...write("data", entries));
    else next.push({ kept: manifest });
  }
  next.push(...write("data", merged));

  // Deletes are few, one for each data file at most: one manifest has them all.
  const byManifest = Map.groupBy(state.deletes, ({ manifest }) => manifest);
  if (deletes.length === 0 && removed.size === 0) next.push(...[...byManifest.keys()].map((kept) => ({ kept })));
  else
    next.push(
      ...write("deletes", [
        ...deletes.map((file): NewEntry => ({ status: "added", file })),
        ...state.deletes.map(({ entry }) => carried(entry, removed)),
      ]),
    );
  return next;
}

function carried(entry: Extract<TableState["data"][number]["entry"], object>, gone: ReadonlySet<string>): NewEntry {
  return { ...entry, status: gone.has(entry.file.path) ? "deleted" : "existing" };
}
