/** The manifests of one export, read from the lake. */
import pLimit from "p-limit";
import { overlaps, type Interval } from "../../src/intervals/interval.ts";
import type { Receipt } from "../destination.ts";
import { generationsPrefix, manifestPrefix, manifestsFrom, parseManifestKey } from "./layout.ts";
import { decodeManifest, receiptOf, type Manifest } from "./manifest.ts";
import type { Store } from "../store/store.ts";
import { ledgerOf, type Entry, type Ledger } from "./supersession.ts";

/** So many manifests are read at once. */
const READERS = 16;

/**
 * The manifests whose interval starts in `[from, until)`, in the order of their keys: by start. Costs one LIST call for
 * each thousand of them. Keys of any other form are passed over.
 */
export async function listManifests(
  store: Store,
  exportName: string,
  from: Date | undefined,
  until: Date,
  signal: AbortSignal,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const options = from ? { startAfter: manifestsFrom(exportName, from) } : {};
  for await (const object of store.list(manifestPrefix(exportName), options, signal)) {
    const name = parseManifestKey(exportName, object.key);
    if (!name) continue;
    if (name.interval.start >= until) break;
    entries.push({ ...name, committedAt: object.modified });
  }
  return entries;
}

/**
 * What the ledger says of a range. The listing begins with the first manifest there is, since a long interval that
 * overlaps the range may start at any time before it; that costs one LIST call for each thousand receipts of the past.
 */
export async function readLedger(
  store: Store,
  exportName: string,
  range: Interval,
  signal: AbortSignal,
): Promise<Ledger> {
  const entries = await listManifests(store, exportName, undefined, range.end, signal);
  return ledgerOf(entries.filter((entry) => overlaps(entry.interval, range)));
}

/** Undefined where the manifest is gone: another load took its place. */
export async function readManifest(store: Store, key: string, signal: AbortSignal): Promise<Manifest | undefined> {
  const text = await store.read(key, signal);
  return text === undefined ? undefined : decodeManifest(text, store.locate(key));
}

/** Several manifests, a few at a time, in the order of their keys; those that are gone are left out. */
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

/** In the order of `entries`. One that was replaced since the listing gives the receipt of what took its place. */
export async function* readReceipts(
  store: Store,
  exportName: string,
  entries: readonly Entry[],
  signal: AbortSignal,
): AsyncIterable<Receipt> {
  for (let at = 0; at < entries.length; at += READERS) {
    const window = entries.slice(at, at + READERS);
    const receipts = await Promise.all(window.map((entry) => readReceipt(store, exportName, entry, signal)));
    for (const receipt of receipts) if (receipt) yield receipt;
  }
}

async function readReceipt(
  store: Store,
  exportName: string,
  entry: Entry,
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  const manifest = await readManifest(store, entry.key, signal);
  if (manifest) return receiptOf(manifest, entry.committedAt);
  const later = await highestGeneration(store, exportName, entry.interval, signal);
  return later && later.generation > entry.generation ? readReceipt(store, exportName, later, signal) : undefined;
}

/** The manifest of this very interval that counts; undefined where there is none. */
export async function highestGeneration(
  store: Store,
  exportName: string,
  interval: Interval,
  signal: AbortSignal,
): Promise<Entry | undefined> {
  let highest: Entry | undefined;
  for await (const object of store.list(generationsPrefix(exportName, interval), {}, signal)) {
    const name = parseManifestKey(exportName, object.key);
    if (name) highest = { ...name, committedAt: object.modified };
  }
  return highest;
}
