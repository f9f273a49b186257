/** The list of a snapshot's manifests. https://iceberg.apache.org/spec/#manifest-lists */
import { z } from "zod";
import { messageOf } from "../../src/errors.ts";
import { readAvro } from "../avro/read.ts";
import { writeAvro } from "../avro/write.ts";
import { asUnknown, MANIFEST_FILE, nameById, unknownField } from "./manifest_avro.ts";
import { unreadable } from "./unreadable.ts";

export const FORMAT_VERSION = 2;

export type ManifestContent = "data" | "deletes";
const CONTENTS = ["data", "deletes"] as const satisfies readonly ManifestContent[];

/** A manifest as the list describes it. */
export interface ManifestFile {
  readonly path: string;
  readonly length: number;
  readonly specId: number;
  readonly content: ManifestContent;
  /** Of the commit that added the manifest. Entries without a number of their own have this one. */
  readonly sequenceNumber: number;
  /** The lowest of any live entry. */
  readonly minSequenceNumber: number;
  readonly addedSnapshotId: bigint;
  readonly addedFiles: number;
  readonly existingFiles: number;
  readonly deletedFiles: number;
  readonly addedRows: number;
  readonly existingRows: number;
  readonly deletedRows: number;
  readonly encrypted?: boolean;
  /** The name of a field that it has and that isn't above. */
  readonly unknown?: string | undefined;
}

const COUNT = z
  .int()
  .nullish()
  .transform((count) => count ?? 0);
const LISTED = z.object({
  manifest_path: z.string(),
  manifest_length: z.int(),
  partition_spec_id: z.int(),
  // What format 1 lacks has these values.
  content: z.int().default(0),
  sequence_number: z.int().default(0),
  min_sequence_number: z.int().default(0),
  added_snapshot_id: z.union([z.int(), z.bigint()]).nullish(),
  added_files_count: COUNT,
  existing_files_count: COUNT,
  deleted_files_count: COUNT,
  added_rows_count: COUNT,
  existing_rows_count: COUNT,
  deleted_rows_count: COUNT,
  key_metadata: z.instanceof(Uint8Array).nullish(),
});

/** @param path names the file in errors. @throws ReplayportError `iceberg.unreadable` */
export function readManifestList(bytes: Uint8Array, path: string): readonly ManifestFile[] {
  try {
    return readAvro(bytes, nameById).records.map((record) => {
      const one = LISTED.parse(record);
      const content = CONTENTS[one.content];
      if (content === undefined) throw new Error(`a manifest of an unknown kind, ${one.content}`);
      return {
        path: one.manifest_path,
        length: one.manifest_length,
        specId: one.partition_spec_id,
        content,
        sequenceNumber: one.sequence_number,
        minSequenceNumber: one.min_sequence_number,
        addedSnapshotId: BigInt(one.added_snapshot_id ?? 0),
        addedFiles: one.added_files_count,
        existingFiles: one.existing_files_count,
        deletedFiles: one.deleted_files_count,
        addedRows: one.added_rows_count,
        existingRows: one.existing_rows_count,
        deletedRows: one.deleted_rows_count,
        ...(one.key_metadata ? { encrypted: true } : {}),
        ...asUnknown(unknownField(record)),
      };
    });
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
}

export interface ManifestListContent {
  readonly snapshotId: bigint;
  readonly parentId: bigint | undefined;
  readonly sequenceNumber: number;
  readonly manifests: readonly ManifestFile[];
}

export function writeManifestList({
  snapshotId,
  parentId,
  sequenceNumber,
  manifests,
}: ManifestListContent): Uint8Array {
  return writeAvro({
    schema: MANIFEST_FILE,
    metadata: {
      "format-version": String(FORMAT_VERSION),
      "snapshot-id": String(snapshotId),
      "parent-snapshot-id": String(parentId ?? null),
      "sequence-number": String(sequenceNumber),
    },
    records: manifests.map((one) => ({
      manifest_path: one.path,
      manifest_length: one.length,
      partition_spec_id: one.specId,
      content: CONTENTS.indexOf(one.content),
      sequence_number: one.sequenceNumber,
      min_sequence_number: one.minSequenceNumber,
      added_snapshot_id: one.addedSnapshotId,
      added_files_count: one.addedFiles,
      existing_files_count: one.existingFiles,
      deleted_files_count: one.deletedFiles,
      added_rows_count: one.addedRows,
      existing_rows_count: one.existingRows,
      deleted_rows_count: one.deletedRows,
      // An empty list is what an unpartitioned table has; Java can't read a missing one.
      partitions: [],
    })),
  });
}
