/** Removes files and manifests that were replaced some time ago. load.ts says why that is safe. */
import type { LakeContext } from "./context.ts";
import { readManifest } from "./ledger.ts";
import { keysOf } from "./manifest.ts";

/** Keys of manifests and claims that no longer count, each with that of the manifest that counts in its place. */
export type SupersededKeys = Map<string, string>;

/**
 * Removes what manifests have replaced at least `keep_replaced` ago, and takes it out of `superseded`. What isn't due stays
 * there. Files before manifests: a load that is killed in between leaves a manifest that the next listing shows again.
 */
export async function removeDue(lake: LakeContext, superseded: SupersededKeys, signal: AbortSignal): Promise<void> {
  const { store, now, keepReplacedMs } = lake;
  for (const [by, entries] of Map.groupBy(superseded, ([, manifest]) => manifest)) {
    const manifest = await readManifest(store, by, signal);
    const due = manifest && manifest.committedAt.getTime() + keepReplacedMs <= now().getTime();
    if (manifest && !due) continue;
    for (const [key] of entries) superseded.delete(key);
    // 0.1.0 removed at once, and didn't note what. If the manifest is gone, the next listing shows what counts now.
    if (!manifest || manifest.layout === 1) continue;
    const counts = new Set(keysOf(manifest));
    await store.delete(
      manifest.removes.filter((key) => !counts.has(key)),
      signal,
    );
    const replaced = new Set(manifest.replaces);
    await store.delete(
      entries.flatMap(([key]) => (replaced.has(key) ? [key] : [])),
      signal,
    );
  }
}
