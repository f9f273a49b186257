/**
 * A manifest: what one batch put into the lake, and the receipt of it. One line of JSON, so that query engines can read a
 * folder of them as a table.
 */
import { z } from "zod";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import type { Batch, Receipt } from "../destination.ts";

/** Grows when a reader of manifests would have to change. */
export const LAYOUT = 1;

const time = z.iso.datetime();
const count = z.int().nonnegative();

const manifestSchema = z.looseObject({
  layout: z.literal(LAYOUT),
  replayport: z.string(),
  source: z.string(),
  export: z.string(),
  interval: z.object({ start: time, end: time }),
  attempt: z.string(),
  fingerprint: z.string(),
  replace: z.boolean(),
  format: z.enum(["parquet", "jsonl", "csv"]),
  readAt: time,
  committedAt: time,
  rows: count,
  bytes: count,
  files: z.array(z.object({ key: z.string(), rows: count, bytes: count, sha256: z.string() })),
  columns: z.array(z.object({ name: z.string(), type: z.string(), nullable: z.boolean() })),
  key: z.array(z.string()),
  replaces: z.array(z.string()),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest["files"][number];

export interface ManifestFacts {
  readonly replayport: string;
  /** By the worker's clock, just before the commit. The store's own time is what counts. */
  readonly committedAt: Date;
  readonly files: readonly ManifestFile[];
  /** The keys of the manifests whose place this one takes. */
  readonly replaces: readonly string[];
}

export function manifestOf(batch: Batch, facts: ManifestFacts): Manifest {
  return {
    layout: LAYOUT,
    replayport: facts.replayport,
    source: batch.sourceVersion,
    export: batch.export,
    interval: { start: batch.interval.start.toISOString(), end: batch.interval.end.toISOString() },
    attempt: batch.attempt,
    fingerprint: batch.fingerprint,
    replace: batch.replace,
    format: batch.format,
    readAt: batch.readAt.toISOString(),
    committedAt: facts.committedAt.toISOString(),
    rows: facts.files.reduce((sum, file) => sum + file.rows, 0),
    bytes: facts.files.reduce((sum, file) => sum + file.bytes, 0),
    files: [...facts.files],
    columns: batch.columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
    key: [...batch.key],
    replaces: [...facts.replaces],
  };
}

export function encodeManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest)}\n`;
}

/** @throws ReplayportError `lake.broken_manifest`; `where` names the object in its message. */
export function decodeManifest(text: string, where: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new ReplayportError(`the manifest ${where} cannot be read: ${detail}`, {
      code: "lake.broken_manifest",
      remedy: "give-up",
      hint:
        "If a newer Replayport wrote it, use that version. Otherwise move the file out of the folder: " +
        "its interval is then due again, and loading it repairs the lake.",
    });
  }
}

/** `committedAt` is the store's time of the manifest, so that every way to ask gives the same. */
export function receiptOf(manifest: Manifest, committedAt: Date): Receipt {
  return {
    export: manifest.export,
    interval: manifestInterval(manifest),
    attempt: manifest.attempt,
    rows: manifest.rows,
    bytes: manifest.bytes,
    files: manifest.files.length,
    fingerprint: manifest.fingerprint,
    readAt: new Date(manifest.readAt),
    committedAt,
  };
}

function manifestInterval(manifest: Manifest): Interval {
  return { start: new Date(manifest.interval.start), end: new Date(manifest.interval.end) };
}
