/** What a load finds before it writes anything. Its commit depends on it. */
import { contains, sameInterval } from "../../src/intervals/interval.ts";
import type { Batch } from "../destination.ts";
import { olderRead } from "../races.ts";
import type { LakeContext } from "./context.ts";
import { manifestsWithinPrefix } from "./layout.ts";
import { listManifests, readManifests } from "./ledger.ts";
import type { Manifest } from "./manifest.ts";
import type { Entry } from "./supersession.ts";

export interface Replaced {
  readonly entry: Entry;
  readonly manifest: Manifest;
}

export interface Precondition {
  /** The generation that the load has to create. */
  readonly generation: number;
  /** All generations of this interval, and the batches within it that weren't read later. Removed after the commit. */
  readonly replaced: readonly Replaced[];
}

/** One LIST, and one GET for each manifest that will be replaced. */
export async function readPrecondition(lake: LakeContext, batch: Batch, signal: AbortSignal): Promise<Precondition> {
  const { store } = lake;
  const { interval, readAt } = batch;
  const listed = await listManifests(store, lake.export, manifestsWithinPrefix(lake.export, interval), signal);
  const within = listed.filter((entry) => contains(interval, entry.interval));
  const generations = within.filter((entry) => sameInterval(entry.interval, interval)).map((entry) => entry.generation);
  const highest = Math.max(-1, ...generations);
  const replaced: Replaced[] = [];
  for (const { entry, manifest } of await readManifests(store, within, signal)) {
    const later = manifest.readAt > readAt;
    const sameBatch = sameInterval(entry.interval, interval);
    if (sameBatch && later && entry.generation === highest) throw olderRead(batch, manifest.readAt);
    // A batch within this one that was read later has newer rows: its files stay, and readers take the newer version.
    if (sameBatch || !later) replaced.push({ entry, manifest });
  }
  return { generation: highest + 1, replaced };
}
