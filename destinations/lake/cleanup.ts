/** Removes what nobody needs any more. Only ever called with what was found before a commit, see load.ts. */
import type { LakeContext } from "./context.ts";
import { readManifest } from "./ledger.ts";
import type { Manifest } from "./manifest.ts";
import type { Superseded } from "./supersession.ts";

/** Removes what a load that did not commit has written. Never rejects: the load has a better error to show. */
export async function withdraw(lake: LakeContext, keys: readonly string[], signal: AbortSignal): Promise<void> {
  if (keys.length === 0) return;
  try {
    await lake.store.delete(keys, signal);
  } catch (error) {
    lake.onWarning("files of a load that failed were left behind; the next load of the batch removes them", {
      export: lake.export,
      keys,
      error,
    });
  }
}

/**
 * Removes superseded manifests that a listing has shown, with their files. A manifest that was read from the source later
 * than the one that covers it stays: its rows are the newer ones.
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
    // Without its cover, a later load has changed the ledger: the next listing tells what counts now.
    if (!old || !cover || new Date(old.readAt) > new Date(cover.readAt)) continue;
    await removeBatch(lake, entry.key, old, signal);
  }
}

/**
 * Files before the manifest: a load that is killed in between leaves a manifest that the next listing recognises. The
 * other order would leave files that nothing names, and rows that were deleted at the source could stay in them.
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
