/**
 * A manifest: which files a batch has put into the lake, and its receipt. One line of JSON, so that query engines can read a
 * folder of manifests as a table.
 *
 * Terminology
 * - lake: a folder tree of data files and manifests, on S3 or on local disk, with the same layout on both.
 * - manifest: a file in the lake that lists the data files of a batch. It is written last, so it is the commit.
 */
import { z } from "zod";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import { type Batch, FILE_FORMATS, type Receipt, type Totals } from "../destination.ts";
import { receiptOf } from "../receipts.ts";

/** Grows when a reader of manifests would have to change. */
export const LAYOUT = 1;

const time = z.iso.datetime().transform((text) => new Date(text));
const count = z.int().nonnegative();

const manifestSchema = z.looseObject({
  layout: z.literal(LAYOUT),
  replayport: z.string(),
  source: z.string(),
  export: z.string(),
  interval: z.object({ start: time, end: time }),
  attempt: z.string(),
  fingerprint: z.string(),
  format: z.enum(FILE_FORMATS),
  readAt: time,
  committedAt: time,
  rows: count,
  bytes: count,
  files: z.array(z.object({ key: z.string(), rows: count, bytes: count, sha256: z.string() })),
  columns: z.array(z.object({ name: z.string(), type: z.string(), nullable: z.boolean() })),
  key: z.array(z.string()),
  replaces: z.array(z.string()),
  /** Manifests of 0.1.0 lack it. */
  sourceColumns: z.array(z.string()).readonly().optional(),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest["files"][number];

export interface ManifestInput {
  readonly replayport: string;
  /** By the worker's clock, just before the commit. Receipts carry the store's own time. */
  readonly committedAt: Date;
  readonly files: readonly ManifestFile[];
  readonly totals: Totals;
  /** The keys of the manifests that this one replaces. */
  readonly replaces: readonly string[];
}

export function manifestOf(
  batch: Batch,
  { replayport, committedAt, files, totals, replaces }: ManifestInput,
): Manifest {
  return {
    layout: LAYOUT,
    replayport,
    source: batch.sourceVersion,
    format: batch.format,
    ...receiptOf(batch, totals, committedAt),
    files: [...files],
    columns: batch.columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
    key: [...batch.key],
    replaces: [...replaces],
  };
}

/** Times become ISO 8601 in UTC. */
export function encodeManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest)}\n`;
}

/** @throws ReplayportError `lake.broken_manifest`; `where` names the object in its message. */
export function decodeManifest(text: string, where: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new ReplayportError(
      `can't read the manifest ${where}: ${detail}`,
      giveUp(
        "lake.broken_manifest",
        "If a newer Replayport wrote it, use that version. Otherwise move the file out of the folder: " +
          "its interval is then due again, and loading it repairs the lake.",
      ),
    );
  }
}

/** `committedAt` is the store's time of the manifest, so that `receipts` and `covered` agree. */
export function manifestReceipt(manifest: Manifest, committedAt: Date): Receipt {
  const { rows, bytes, files } = manifest;
  return receiptOf(manifest, { rows, bytes, files: files.length }, committedAt);
}
