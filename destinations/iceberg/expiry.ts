/** Which snapshots a commit expires, and which files nobody needs after it. */
import { readManifest } from "../table_format/manifest.ts";
import { readManifestList } from "../table_format/manifest_list.ts";
import { ancestors, type Snapshot, type TableMetadata } from "../table_format/metadata.ts";
import { decodeLedger } from "./ledger_file.ts";
import { PROPERTIES } from "./names.ts";
import { askedRetention, keepsAllFiles } from "./table_settings.ts";
import type { TableState } from "./snapshot.ts";

/** However old they are. */
const ALWAYS_KEPT = 10;
/** In one commit: the rest follows with the next ones. */
const MOST_EXPIRED = 100;

/** Of the history of `main`, the oldest first. Other branches and tags keep theirs; the table itself may ask for more. */
export function expiredSnapshots(metadata: TableMetadata, now: Date, keepMs: number): Snapshot[] {
  if (keepsAllFiles(metadata)) return [];
  const asked = askedRetention(metadata);
  const kept = new Set<bigint>();
  for (const [name, ref] of Object.entries(metadata.refs)) {
    if (name === "main") continue;
    for (const { id } of ancestors(metadata, ref.snapshotId)) kept.add(id);
  }
  return ancestors(metadata)
    .slice(Math.max(ALWAYS_KEPT, asked.snapshots))
    .filter(({ id, timestampMs }) => !kept.has(id) && timestampMs < now.getTime() - Math.max(keepMs, asked.ageMs))
    .toReversed()
    .slice(0, MOST_EXPIRED);
}

/**
 * The files that only the expired snapshots needed. Where all snapshots are one history that is, of each expired one, what its
 * successor has removed. Reads a few files of each; what it can't find, or what isn't so simple, is left to `gc`.
 * @param state before the commit that expired them
 */
export async function unneededFiles(
  { metadata, storage, data, deletes }: TableState,
  expired: readonly Snapshot[],
  signal: AbortSignal,
): Promise<string[]> {
  const history = ancestors(metadata);
  // Another branch or tag, and a snapshot that was staged or rolled back, may need what `main` has removed.
  const simple = metadata.snapshots.length === history.length && history.at(-1)?.id === expired[0]?.id;
  if (!simple) return [];
  const successors = new Map(metadata.snapshots.map((one) => [one.parentId, one]));
  const unneeded = new Set<string>();
  const gone = new Set(expired.map(({ id }) => id));
  for (const snapshot of expired) {
    const successor = successors.get(snapshot.id);
    const before = await manifestsOf(storage, snapshot, signal);
    if (!successor || !before) break;
    const after = await manifestsOf(storage, successor, signal);
    if (!after) break;
    const stay = new Set(after.map(({ path }) => path));
    for (const { path } of before) if (!stay.has(path)) unneeded.add(path);
    for (const manifest of after.filter(({ addedSnapshotId }) => addedSnapshotId === successor.id)) {
      const bytes = await storage.readIfThere(manifest.path, signal);
      for (const { status, file } of bytes ? readManifest(bytes, manifest) : []) {
        if (status === "deleted") unneeded.add(file.path);
      }
    }
    unneeded.add(snapshot.manifestList);
    const ledger = snapshot.summary[PROPERTIES.ledger];
    if (ledger !== undefined) unneeded.add(ledger);
    const base = await baseOf(storage, ledger, signal);
    if (base !== undefined) unneeded.add(base);
  }
  // What stays may have the base of the last one that goes, or a later one.
  const oldest = history.findLast(({ id, summary }) => !gone.has(id) && summary[PROPERTIES.ledger] !== undefined);
  for (const ledger of [oldest?.summary[PROPERTIES.ledger], metadata.properties[PROPERTIES.ledger]])
    unneeded.delete((await baseOf(storage, ledger, signal)) ?? "");
  // Somebody may have brought a file back.
  for (const { entry } of [...data, ...deletes]) unneeded.delete(entry.file.path);
  unneeded.delete(metadata.properties[PROPERTIES.ledger] ?? "");
  return [...unneeded];
}

/** Of a ledger's base, its path. */
async function baseOf(
  storage: TableState["storage"],
  ledger: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const bytes = ledger === undefined ? undefined : await storage.readIfThere(ledger, signal);
  return bytes && decodeLedger(bytes, ledger ?? "").base?.path;
}

async function manifestsOf(storage: TableState["storage"], snapshot: Snapshot, signal: AbortSignal) {
  const bytes = await storage.readIfThere(snapshot.manifestList, signal);
  return bytes && readManifestList(bytes, snapshot.manifestList);
}
