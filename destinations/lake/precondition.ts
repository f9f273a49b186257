/** What a load finds before it writes anything, and on which its commit depends. */
import { ReplayportError } from "../../src/errors.ts";
import { contains, describeInterval, sameInterval } from "../../src/intervals/interval.ts";
import type { Batch } from "../destination.ts";
import type { LakeContext } from "./context.ts";
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
  /** All generations of this interval, and the batches within it that were read no later: they go after the commit. */
  readonly replaced: readonly Replaced[];
}

/** One LIST, and one GET for each manifest that will be replaced. */
export async function readPrecondition(lake: LakeContext, batch: Batch, signal: AbortSignal): Promise<Precondition> {
  const { store } = lake;
  const { interval, readAt } = batch;
  const listed = await listManifests(store, lake.export, interval.start, interval.end, signal);
  const within = listed.filter((entry) => contains(interval, entry.interval));
  const generations = within.filter((entry) => sameInterval(entry.interval, interval)).map((entry) => entry.generation);
  const highest = Math.max(-1, ...generations);
  const replaced: Replaced[] = [];
  for (const { entry, manifest } of await readManifests(store, within, signal)) {
    const later = new Date(manifest.readAt) > readAt;
    const own = sameInterval(entry.interval, interval);
    if (own && later && entry.generation === highest) throw olderRead(batch, manifest);
    // A batch within this one that was read after it holds newer rows: its files stay, and readers take the newer version.
    if (own || !later) replaced.push({ entry, manifest });
  }
  return { generation: highest + 1, replaced };
}

function olderRead(batch: Batch, manifest: Manifest): ReplayportError {
  const readAt = batch.readAt.toISOString();
  return new ReplayportError(
    `${batch.export}, ${describeInterval(batch.interval)}: read at ${readAt}, but the lake has it as of ${manifest.readAt}`,
    {
      code: "lake.lost_race",
      remedy: "retry",
      hint: "Nothing is wrong: another attempt read the source later and was faster. Nothing was changed.",
    },
  );
}
