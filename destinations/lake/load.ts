/**
 * How a batch gets into the lake, and why no row is lost, duplicated or half visible on the way.
 *
 * Data files never change. The manifest with the highest generation of an interval says which files are the batch. A load
 *
 *  1. refuses the lake of another installation (owner.ts). It lists the manifests and claims within its interval: the generation g that it will replace (-1 for none), and the files
 *     of the batches that it covers (precondition.ts). It reads the keys of those files.
 *  2. uploads its own files so that nobody sees them yet, and compares each one's keys with those of step 1.
 *  3. lists the unfinished uploads of other attempts at its interval.
 *  4. creates the claim of generation g + 1, with the content of the manifest. The store refuses if there is one already.
 *  5. lists the generations again. If there is a manifest that step 1 didn't see, or a claim of a later generation, the load
 *     gives up; nobody has seen anything of it.
 *  6. makes its files visible.
 *  7. writes the manifest. Its name has the generation and the time of the read, and only this attempt ever writes it. This is
 *     the commit.
 *  8. lists the generations once more, and rejects if a manifest of a later generation has come in between. If one of an
 *     earlier generation has, it writes its manifest again, which then names those files too.
 *  9. removes its claim, what step 3 found, and files that were replaced at least `keep_replaced` ago.
 *
 * **No row is lost.** Files go by one rule (destinations/keys/supersession.ts): each of their rows is, with an equal or higher
 * place in the order of reads, in a file that stays. A file that has other rows is `kept`: the new manifest names it. So the
 * highest place of a key among the visible files never falls, whatever a read found, whatever its rules were, and whoever
 * committed in between: a file that was superfluous once is superfluous for ever, which is why it may be removed an hour later
 * without asking again. Rows that a file has twice don't matter: readers take the highest place.
 *
 * **One of two live attempts wins.** Both see g, both try to claim g + 1, and the store lets one through (4). The other one
 * has shown nothing.
 *
 * **A claim without a manifest burns its generation.** Its attempt died, or is between steps 4 and 7. The next load takes the
 * generation after it, so it never waits for the dead. If the attempt A of that claim was alive, both may
 * go on. A gives up in step 5 if it sees the later claim of B; B gives up in step 5 if it sees A's manifest. If neither does,
 * both write a manifest: B's counts, and A rejects in step 8 if it sees it. So the attempt with the latest manifest never
 * rejects, and two never both lose. A claim alone doesn't overtake anybody in step 8: its attempt may still give up. What A has
 * made visible stays: its rows may only go by the rule. B names A's files if it sees A's manifest in step 8; if it doesn't, A
 * wrote it after B's, so A sees B's and rejects.
 *
 * **A dead attempt's files are files.** Those that it made visible are named by its claim. A later load of the interval, or of
 * one that covers it, treats them like those of a manifest: they go, or a manifest names them.
 *
 * **Generations may be reused.** Step 9 of another load removes claims, and old manifests. An attempt that sleeps through all
 * that may then claim g + 1 again. It sees the higher generation in step 5. If it slept between steps 5 and 7, then in step 8;
 * readers never follow its manifest, since the highest generation counts.
 *
 * **Step 9 removes nothing that counts.** An upload in the list of step 3 belongs to an attempt that read its precondition
 * before our claim. It will claim g + 1 or lower, and fail. The list is made before the claim, since a later one could have
 * uploads of an attempt that saw ours and will rightly win.
 *
 * **An earlier read never replaces a later one.** If the manifest of g was read from the source after this batch was, step 1
 * rejects. A covered batch that was read later keeps its files, and counts.
 *
 * **An answer may be lost.** After an error of steps 4 and 7 the claim or the manifest is read back. An attempt that can't tell
 * whether it has claimed discards its uploads: at worst that burns a generation. From step 6 on nothing is ever withdrawn. If
 * the commit can't be found, the files stay, and the claim names them.
 *
 * **The end can't be interrupted.** Steps 4 to 8 ignore the caller's signal and have their own deadline: an abort in the
 * middle of a commit would leave its outcome open. Step 9 stops at an abort; a later load does the rest.
 */
import pLimit from "p-limit";
import { describeInterval } from "../../src/intervals/interval.ts";
import { withRetries } from "../../src/retry.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { COMMIT_MS, COMMIT_RETRY, expectWon } from "../commit_outcome.ts";
import type { Batch, Receipt } from "../destination.ts";
import { eachFile, type Put } from "../files/each_file.ts";
import { lostRace } from "../races.ts";
import type { Prepared, Unfinished } from "../store/store.ts";
import { removeDue, type SupersededKeys } from "./cleanup.ts";
import { claim, commit } from "./commit.ts";
import type { LakeContext } from "./context.ts";
import { type EarlierFiles, keptFile, openEarlierFiles } from "./earlier_files.ts";
import { claimKey, dataKey, dataPrefix, generationsPrefix, isOfAttempt, manifestKey } from "./layout.ts";
import { listManifests, manifestReceipt, readManifests } from "./ledger.ts";
import { keysOf, type Manifest, type ManifestFile, manifestOf } from "./manifest.ts";
import { ensureOwner } from "./owner.ts";
import { renderPath } from "./path_template.ts";
import { filesOf, type Precondition, readPrecondition } from "./precondition.ts";
import type { Entry } from "./supersession.ts";

const PARALLEL_PUBLISHED = 8;

/** @param superseded what listings found to be replaced; those that were removed are taken out */
export async function load(
  lake: LakeContext,
  batch: Batch,
  superseded: SupersededKeys,
  signal: AbortSignal,
): Promise<Receipt> {
  // 1.
  await ensureOwner(lake, signal);
  const before = await readPrecondition(lake, batch, signal);
  const claimed = claimKey(lake.export, batch.interval, before.generation);
  const key = manifestKey(lake.export, before.generation, batch);
  const uploads: Prepared[] = [];
  let visible = false;
  let claims = false;
  try {
    const earlier = await openEarlierFiles(lake, batch, before.earlier, signal);

    // 2. and 3.
    const put = await uploadFiles(lake, batch, earlier, uploads, signal);
    const others = await otherUploads(lake, batch, signal);
    signal.throwIfAborted();

    // 4. and 5.
    let manifest = newManifest(lake, batch, put, before, earlier, claimed);
    const deadline = AbortSignal.timeout(COMMIT_MS);
    expectWon(batch, await claim(lake, claimed, manifest, deadline));
    claims = true;
    const since = (await generationsOf(lake, batch, deadline)).filter(({ key: each }) => !before.generations.has(each));
    if (since.some(({ kind, generation }) => kind === "manifest" || generation > before.generation))
      throw lostRace(batch);

    // 6. and 7.
    visible = uploads.length > 0;
    await publish(uploads, deadline);
    expectWon(batch, await commit(lake, key, manifest, deadline));
    visible = true;

    // 8.
    const known = new Set(before.generations);
    let own = await ownEntry(lake, batch, key, known, deadline);
    while (own.overtaken.length > 0) {
      manifest = withFilesOf(manifest, await readManifests(lake.store, own.overtaken, deadline));
      expectWon(batch, await commit(lake, key, manifest, deadline));
      own = await ownEntry(lake, batch, key, known, deadline);
    }

    // 9.
    for (const old of manifest.replaces) superseded.set(old, key);
    await cleanUp(lake, batch, claimed, others, superseded, signal);
    return manifestReceipt(lake, manifest, own.entry.committedAt);
  } catch (error) {
    await withdraw(lake, uploads, claims && !visible ? claimed : undefined);
    throw error;
  }
}

/**
 * The batch's manifest in a new listing, and those of earlier generations that nobody knew yet.
 * @param known gets their keys
 * @throws ReplayportError if a later generation counts
 */
async function ownEntry(
  lake: LakeContext,
  batch: Batch,
  key: string,
  known: Set<string>,
  signal: AbortSignal,
): Promise<{ readonly entry: Entry; readonly overtaken: readonly Entry[] }> {
  const manifests = (await generationsOf(lake, batch, signal)).filter(({ kind }) => kind === "manifest");
  const entry = manifests.find((one) => one.key === key);
  if (!entry || manifests.some(({ generation }) => generation > entry.generation)) throw lostRace(batch);
  const overtaken = manifests.filter((one) => one.key !== key && !known.has(one.key));
  for (const one of overtaken) known.add(one.key);
  return { entry, overtaken };
}

/** Names the files of attempts that were overtaken between their claim and their commit: nobody has compared their rows yet. */
function withFilesOf(manifest: Manifest, overtaken: Awaited<ReturnType<typeof readManifests>>): Manifest {
  const named = new Set(keysOf(manifest));
  const theirs = overtaken.flatMap((one) => filesOf(one.manifest, true)).filter(({ key }) => !named.has(key));
  const kept = new Map(theirs.map((file) => [file.key, keptFile(file, 0)]));
  return {
    ...manifest,
    kept: [...manifest.kept, ...kept.values()],
    replaces: [...manifest.replaces, ...overtaken.map(({ entry }) => entry.key)],
    removes: manifest.removes.filter((key) => !kept.has(key)),
  };
}

/**
 * One file at a time: the core extracts the next one meanwhile, and a large file is uploaded in parallel parts.
 * @param uploads gets what has to be published or discarded
 */
async function uploadFiles(
  lake: LakeContext,
  batch: Batch,
  earlier: EarlierFiles,
  uploads: Prepared[],
  signal: AbortSignal,
): Promise<Put<ManifestFile>> {
  const path = renderPath(lake.path, lake.export, batch.interval);
  return await eachFile(
    batch.files,
    1,
    async (file, either) => {
      const { rows, bytes, sha256 } = file;
      const key = dataKey(path, batch.interval, batch.attempt, file.index, batch.extension);
      uploads.push(await lake.store.prepare(key, file, either));
      await earlier.meet(file);
      return { key, rows, bytes, sha256 };
    },
    signal,
  );
}

async function otherUploads(lake: LakeContext, batch: Batch, signal: AbortSignal): Promise<Unfinished[]> {
  const { interval, attempt } = batch;
  const path = renderPath(lake.path, lake.export, interval);
  try {
    const prefixes = [dataPrefix(path, interval), generationsPrefix(lake.export, interval)];
    const found = await Promise.all(prefixes.map((prefix) => lake.store.unfinished(prefix, signal)));
    return found.flat().filter(({ key }) => !isOfAttempt(key, path, interval, attempt));
  } catch (error) {
    signal.throwIfAborted();
    lake.onWarning(
      "can't list the unfinished uploads of dead attempts; let a lifecycle rule of the bucket abort them",
      {
        export: lake.export,
        error,
      },
    );
    return [];
  }
}

function newManifest(
  lake: LakeContext,
  batch: Batch,
  put: Put<ManifestFile>,
  before: Precondition,
  earlier: EarlierFiles,
  claimed: string,
): Manifest {
  const { kept, removes } = earlier.close();
  const counts = new Set(keysOf({ files: [...put.results], kept: [...kept] }));
  return manifestOf(batch, {
    replayport: lake.version,
    committedAt: lake.now(),
    files: put.results,
    totals: put.totals,
    path: lake.path,
    owner: lake.installation,
    kept,
    replaces: [...before.replaces, claimed],
    removes: [...new Set([...removes, ...before.removes])].filter((key) => !counts.has(key)),
  });
}

/** Every manifest and claim of exactly the batch's interval. */
async function generationsOf(lake: LakeContext, batch: Batch, signal: AbortSignal): Promise<Entry[]> {
  return await listManifests(lake.store, lake.export, generationsPrefix(lake.export, batch.interval), signal);
}

async function publish(uploads: readonly Prepared[], signal: AbortSignal): Promise<void> {
  const limit = pLimit(PARALLEL_PUBLISHED);
  await limit.map(uploads, async (upload) => {
    await withRetries(() => upload.publish(signal), { policy: COMMIT_RETRY }, signal);
  });
}

/** Never rejects: the batch is committed. */
async function cleanUp(
  lake: LakeContext,
  batch: Batch,
  claimed: string,
  others: readonly Unfinished[],
  superseded: SupersededKeys,
  signal: AbortSignal,
): Promise<void> {
  try {
    await lake.store.delete([claimed], signal);
    superseded.delete(claimed);
    await lake.store.discard(others, signal);
    await removeDue(lake, superseded, signal);
  } catch (error) {
    lake.onWarning(
      "the batch is loaded, but not everything that was replaced could be removed; a later load removes it",
      { export: lake.export, interval: describeInterval(batch.interval), error },
    );
  }
}

/** Removes what nobody has seen of a load that failed. Never rejects: the load's own error says more. */
async function withdraw(lake: LakeContext, uploads: readonly Prepared[], claimed: string | undefined): Promise<void> {
  const signal = cleanupDeadline();
  try {
    for (const upload of uploads) await upload.discard(signal);
    if (claimed !== undefined) await lake.store.delete([claimed], signal);
  } catch (error) {
    lake.onWarning("can't remove the uploads of a failed load; the next load of the batch removes them", {
      export: lake.export,
      keys: uploads.map(({ key }) => key),
      error,
    });
  }
}
