/** Removes files and manifests that no longer count. Only called with what was found before a commit: load.ts says why. */
import type { LakeContext } from "./context.ts";
import { readManifest } from "./ledger.ts";
import type { Manifest } from "./manifest.ts";
import type { Superseded } from "./supersession.ts";

/** Removes what a load wrote that didn't commit. Never rejects: the load's own error says more. */
export async function withdraw(lake: LakeContext, keys: readonly string[], signal: AbortSignal): Promise<void> {
  if (keys.length === 0) return;
  try {
    await lake.store.delete(keys, signal);
  } catch (error) {
    lake.onWarning("can't remove the files of a failed load; the next load of the batch removes them", {
      export: lake.export,
      keys,
      error,
    });
  }
}

/**
 * Removes superseded manifests that a listing has shown, with their files. A manifest whose batch was read later than the
 * one that covers it stays: its rows are newer.
 */
export async function removeSuperseded(
  lake: LakeContext,
  superseded: readonly Superseded[],
  signal: AbortSignal,
): Promise<void> {
  for (const { entry, by } of superseded) {
    const [old, cover] = await Promise.all([
      readManifest(lake.store, entry.key, signal),
      readManifest(lake.store, by.key, signal),
    ]);
    // If the covering manifest is gone, a later load has changed the ledger: the next listing shows what counts now.
    if (!old || !cover || old.readAt > cover.readAt) continue;
    await removeBatch(lake, entry.key, old, signal);
  }
}

/**
 * Files before the manifest: a load that is killed in between leaves a manifest that the next listing recognises. The other
 * order would leave files that nothing names, which could keep rows that were deleted at the source.
 */
export async function removeBatch(
  { store }: LakeContext,
  key: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  await store.delete(
    manifest.files.map((file) => file.key),
    signal,
  );
  await store.delete([key], signal);
}
