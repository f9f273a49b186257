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
import { contains } from "../../src/intervals/interval.ts";
import { type Batch, FILE_FORMATS, type Totals } from "../destination.ts";
import { receiptOf } from "../receipts.ts";
import { dataFileInterval } from "./layout.ts";
import { isInFolder } from "./path_template.ts";

/** Grows when a reader of manifests would have to change. Layout 1 is that of 0.1.0: no kept files, `removes` or `path`. */
export const LAYOUT = 2;

const time = z.iso.datetime().transform((text) => new Date(text));
const count = z.int().nonnegative();

const columns = z.array(z.object({ name: z.string(), type: z.string(), nullable: z.boolean() }));
const file = z.object({ key: z.string(), rows: count, bytes: count, sha256: z.string() });
/** A file of an earlier batch that stays, since the batch doesn't have all of its rows. */
const keptFile = z.object({
  ...file.shape,
  readAt: time,
  format: z.enum(FILE_FORMATS),
  columns,
  /** The template of its folder. */
  path: z.string().optional(),
  /** Rows that no file has that was read later: the read didn't find them. */
  lost: count,
});

const manifestSchema = z.looseObject({
  layout: z.union([z.literal(1), z.literal(LAYOUT)]),
  replayport: z.string(),
  source: z.string(),
  export: z.string(),
  /** The installation that loaded it. */
  owner: z.string().optional(),
  interval: z.object({ start: time, end: time }),
  attempt: z.string(),
  fingerprint: z.string(),
  format: z.enum(FILE_FORMATS),
  readAt: time,
  watermark: time.optional(),
  committedAt: time,
  rows: count,
  bytes: count,
  files: z.array(file),
  kept: z.array(keptFile).default([]),
  columns,
  key: z.array(z.string()),
  /** The template of the folders of `files`. */
  path: z.string().optional(),
  /** The keys of manifests and claims that no longer count. */
  replaces: z.array(z.string()),
  /** Manifests of 0.1.0 lack it. */
  sourceColumns: z.array(z.string()).readonly().optional(),
  /** The keys of their files that are superfluous. Removed after a grace, so that no running query loses its file. */
  removes: z.array(z.string()).default([]),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest["files"][number];
export type KeptFile = Manifest["kept"][number];

export interface ManifestInput {
  readonly replayport: string;
  /** By the worker's clock, just before the commit. Receipts carry the store's own time. */
  readonly committedAt: Date;
  readonly files: readonly ManifestFile[];
  readonly totals: Totals;
  readonly path: string;
  readonly owner: string | undefined;
  readonly kept: readonly KeptFile[];
  readonly replaces: readonly string[];
  readonly removes: readonly string[];
}

export function manifestOf(
  batch: Batch,
  { replayport, committedAt, files, totals, path, owner, kept, replaces, removes }: ManifestInput,
): Manifest {
  return {
    layout: LAYOUT,
    replayport,
    source: batch.sourceVersion,
    format: batch.format,
    ...receiptOf(batch, totals, committedAt),
    files: [...files],
    kept: [...kept],
    path,
    owner,
    columns: batch.columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
    key: [...batch.key],
    replaces: [...replaces],
    removes: [...removes],
  };
}

/** Times become ISO 8601 in UTC. */
export function encodeManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest)}\n`;
}

/** @throws ReplayportError `lake.broken_manifest`; `where` names the object in its message. */
export function decodeManifest(text: string, where: string): Manifest {
  try {
    return onlyOwnFiles(manifestSchema.parse(JSON.parse(text)));
  } catch (error) {
    throw brokenManifest(where, error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error));
  }
}

export function brokenManifest(where: string, detail: string): ReplayportError {
  return new ReplayportError(
    `can't read the manifest ${where}: ${detail}`,
    giveUp(
      "lake.broken_manifest",
      "If a newer Replayport wrote it, use that version. Otherwise move the file out of the folder: " +
        "its interval is then due again, and loading it repairs the lake.",
    ),
  );
}

/**
 * Whoever can write a manifest must not be able to have other files read or removed through it: each has to be a data file of this
 * export and batch. `my-replays/` could be a folder of `replays` or of `my-replays`: the file's template decides. That of a file to
 * remove isn't noted, so a doubtful one stays.
 */
function onlyOwnFiles(manifest: Manifest): Manifest {
  const { export: exportName, layout, path, files, kept, removes } = manifest;
  const isIn = (template: string | undefined, key: string): boolean =>
    template === undefined ? layout === 1 : isInFolder(template, exportName, key);
  const foreign = [
    ...files.flatMap(({ key }) => (isIn(path, key) ? [] : [key])),
    ...kept.flatMap((one) => (one.path === undefined || isIn(one.path, one.key) ? [] : [one.key])),
    ...[...keysOf(manifest), ...removes].filter((key) => {
      const of = dataFileInterval(exportName, key);
      return !of || !contains(manifest.interval, of);
    }),
  ];
  if (foreign[0] !== undefined) throw new Error(`${foreign[0]} is no data file of this batch`);
  const templates = [path, ...kept.map((one) => one.path)];
  const isOwn = (key: string): boolean =>
    standsAlone(exportName, key) || templates.some((template) => template !== undefined && isIn(template, key));
  return { ...manifest, removes: removes.filter(isOwn) };
}

/** Whether a folder of the key has the name with nothing beside it that could be a part of another name. */
function standsAlone(exportName: string, key: string): boolean {
  return key.split("/").some((part) => part.split(/[=.:+ ]/).includes(exportName));
}

/** The keys of all files that count. */
export function keysOf({ files, kept }: Pick<Manifest, "files" | "kept">): string[] {
  return [...files, ...kept].map(({ key }) => key);
}
