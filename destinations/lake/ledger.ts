/** The manifests of one export, read from the lake. */
import pLimit from "p-limit";
import { overlaps, sameInterval, type Interval } from "../../src/intervals/interval.ts";
import type { Receipt } from "../destination.ts";
import type { Store } from "../store/store.ts";
import { generationsPrefix, manifestPrefix, parseManifestKey } from "./layout.ts";
import { foldersOf } from "./folders.ts";
import { brokenManifest, decodeManifest, type Manifest } from "./manifest.ts";
import { receiptOf } from "../receipts.ts";
import type { LakeContext } from "./context.ts";
import { openReceiptMemory } from "./receipt_memory.ts";
import { ownerKey, refuseForeign } from "./owner.ts";
import { ledgerOf, type Entry, type Ledger } from "./supersession.ts";

/** How many manifests are read at once. */
const READERS = 16;

/**
 * The manifests and claims whose key begins with the prefix, in no particular order. Costs one LIST request per thousand
 * manifests.
 * @param others gets the keys of any other form
 */
export async function listManifests(
  store: Store,
  exportName: string,
  prefix: string,
  signal: AbortSignal,
  others: string[] = [],
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const object of store.list(prefix, signal)) {
    const name = parseManifestKey(exportName, object.key);
    if (name) entries.push({ ...name, committedAt: object.modified });
    else others.push(object.key);
  }
  return entries;
}

/**
 * The ledger of a range. Lists every manifest of the export: an interval that overlaps the range may start any time before
 * it, and not every store lists by key.
 * @throws ReplayportError `lake.foreign_owner`
 */
export async function readLedger(lake: LakeContext, range: Interval, signal: AbortSignal): Promise<Ledger> {
  const others: string[] = [];
  const entries = await listManifests(lake.store, lake.export, manifestPrefix(lake.export), signal, others);
  if (others.includes(ownerKey(lake.export))) await refuseForeign(lake, signal);
  return ledgerOf(entries.filter((entry) => overlaps(entry.interval, range)));
}

/** Undefined where the manifest is gone: another load has replaced it. */
export async function readManifest(store: Store, key: string, signal: AbortSignal): Promise<Manifest | undefined> {
  const text = await store.read(key, signal);
  if (text === undefined) return undefined;
  const manifest = decodeManifest(text, store.locate(key));
  // Otherwise its files would count as those of the export and interval that it names.
  const named = parseManifestKey(manifest.export, key);
  if (!named || !sameInterval(named.interval, manifest.interval)) {
    throw brokenManifest(store.locate(key), "it names another export or interval than its key does");
  }
  return manifest;
}

/** Several manifests, a few at a time, in the order of `entries`, without those that are gone. */
export async function readManifests(
  store: Store,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<{ readonly entry: Entry; readonly manifest: Manifest }[]> {
  const limit = pLimit(READERS);
  const read = await limit.map(entries, async (entry) => ({
    entry,
    manifest: await readManifest(store, entry.key, signal),
  }));
  return read.flatMap(({ entry, manifest }) => (manifest ? [{ entry, manifest }] : []));
}

/** In the order of `entries`. For a manifest that was replaced since the listing, the receipt of what replaced it. */
export async function* readReceipts(
  lake: LakeContext,
  entries: readonly Entry[],
  signal: AbortSignal,
): AsyncIterable<Receipt> {
  const memory = await openReceiptMemory(lake, entries);
  const read = async (entry: Entry): Promise<Receipt | undefined> => {
    const receipt = await readReceipt(lake, entry, signal);
    if (receipt) memory?.add(entry, receipt);
    return receipt;
  };
  try {
    for (let at = 0; at < entries.length; at += READERS) {
      const window = entries.slice(at, at + READERS);
      const receipts = await Promise.all(window.map(async (entry) => memory?.get(entry) ?? (await read(entry))));
      for (const receipt of receipts) if (receipt) yield receipt;
    }
  } finally {
    // Also of those that were read before a time limit: the next command reads the rest.
    await memory?.keep();
  }
}

async function readReceipt(lake: LakeContext, entry: Entry, signal: AbortSignal): Promise<Receipt | undefined> {
  const manifest = await readManifest(lake.store, entry.key, signal);
  if (manifest) return manifestReceipt(lake, manifest, entry.committedAt);
  const later = await highestGeneration(lake.store, lake.export, entry.interval, signal);
  return later && later.generation > entry.generation ? readReceipt(lake, later, signal) : undefined;
}

/** `committedAt` is the store's time of the manifest, so that `receipts` and `covered` agree. */
export function manifestReceipt({ path }: LakeContext, manifest: Manifest, committedAt: Date): Receipt {
  const { rows, bytes, files, kept } = manifest;
  const lost = kept.reduce((sum, one) => sum + one.lost, 0);
  return {
    ...receiptOf(manifest, { rows, bytes, files: files.length }, committedAt),
    ...(lost > 0 ? { lost } : {}),
    folders: foldersOf(manifest, path),
  };
}

/** The manifest of exactly this interval that counts; undefined where there is none. */
export async function highestGeneration(
  store: Store,
  exportName: string,
  interval: Interval,
  signal: AbortSignal,
): Promise<Entry | undefined> {
  const entries = await listManifests(store, exportName, generationsPrefix(exportName, interval), signal);
  return entries
    .filter(({ kind }) => kind === "manifest")
    .reduce<Entry | undefined>(
      (highest, entry) => (highest && highest.generation > entry.generation ? highest : entry),
      undefined,
    );
}
