/** What a load finds before it writes anything. Its commit depends on it. */
import { contains, sameInterval } from "../../src/intervals/interval.ts";
import type { Batch } from "../destination.ts";
import { isReadLater, olderRead } from "../races.ts";
import type { LakeContext } from "./context.ts";
import { manifestsWithinPrefix } from "./layout.ts";
import { listManifests, readManifests } from "./ledger.ts";
import type { KeptFile, Manifest } from "./manifest.ts";
import type { Entry } from "./supersession.ts";

/** A file of an earlier attempt that the batch may make superfluous. */
export type EarlierFile = Omit<KeptFile, "lost"> & {
  readonly keyColumns: readonly string[];
  /** Whether a manifest names it. Otherwise it's of an attempt that died before its commit, or is about to commit. */
  readonly committed: boolean;
};

export interface Precondition {
  /** The generation that the load has to create. */
  readonly generation: number;
  /** Manifests and claims of exactly this interval. Another one that appears is another attempt. */
  readonly generations: ReadonlySet<string>;
  /** The keys of all manifests and claims within the interval that the batch replaces. */
  readonly replaces: readonly string[];
  /** Their files, by the time of their read. */
  readonly earlier: readonly EarlierFile[];
  /** Files that an earlier load has found to be superfluous and that may still be there. */
  readonly removes: readonly string[];
}

/** One LIST, and one GET for each manifest or claim that will be replaced. */
export async function readPrecondition(lake: LakeContext, batch: Batch, signal: AbortSignal): Promise<Precondition> {
  const { interval } = batch;
  const within = await listWithin(lake, batch, signal);
  const same = within.filter((entry) => sameInterval(entry.interval, interval));
  const highest = Math.max(-1, ...same.filter(({ kind }) => kind === "manifest").map(({ generation }) => generation));
  const read = await readManifests(lake.store, within, signal);
  const replaced: Manifest[] = [];
  const found: { entry: Entry; manifest: Manifest }[] = [];
  for (const { entry, manifest } of read) {
    const later = isReadLater(manifest.readAt, batch, lake.now());
    const sameBatch = sameInterval(entry.interval, interval);
    if (sameBatch && later && entry.kind === "manifest" && entry.generation === highest) {
      throw olderRead(batch, manifest.readAt);
    }
    // What was read later within the interval has newer rows, and stays as it is.
    if (later && !sameBatch) continue;
    found.push({ entry, manifest });
    if (entry.kind === "manifest") replaced.push(manifest);
  }
  const already = new Set(replaced.flatMap(({ replaces }) => replaces));
  const files = new Map<string, EarlierFile>();
  for (const { entry, manifest } of found) {
    // What replaced it has all of its rows that count, and is among the others.
    if (already.has(entry.key)) continue;
    for (const file of filesOf(manifest, entry.kind === "manifest")) {
      if (file.committed || !files.has(file.key)) files.set(file.key, file);
    }
  }
  return {
    generation: Math.max(-1, ...same.map(({ generation }) => generation)) + 1,
    generations: new Set(same.map(({ key }) => key)),
    replaces: found.map(({ entry }) => entry.key),
    earlier: [...files.values()].sort((one, other) => one.readAt.getTime() - other.readAt.getTime()),
    removes: replaced.flatMap(({ removes }) => removes),
  };
}

/** The manifests and claims whose interval lies within the batch's. */
async function listWithin(lake: LakeContext, { interval }: Batch, signal: AbortSignal): Promise<Entry[]> {
  const listed = await listManifests(lake.store, lake.export, manifestsWithinPrefix(lake.export, interval), signal);
  return listed.filter((entry) => contains(interval, entry.interval));
}

/** @param committed whether it's a manifest, and not a claim */
export function filesOf(manifest: Manifest, committed: boolean): EarlierFile[] {
  const { files, kept, readAt, format, columns, key: keyColumns, path } = manifest;
  const own = files.map((file) => ({ ...file, readAt, format, columns, path, keyColumns, committed }));
  // A claim's kept files are the affair of the manifests that it wanted to replace.
  const theirs = committed ? kept.map(({ lost: _, ...file }) => ({ ...file, keyColumns, committed })) : [];
  return [...own, ...theirs];
}
