/** The files of a manifest, which of them a commit added, kept or removed. https://iceberg.apache.org/spec/#manifests */
import { z } from "zod";
import { messageOf } from "../../src/errors.ts";
import { type AvroValue, readAvro } from "../avro/read.ts";
import { writeAvro } from "../avro/write.ts";
import { printJson } from "./json.ts";
import { asUnknown, MANIFEST_ENTRY, nameById, unknownField } from "./manifest_avro.ts";
import { FORMAT_VERSION, type ManifestContent, type ManifestFile } from "./manifest_list.ts";
import { schemaJson, type IcebergSchema } from "./schema_json.ts";
import { unreadable } from "./unreadable.ts";

export type FileContent = "data" | "position-deletes" | "equality-deletes";
const CONTENTS = ["data", "position-deletes", "equality-deletes"] as const satisfies readonly FileContent[];

export type ByField<Value> = ReadonlyMap<number, Value>;

export interface DataFile {
  readonly content: FileContent;
  readonly path: string;
  /** `PARQUET`, or in others' tables `ORC`, `AVRO`, `PUFFIN`. */
  readonly format: string;
  readonly rows: number;
  readonly bytes: number;
  readonly columnSizes?: ByField<number> | undefined;
  readonly valueCounts?: ByField<number> | undefined;
  readonly nullCounts?: ByField<number> | undefined;
  readonly nanCounts?: ByField<number> | undefined;
  /** As bounds.ts has them. Others' may be cut: lower is at most the lowest value, upper at least the highest. */
  readonly lowerBounds?: ByField<Uint8Array> | undefined;
  readonly upperBounds?: ByField<Uint8Array> | undefined;
  readonly keyMetadata?: Uint8Array | undefined;
  readonly splitOffsets?: readonly number[] | undefined;
  readonly equalityIds?: readonly number[] | undefined;
  readonly sortOrderId?: number | undefined;
  /** The one data file whose rows position deletes mark. */
  readonly referencedDataFile?: string | undefined;
  /** Where a deletion vector is in its file. Format 3 only. */
  readonly contentOffset?: number | undefined;
  /** The name of a field that it has and that isn't above. */
  readonly unknown?: string | undefined;
}

export interface ManifestEntry {
  readonly status: EntryStatus;
  /** The snapshot that added the file; of a deleted one, that deleted it. */
  readonly snapshotId: bigint;
  /** Deletes apply to data files of a lower number; position deletes to those of the same one too. */
  readonly sequenceNumber: number;
  readonly fileSequenceNumber: number;
  readonly file: DataFile;
}

const STATUSES = ["existing", "added", "deleted"] as const;
export type EntryStatus = (typeof STATUSES)[number];

const LONG = z.union([z.int(), z.bigint()]);
const OPTIONAL = <Type extends z.ZodType>(type: Type) => type.nullish().transform((value) => value ?? undefined);
/** A map, as pairs. */
const pairs = <Value extends z.ZodType>(value: Value) => OPTIONAL(z.array(z.object({ key: z.int(), value })));
const byKey = <Value>(found: readonly { readonly key: number; readonly value: Value }[] | undefined) =>
  found && new Map(found.map(({ key, value }) => [key, value]));
const COUNTS = pairs(LONG.transform(Number)).transform(byKey);
const BYTES = z.instanceof(Uint8Array);
const BOUNDS = pairs(BYTES).transform(byKey);
const ENTRY = z.object({
  status: z.int(),
  snapshot_id: OPTIONAL(LONG.transform(BigInt)),
  sequence_number: OPTIONAL(z.int()),
  file_sequence_number: OPTIONAL(z.int()),
  data_file: z.object({
    content: z.int().default(0),
    file_path: z.string(),
    file_format: z.string(),
    record_count: z.int(),
    file_size_in_bytes: z.int(),
    column_sizes: COUNTS,
    value_counts: COUNTS,
    null_value_counts: COUNTS,
    nan_value_counts: COUNTS,
    lower_bounds: BOUNDS,
    upper_bounds: BOUNDS,
    key_metadata: OPTIONAL(BYTES),
    split_offsets: OPTIONAL(z.array(z.int())),
    equality_ids: OPTIONAL(z.array(z.int())),
    sort_order_id: OPTIONAL(z.int()),
    referenced_data_file: OPTIONAL(z.string()),
    content_offset: OPTIONAL(z.int()),
  }),
});

/**
 * All entries, those of deleted files too.
 * @param manifest as the list describes it: new entries take their snapshot and sequence number from it
 * @throws ReplayportError `iceberg.unreadable`
 */
export function readManifest(
  bytes: Uint8Array,
  manifest: Pick<ManifestFile, "path" | "addedSnapshotId" | "sequenceNumber">,
): readonly ManifestEntry[] {
  try {
    return readAvro(bytes, nameById).records.map((record) => entryOf(record, manifest));
  } catch (error) {
    throw unreadable(manifest.path, messageOf(error), error);
  }
}

function entryOf(record: AvroValue, manifest: Pick<ManifestFile, "addedSnapshotId" | "sequenceNumber">): ManifestEntry {
  const { data_file: file, ...entry } = ENTRY.parse(record);
  const { data_file: raw = null, ...rest } = record as { readonly [name: string]: AvroValue };
  const status = STATUSES[entry.status];
  const content = CONTENTS[file.content];
  if (status === undefined || content === undefined) throw new Error(`an unknown status or kind of ${file.file_path}`);
  // A manifest of format 1 has the number 0, and so have its files.
  const inherits = status === "added" || manifest.sequenceNumber === 0;
  const sequenceNumber = entry.sequence_number ?? (inherits ? manifest.sequenceNumber : undefined);
  if (sequenceNumber === undefined) throw new Error(`${file.file_path} has no sequence number`);
  return {
    status,
    snapshotId: entry.snapshot_id ?? manifest.addedSnapshotId,
    sequenceNumber,
    fileSequenceNumber: entry.file_sequence_number ?? (inherits ? manifest.sequenceNumber : sequenceNumber),
    file: {
      content,
      path: file.file_path,
      format: file.file_format.toUpperCase(),
      rows: file.record_count,
      bytes: file.file_size_in_bytes,
      columnSizes: file.column_sizes,
      valueCounts: file.value_counts,
      nullCounts: file.null_value_counts,
      nanCounts: file.nan_value_counts,
      lowerBounds: file.lower_bounds,
      upperBounds: file.upper_bounds,
      keyMetadata: file.key_metadata,
      splitOffsets: file.split_offsets,
      equalityIds: file.equality_ids,
      sortOrderId: file.sort_order_id,
      referencedDataFile: file.referenced_data_file,
      contentOffset: file.content_offset,
      ...asUnknown(unknownField(rest) ?? unknownField(raw)),
    },
  };
}

/**
 * An entry to write. A new file takes its sequence number from the manifest, unless its rows have been in the table since an
 * earlier one; a file that was there before keeps its own.
 */
export type NewEntry =
  | { readonly status: "added"; readonly file: DataFile; readonly sequenceNumber?: number | undefined }
  | (Omit<ManifestEntry, "status"> & { readonly status: "existing" | "deleted" });

export interface ManifestContents {
  readonly content: ManifestContent;
  readonly schema: IcebergSchema;
  /** The one without partitions. */
  readonly specId: number;
  /** The commit that the manifest belongs to. Files that it deletes are marked with it. */
  readonly snapshotId: bigint;
  /** In a manifest of deletes only position deletes; one at least. */
  readonly entries: readonly NewEntry[];
}

export interface WrittenManifest {
  readonly bytes: Uint8Array;
  /**
   * The manifest for the list.
   * @param sequenceNumber of the commit: another one after each conflict, while the bytes stay
   */
  readonly describe: (path: string, sequenceNumber: number) => ManifestFile;
}

/** Of an unpartitioned table. */
export function writeManifest({ content, schema, specId, snapshotId, entries }: ManifestContents): WrittenManifest {
  const bytes = writeAvro({
    schema: MANIFEST_ENTRY,
    metadata: {
      schema: printJson(schemaJson(schema)),
      "schema-id": String(schema.id),
      "partition-spec": "[]",
      "partition-spec-id": String(specId),
      "format-version": String(FORMAT_VERSION),
      content,
    },
    records: entries.map((entry) => ({
      status: STATUSES.indexOf(entry.status),
      snapshot_id: entry.status === "existing" ? entry.snapshotId : snapshotId,
      sequence_number: entry.sequenceNumber ?? null,
      file_sequence_number: entry.status === "added" ? null : entry.fileSequenceNumber,
      data_file: fileRecord(entry.file),
    })),
  });
  const count = (status: EntryStatus): { readonly files: number; readonly rows: number } => {
    const found = entries.filter((entry) => entry.status === status);
    return { files: found.length, rows: found.reduce((rows, { file }) => rows + file.rows, 0) };
  };
  const [added, existing, deleted] = [count("added"), count("existing"), count("deleted")];
  const carried = entries.flatMap(({ status, sequenceNumber }) =>
    status === "deleted" || sequenceNumber === undefined ? [] : [sequenceNumber],
  );
  return {
    bytes,
    describe: (path, sequenceNumber) => ({
      path,
      length: bytes.length,
      specId,
      content,
      sequenceNumber,
      minSequenceNumber: carried.reduce((lowest, one) => Math.min(lowest, one), sequenceNumber),
      addedSnapshotId: snapshotId,
      addedFiles: added.files,
      existingFiles: existing.files,
      deletedFiles: deleted.files,
      addedRows: added.rows,
      existingRows: existing.rows,
      deletedRows: deleted.rows,
    }),
  };
}

function fileRecord(file: DataFile): AvroValue {
  const mapped = (values: ByField<number | Uint8Array> | undefined): AvroValue =>
    values ? [...values].sort(([a], [b]) => a - b).map(([key, value]) => ({ key, value })) : null;
  return {
    content: CONTENTS.indexOf(file.content),
    file_path: file.path,
    file_format: file.format,
    partition: {},
    record_count: file.rows,
    file_size_in_bytes: file.bytes,
    column_sizes: mapped(file.columnSizes),
    value_counts: mapped(file.valueCounts),
    null_value_counts: mapped(file.nullCounts),
    nan_value_counts: mapped(file.nanCounts),
    lower_bounds: mapped(file.lowerBounds),
    upper_bounds: mapped(file.upperBounds),
    key_metadata: file.keyMetadata ?? null,
    split_offsets: file.splitOffsets ?? null,
    equality_ids: file.equalityIds ?? null,
    sort_order_id: file.sortOrderId ?? null,
    referenced_data_file: file.referencedDataFile ?? null,
  };
}
