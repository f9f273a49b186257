/** Files of attempts that died: in the table's folders, and named by no snapshot. */
import { readManifest } from "../table_format/manifest.ts";
import { readManifestList } from "../table_format/manifest_list.ts";
import type { Change } from "./change.ts";
import type { IcebergContext } from "./context.ts";
import { readLedgerFile } from "./ledger.ts";
import { attemptOf, prefixes, PROPERTIES, type Work } from "./names.ts";
import type { TableState } from "./snapshot.ts";
import type { Storage } from "./storage.ts";
import { keepsAllFiles } from "./table_settings.ts";

/** Files about the same interval that other attempts wrote. What isn't dead is sorted out by `deadFiles`. */
export async function filesOfOthers(
  context: IcebergContext,
  storage: Storage,
  location: string,
  { about, attempt }: Work,
  signal: AbortSignal,
): Promise<string[]> {
  const found: string[] = [];
  try {
    for (const prefix of prefixes(location, about)) {
      for await (const { path } of storage.list(prefix, signal)) {
        const writer = attemptOf(path);
        if (writer !== undefined && writer !== attempt) found.push(path);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    const detail = { export: context.export, table: context.tableName, error };
    context.onWarning("can't list the files of dead attempts, so they stay", detail);
    return [];
  }
  return found;
}

/**
 * Those that no snapshot needs, of attempts that can't commit any more (load.ts says why).
 * @param state before our commit
 */
export async function deadFiles(
  context: IcebergContext,
  state: TableState,
  ledger: ReturnType<Change["ledger"]>,
  files: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const committed = new Set([
    ...ledger.commits.map(({ attempt }) => attempt),
    ...ledger.receipts.map(({ attempt }) => attempt),
  ]);
  const dead = files.filter((path) => !committed.has(attemptOf(path) ?? ""));
  if (dead.length === 0 || keepsAllFiles(state.metadata)) return [];
  // An attempt that committed long ago isn't listed any more, but its files may still be in a snapshot.
  const needed = await neededFiles(context, state, signal);
  return dead.filter((path) => !needed.has(path));
}

/** Every file that a snapshot of the table needs, and those of the ledgers that may count again after a rollback. */
export async function neededFiles(
  context: IcebergContext,
  { metadata, storage }: Pick<TableState, "metadata" | "storage">,
  signal: AbortSignal,
): Promise<Set<string>> {
  const needed = new Set<string>();
  const manifests = new Map<string, ReturnType<typeof readManifestList>[number]>();
  const ledgers = new Set<string>();
  const named = metadata.properties[PROPERTIES.ledger];
  if (named !== undefined) ledgers.add(named);
  for (const { manifestList, summary } of metadata.snapshots) {
    needed.add(manifestList);
    const ledger = summary[PROPERTIES.ledger];
    if (ledger !== undefined) ledgers.add(ledger);
    const list = readManifestList(await storage.read(manifestList, signal), manifestList);
    for (const manifest of list) manifests.set(manifest.path, manifest);
  }
  for (const manifest of manifests.values()) {
    needed.add(manifest.path);
    // Not through the cache: these are many, and needed once.
    for (const { file, status } of readManifest(await storage.read(manifest.path, signal), manifest)) {
      if (status !== "deleted") needed.add(file.path);
    }
  }
  for (const path of ledgers) {
    needed.add(path);
    const { gone, base } = await readLedgerFile(context, storage, path, signal);
    for (const one of gone) needed.add(one.path);
    if (base) needed.add(base.path);
  }
  return needed;
}
