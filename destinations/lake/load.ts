/**
 * How a batch gets into the lake, and why no row is lost, duplicated or half visible on the way.
 *
 * The manifest with the highest generation of an interval says which files are the batch. A load
 *
 *  1. lists the manifests within its interval: the generation g that it will replace (-1 for none), and the batches that it
 *     covers. This is its precondition, and it's read before anything is written.
 *  2. uploads its files under names that contain the attempt's id, so no attempt ever touches another one's files.
 *  3. lists the files and unfinished uploads of its interval that aren't its own.
 *  4. creates the manifest of generation g + 1. The store refuses if there is one already.
 *  5. checks again: no higher generation exists, and its own manifest and files do.
 *  6. removes what step 3 found, and what was replaced.
 *
 * **One of two live attempts wins.** Both read g, both try to create g + 1, and the store lets one through (4). The attempt
 * that lost removes only files with its own id.
 *
 * **Step 6 removes nothing that counts.** A file in the list of step 3 belongs to (a) a dead attempt, (b) the generation that
 * is replaced, or (c) a live attempt. Attempt (c) wrote its file before our commit, so it read its precondition before our
 * commit, so it will try to create g + 1 or lower. That exists, so it fails. A list made after the commit could contain files
 * of an attempt that read g + 1 as its precondition and will rightly win; that's why the list is made before.
 *
 * **Generations may be reused.** Step 6 of another load removes g + 1 once g + 2 exists, and an attempt that sleeps through
 * both may then create g + 1 again. It finds g + 2 in step 5, removes what it wrote, manifest first, and rejects. Until then
 * readers see g + 2, since the highest generation counts.
 *
 * **An earlier read never replaces a later one.** If the manifest of g was read from the source after this batch was, step 1
 * rejects. A covered batch that was read later keeps its files.
 *
 * **An answer may be lost.** An attempt that can't tell whether step 4 went through reads the manifest back. If it can't
 * read it back either, its files stay: they're committed, or the next load of the interval finds them in its step 3.
 *
 * **The end can't be interrupted.** Steps 4 and 5 ignore the caller's signal and have their own deadline: an abort in the
 * middle of a commit would leave its outcome open. Step 6 stops at an abort. What it leaves is found and removed later: files
 * by the next load of the interval, manifests by the load after the next listing of the ledger.
 */
import { describeInterval } from "../../src/intervals/interval.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { expectWon } from "../commit_outcome.ts";
import type { Batch, Receipt } from "../destination.ts";
import { eachFile, type Put } from "../files/each_file.ts";
import { lostRace } from "../races.ts";
import type { Unfinished } from "../store/store.ts";
import { removeBatch, removeSuperseded, withdraw } from "./cleanup.ts";
import { commit } from "./commit.ts";
import type { LakeContext } from "./context.ts";
import { dataKey, dataPrefix, generationsPrefix, isOfAttempt, manifestKey } from "./layout.ts";
import { highestGeneration } from "./ledger.ts";
import { type Manifest, type ManifestFile, manifestOf, manifestReceipt } from "./manifest.ts";
import { renderPath } from "./path_template.ts";
import { readPrecondition } from "./precondition.ts";
import type { Superseded } from "./supersession.ts";

/** Files and unfinished uploads of other attempts at the interval. */
interface OtherAttempts {
  readonly keys: readonly string[];
  readonly unfinished: readonly Unfinished[];
}

/** @param superseded what earlier listings found to be removable; emptied once it's removed */
export async function load(
  lake: LakeContext,
  batch: Batch,
  superseded: Map<string, Superseded>,
  signal: AbortSignal,
): Promise<Receipt> {
  const { store } = lake;
  const path = renderPath(lake.path, lake.export, batch.interval);
  // 1.
  const before = await readPrecondition(lake, batch, signal);

  // 2. and 3.
  const begun = new Set<string>();
  let put: Put<ManifestFile>;
  let others: OtherAttempts;
  try {
    put = await uploadFiles(lake, batch, path, begun, signal);
    others = await findOtherAttempts(lake, batch, path, signal);
    signal.throwIfAborted();
  } catch (error) {
    await withdraw(lake, [...begun], cleanupDeadline());
    throw error;
  }

  // 4.
  const key = manifestKey(lake.export, batch.interval, before.generation);
  const manifest = manifestOf(batch, {
    replayport: lake.version,
    committedAt: lake.now(),
    files: put.results,
    totals: put.totals,
    replaces: before.replaced.map(({ entry }) => entry.key),
  });
  const committed = await commit(lake, key, manifest);
  if (committed.outcome === "lost" || committed.outcome === "refused") {
    await withdraw(lake, [...begun], cleanupDeadline());
  }
  expectWon(batch, committed);

  // 5.
  const committedAt = await verify(lake, batch, path, before.generation, manifest, cleanupDeadline());
  if (!committedAt) {
    await withdraw(lake, [key], cleanupDeadline());
    await withdraw(lake, [...begun], cleanupDeadline());
    throw lostRace(batch);
  }

  // 6.
  try {
    await store.delete(others.keys, signal);
    await store.discard(others.unfinished, signal);
    for (const { entry, manifest: old } of before.replaced) await removeBatch(lake, entry.key, old, signal);
    for (const { entry } of before.replaced) superseded.delete(entry.key);
    await removeSuperseded(lake, [...superseded.values()], signal);
    superseded.clear();
  } catch (error) {
    lake.onWarning(
      "the batch is loaded, but not everything that it replaced could be removed; a later load removes it",
      {
        export: lake.export,
        interval: describeInterval(batch.interval),
        error,
      },
    );
  }
  return manifestReceipt(manifest, committedAt);
}

/**
 * One file at a time: the core extracts the next one meanwhile, and a large file is uploaded in parallel parts.
 * @param begun gets every key that may exist afterwards, before it's written
 */
async function uploadFiles(
  { store }: LakeContext,
  batch: Batch,
  path: string,
  begun: Set<string>,
  signal: AbortSignal,
): Promise<Put<ManifestFile>> {
  return await eachFile(
    batch.files,
    1,
    async (file, either) => {
      const { rows, bytes, sha256 } = file;
      const key = dataKey(path, batch.interval, batch.attempt, file.index, batch.extension);
      begun.add(key);
      await store.putFile(key, file, either);
      return { key, rows, bytes, sha256 };
    },
    signal,
  );
}

async function findOtherAttempts(
  { store, onWarning, ...lake }: LakeContext,
  batch: Batch,
  path: string,
  signal: AbortSignal,
): Promise<OtherAttempts> {
  const { interval, attempt } = batch;
  const data = dataPrefix(path, interval);
  const keys: string[] = [];
  for await (const { key } of store.list(data, signal)) {
    if (!isOfAttempt(key, path, interval, attempt)) keys.push(key);
  }
  try {
    const manifests = generationsPrefix(lake.export, interval);
    const half = [...(await store.unfinished(data, signal)), ...(await store.unfinished(manifests, signal))];
    return { keys, unfinished: half.filter(({ key }) => !isOfAttempt(key, path, interval, attempt)) };
  } catch (error) {
    signal.throwIfAborted();
    onWarning("can't list the unfinished uploads of dead attempts; let a lifecycle rule of the bucket abort them", {
      export: lake.export,
      error,
    });
    return { keys, unfinished: [] };
  }
}

/** The store's time of the manifest, or undefined if another load has overtaken the commit. */
async function verify(
  { store, ...lake }: LakeContext,
  batch: Batch,
  path: string,
  generation: number,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Date | undefined> {
  const highest = await highestGeneration(store, lake.export, batch.interval, signal);
  if (highest?.generation !== generation) return undefined;
  const sizes = new Map<string, number>();
  if (manifest.files.length > 0) {
    for await (const { key, bytes } of store.list(dataPrefix(path, batch.interval), signal)) sizes.set(key, bytes);
  }
  return manifest.files.every(({ key, bytes }) => sizes.get(key) === bytes) ? highest.committedAt : undefined;
}
