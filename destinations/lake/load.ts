/**
 * How a batch gets into the lake, and why nothing is lost, doubled or half visible on the way.
 *
 * The manifest of the highest generation of an interval says which files are the batch. A load
 *
 *  1. lists the manifests within its interval: the generation g that it will take the place of (-1 for none), and the
 *     batches that it covers. This is its precondition, and it is read before anything is written.
 *  2. uploads its files under names that hold the attempt's own id, so no attempt ever touches another one's.
 *  3. lists the files and unfinished uploads of its interval that are not its own.
 *  4. creates the manifest of generation g + 1, which the store refuses if there is one.
 *  5. looks again: no higher generation is there, and its own manifest and files are.
 *  6. removes what step 3 found, and what was replaced.
 *
 * **One of two live attempts wins.** Both read g, both try to create g + 1, the store lets one through (4). An attempt
 * that lost removes only files under its own id.
 *
 * **Step 6 removes nothing that counts.** A file in the list of step 3 belongs to (a) an attempt that is dead; (b) the
 * generation that is replaced; (c) an attempt that is alive. The one of (c) wrote the file before our commit, so it read
 * its precondition before our commit, so it will try to create g + 1 or lower, which is there: it fails. A list made after
 * the commit could hold files of an attempt that read g + 1 and will rightly win; so the list is made before.
 *
 * **Generations may be reused.** Step 6 of another load removes g + 1 once g + 2 is there, and an attempt that sleeps
 * through both may then create g + 1 again. It finds g + 2 in step 5, removes what it wrote, manifest first, and rejects.
 * Until then readers see g + 2, since the highest generation counts.
 *
 * **A later read is never replaced by an earlier one.** If the manifest of g was read from the source after this batch
 * was, step 1 rejects. A covered batch that was read later keeps its files.
 *
 * **An answer may be lost.** Whoever cannot tell whether step 4 went through reads the manifest back. If that cannot be
 * told either, the files stay: they are committed, or the next load of the interval finds them in its step 3.
 *
 * **The end is not interruptible.** From step 4 to 5 the caller's signal is not heeded but a time limit of our own is: an
 * abort in the middle of a commit would leave open what it was. Step 6 stops at an abort; what it leaves is found again,
 * by the next load of the interval (files) or by the next look at the ledger (manifests), and removed then.
 */
import { ReplayportError } from "../../src/errors.ts";
import { describeInterval } from "../../src/intervals/interval.ts";
import type { Batch, Receipt } from "../destination.ts";
import { removeBatch, removeSuperseded, withdraw } from "./cleanup.ts";
import { commit } from "./commit.ts";
import { ownDeadline, type LakeContext } from "./context.ts";
import { dataPrefix, generationsPrefix, isOfAttempt, manifestKey } from "./layout.ts";
import { highestGeneration } from "./ledger.ts";
import { manifestOf, receiptOf, type Manifest, type ManifestFile } from "./manifest.ts";
import { renderPath } from "./path_template.ts";
import { readPrecondition } from "./precondition.ts";
import type { Unfinished } from "../store/store.ts";
import type { Superseded } from "./supersession.ts";
import { uploadFiles } from "./upload.ts";

const COMMIT_MS = 120_000;

interface Foreign {
  readonly keys: readonly string[];
  readonly unfinished: readonly Unfinished[];
}

/** `superseded` is what earlier looks at the ledger found to be removable; it is emptied as far as that was done. */
export async function load(
  lake: LakeContext,
  batch: Batch,
  superseded: Map<string, Superseded>,
  signal: AbortSignal,
): Promise<Receipt> {
  const { store } = lake;
  const path = renderPath(lake.path, lake.export, batch.interval);
  const before = await readPrecondition(lake, batch, signal);

  const begun = new Set<string>();
  let files: ManifestFile[];
  let foreign: Foreign;
  try {
    files = await uploadFiles(lake, batch, path, begun, signal);
    foreign = await findForeign(lake, batch, path, signal);
    signal.throwIfAborted();
  } catch (error) {
    await withdraw(lake, [...begun], ownDeadline());
    throw error;
  }

  const key = manifestKey(lake.export, batch.interval, before.generation);
  const replaces = before.replaced.map(({ entry }) => entry.key);
  const manifest = manifestOf(batch, { replayport: lake.version, committedAt: lake.now(), files, replaces });
  const committed = await commit(lake, key, manifest, AbortSignal.timeout(COMMIT_MS));
  switch (committed.outcome) {
    case "won":
      break;
    case "lost":
      await withdraw(lake, [...begun], ownDeadline());
      throw lostRace(batch);
    case "refused":
      await withdraw(lake, [...begun], ownDeadline());
      throw committed.error;
    case "unknown":
      throw committed.error;
    default:
      committed satisfies never;
  }

  const committedAt = await verify(lake, batch, path, before.generation, manifest, ownDeadline());
  if (!committedAt) {
    await withdraw(lake, [key], ownDeadline());
    await withdraw(lake, [...begun], ownDeadline());
    throw lostRace(batch);
  }

  try {
    await store.delete(foreign.keys, signal);
    await store.discard(foreign.unfinished, signal);
    for (const { entry, manifest: old } of before.replaced) await removeBatch(lake, entry.key, old, signal);
    for (const { entry } of before.replaced) superseded.delete(entry.key);
    await removeSuperseded(lake, [...superseded.values()], signal);
    superseded.clear();
  } catch (error) {
    lake.onWarning("the batch is loaded, but what it replaced could not all be removed; a later load does it", {
      export: lake.export,
      interval: describeInterval(batch.interval),
      error,
    });
  }
  return receiptOf(manifest, committedAt);
}

/** Step 3. */
async function findForeign(
  { store, onWarning, ...lake }: LakeContext,
  batch: Batch,
  path: string,
  signal: AbortSignal,
): Promise<Foreign> {
  const { interval, attempt } = batch;
  const data = dataPrefix(path, interval);
  const keys: string[] = [];
  for await (const { key } of store.list(data, {}, signal)) {
    if (!isOfAttempt(key, path, interval, attempt)) keys.push(key);
  }
  try {
    const manifests = generationsPrefix(lake.export, interval);
    const half = [...(await store.unfinished(data, signal)), ...(await store.unfinished(manifests, signal))];
    return { keys, unfinished: half.filter(({ key }) => !isOfAttempt(key, path, interval, attempt)) };
  } catch (error) {
    signal.throwIfAborted();
    onWarning("unfinished uploads of dead attempts cannot be seen; let the bucket's lifecycle rule abort them", {
      export: lake.export,
      error,
    });
    return { keys, unfinished: [] };
  }
}

/** Step 5: the store's time of the manifest, or undefined where the commit was overtaken. */
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
    for await (const { key, bytes } of store.list(dataPrefix(path, batch.interval), {}, signal)) sizes.set(key, bytes);
  }
  return manifest.files.every(({ key, bytes }) => sizes.get(key) === bytes) ? highest.committedAt : undefined;
}

function lostRace(batch: Batch): ReplayportError {
  return new ReplayportError(`${batch.export}, ${describeInterval(batch.interval)}: another attempt loaded it first`, {
    code: "lake.lost_race",
    remedy: "retry",
    hint: "Nothing is wrong: two attempts were alive, the other one won, and this one has removed what it wrote.",
  });
}
