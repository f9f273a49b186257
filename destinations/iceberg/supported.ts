/**
 * Which tables Replayport writes to. What it doesn't understand it must neither change nor lose: such a table is refused before
 * anything is written. All else stays as it is, since a commit names only what it changes. Pure.
 */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { ManifestEntry } from "../table_format/manifest.ts";
import { FORMAT_VERSION, type ManifestFile } from "../table_format/manifest_list.ts";
import { currentSchema, currentSnapshot, type TableMetadata } from "../table_format/metadata.ts";
import { fieldIds } from "../table_format/schema.ts";
import { folders } from "./names.ts";

const NEW_TABLE =
  "Load into a new table: Replayport creates it as format version 2, without partitions and sort order. An engine that writes " +
  "equality deletes must not write to it.";

/** @throws ReplayportError `iceberg.unsupported_table` */
export function refuseUnsupported(tableName: string, metadata: TableMetadata): void {
  refuse(tableName, ...problemOf(metadata));
}

/** A live file of the table, and its manifest. @throws ReplayportError `iceberg.unsupported_table` */
export function refuseFile(
  tableName: string,
  { file }: ManifestEntry,
  manifest: ManifestFile,
  { defaultSpecId }: TableMetadata,
): void {
  const unknown = manifest.unknown ?? file.unknown;
  const problem =
    manifest.specId !== defaultSpecId
      ? "some of its files belong to another partition spec"
      : file.content === "equality-deletes"
        ? "it has equality deletes"
        : file.format === "PUFFIN" || file.contentOffset !== undefined
          ? "it has deletion vectors"
          : file.format !== "PARQUET"
            ? `it has files of the format ${file.format}`
            : manifest.encrypted === true || file.keyMetadata !== undefined
              ? "its files are encrypted"
              : unknown !== undefined
                ? `its manifests have a field that Replayport doesn't know, ${unknown}`
                : undefined;
  refuse(tableName, problem);
}

function problemOf(metadata: TableMetadata): readonly [problem?: string, hint?: string] {
  const { formatVersion, properties, specs, sortOrders, snapshots, currentSnapshotId, refs } = metadata;
  if (formatVersion === 1) {
    const hint = "Upgrade it with an engine: ALTER TABLE … SET TBLPROPERTIES ('format-version' = '2').";
    return ["it has format version 1; Replayport writes version 2", hint];
  }
  if (formatVersion !== FORMAT_VERSION) return [`it has format version ${formatVersion}; Replayport writes version 2`];
  const spec = specs.find(({ id }) => id === metadata.defaultSpecId);
  if (!spec) return [`it has no partition spec ${metadata.defaultSpecId}, which it says is its own`];
  if (spec.fields.length > 0) return ["it's partitioned"];
  // A sort order of 0 is none, and may not be listed.
  const order = sortOrders.find(({ id }) => id === metadata.defaultSortOrderId);
  if (metadata.defaultSortOrderId !== 0 && !order)
    return [`it has no sort order ${metadata.defaultSortOrderId}, which it says is its own`];
  if (order && order.fields.length > 0) return ["it has a sort order"];
  if (metadata.encrypted || snapshots.some(({ encrypted }) => encrypted)) return ["it's encrypted"];
  const highest = Math.max(0, ...metadata.schemas.flatMap((schema) => [...fieldIds(schema).values()]));
  if (highest > metadata.lastColumnId)
    return [`it has a column ${highest}, and says that ${metadata.lastColumnId} is the last`];
  void currentSchema(metadata);
  const current = currentSnapshot(metadata);
  if (currentSnapshotId !== undefined && !current) return ["its metadata lacks its current snapshot"];
  if (current?.manifestList === "") return ["its current snapshot has no list of manifests"];
  const main = refs["main"];
  if (main && main.snapshotId !== currentSnapshotId) return ["its branch `main` isn't its current snapshot"];
  if (main && main.type !== "branch") return ["its `main` is a tag"];
  return propertyProblem(metadata.location, properties);
}

/** Properties that say how a writer must write, and that we would break. docs/iceberg.md lists those that are harmless. */
function propertyProblem(
  location: string,
  properties: TableMetadata["properties"],
): readonly [problem?: string, hint?: string] {
  const [data, metadata] = folders(location);
  const unset = (name: string): string =>
    `Remove the property with an engine: ALTER TABLE … UNSET TBLPROPERTIES ('${name}').`;
  for (const [name, value] of Object.entries(properties)) {
    const folder = DATA_PATHS.has(name) ? data : name === METADATA_PATH ? metadata : undefined;
    if (folder !== undefined && `${value.replace(/\/+$/, "")}/` !== folder)
      return [`its property ${name} sends files to ${value}; Replayport writes to ${folder}`, unset(name)];
    if (name === "write.location-provider.impl")
      return [`its property ${name} chooses the names of files`, unset(name)];
    if (name.startsWith("encryption.")) return [`its property ${name} asks for encryption`];
  }
  return [];
}

/** A folder elsewhere may be other tables' too, and then Replayport would take their files for leftovers. */
const DATA_PATHS: ReadonlySet<string> = new Set([
  "write.data.path",
  "write.object-storage.path",
  "write.folder-storage.path",
]);
const METADATA_PATH = "write.metadata.path";

function refuse(tableName: string, problem?: string, hint = NEW_TABLE): void {
  if (problem === undefined) return;
  throw new ReplayportError(
    `${tableName} can't be kept current: ${problem}`,
    giveUp("iceberg.unsupported_table", hint),
  );
}
