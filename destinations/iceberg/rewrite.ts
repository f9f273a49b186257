/**
 * Writes data files again without their dead rows. The bytes of a row that was deleted are gone then, once the snapshots that
 * name the old file have expired. For some files at a time it
 *
 *  1. copies each to a new file (copy_file.ts), which no snapshot names yet;
 *  2. commits (commit.ts): the copies come and the old files leave, with their deletes. The copies keep their rows' sequence
 *     numbers. No row comes or goes, so no receipt changes.
 *
 * **A load may commit meanwhile.** The commit is computed from the table as it is then: rows that have died since a file was
 * copied are marked in its copy, and the copy of a file that has left the table is removed. A load that was computed from the old
 * files is computed again.
 *
 * **If it's killed at any point**, the table has the old files or the copies, which are the same rows. The others are files that
 * no snapshot names, or that only older ones do: `gc` and expiry remove them.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { cleanupDeadline } from "../cleanup.ts";
import type { FileOfDeadRows } from "../destination.ts";
import { claimFolder, runFolder } from "../files/private_folder.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { currentSchema } from "../table_format/metadata.ts";
import { type AddedFile, ledgerChange } from "./change.ts";
import { commitChange, type MakeChange } from "./commit.ts";
import type { IcebergContext } from "./context.ts";
import { copyFile } from "./copy_file.ts";
import { DeadRows, diedSince } from "./dead_rows.ts";
import { dataFile, newWork, type Work } from "./names.ts";
import { type DataEntry, deadRows, readState } from "./snapshot.ts";
import type { Storage } from "./storage.ts";
import { loadTable } from "./tables.ts";

/** Replaced by one commit. What is copied before a crash is copied again. */
const MOST_FILES = 16;

interface Candidate {
  readonly file: DataFile;
  readonly dead: DeadRows;
}

interface Copy extends Candidate {
  /** Undefined where no row is left. */
  readonly copy: DataFile | undefined;
}

/**
 * @param percent files of which more rows are dead
 * @param change write them again; otherwise they are only listed
 */
export async function* rewriteFiles(
  context: IcebergContext,
  { percent, change }: { readonly percent: number; readonly change: boolean },
  signal: AbortSignal,
): AsyncIterable<FileOfDeadRows> {
  const loaded = await loadTable(context, signal);
  if (!loaded) return;
  const state = await readState(context, loaded, signal);
  const found: Candidate[] = [];
  for (const one of state.data) {
    const { file } = one.entry;
    const dead = await deadRows(context, state, one, signal);
    if (dead && dead.count * 100 > file.rows * percent) found.push({ file, dead });
  }
  for (let at = 0; at < found.length; at += MOST_FILES) {
    const some = found.slice(at, at + MOST_FILES);
    const rewritten = change ? await rewriteSome(context, some, signal) : new Set();
    for (const { file, dead } of some) {
      const { path: key, rows, bytes } = file;
      yield { key, rows, bytes, dead: dead.count, rewritten: rewritten.has(key) };
    }
  }
}

/** @returns the paths of those that were replaced */
async function rewriteSome(
  context: IcebergContext,
  some: readonly Candidate[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const loaded = await loadTable(context, signal);
  if (!loaded) return new Set();
  const { metadata } = loaded;
  const storage = context.storage(loaded);
  const work = newWork("rewrite");
  const paths = some.map((_, index) => dataFile(metadata.location, work, index));
  let unneeded: readonly string[] = paths;
  if (context.folder !== undefined) await claimFolder(context.folder);
  const parent = context.folder ?? tmpdir();
  const folder = runFolder(parent, randomBytes(6).toString("hex"));
  await mkdir(folder, { mode: 0o700 });
  try {
    // 1.
    const copies: Copy[] = [];
    for (const [index, one] of some.entries()) {
      const path = paths[index] ?? "";
      const isEmpty = one.dead.count === one.file.rows;
      const copy = isEmpty ? undefined : await copyFile(storage, currentSchema(metadata), one, folder, path, signal);
      copies.push({ ...one, copy });
    }

    // 2.
    const outcome = await commitChange(context, work, replacing(context, metadata.uuid, work, copies), signal);
    switch (outcome.outcome) {
      case "won": {
        const added = new Set(outcome.committed.change.added.map(({ file }) => file.path));
        unneeded = paths.filter((path) => !added.has(path));
        return outcome.committed.change.replaced ?? new Set();
      }
      case "lost":
        return new Set();
      case "unknown":
        unneeded = [];
        throw outcome.error;
      case "refused":
        throw outcome.error;
      default:
        return outcome satisfies never;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    await remove(context, storage, unneeded);
  }
}

/** `lost` if all of the files have left the table meanwhile. */
function replacing(context: IcebergContext, uuid: string, work: Work, copies: readonly Copy[]): MakeChange {
  return async ({ state, ledger }, signal) => {
    const added: AddedFile[] = [];
    const replaced = new Set<string>();
    const live = new Map(state.data.map((one): [string, DataEntry] => [one.entry.file.path, one]));
    for (const { file, dead: before, copy } of state.metadata.uuid === uuid ? copies : []) {
      const one = live.get(file.path);
      if (!one) continue;
      const now = (await deadRows(context, state, one, signal)) ?? new DeadRows(file.rows);
      const dead = diedSince(before, now);
      if (!dead) continue;
      replaced.add(file.path);
      if (copy && dead.count < copy.rows) added.push({ file: copy, dead, sequenceNumber: one.entry.sequenceNumber });
    }
    if (replaced.size === 0) return "lost";
    const change = ledgerChange(() => ({ ...ledger, commits: [work, ...ledger.commits] }));
    return { ...change, added, replaced };
  };
}

/** Never rejects: the table is as it should be. */
async function remove(context: IcebergContext, storage: Storage, paths: readonly string[]): Promise<void> {
  await storage.delete(paths, cleanupDeadline()).catch((error: unknown) => {
    const detail = { export: context.export, table: context.tableName, error };
    context.onWarning("can't remove copies of files that weren't needed; `replayport gc` finds them", detail);
  });
}
