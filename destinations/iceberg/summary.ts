/** What a snapshot says about itself, for people and for the planners of engines. Pure. */
import type { DataFile } from "../table_format/manifest.ts";
import type { FileChanges } from "./manifests.ts";
import type { TableState } from "./snapshot.ts";

/** @param replaces whether the files are others, and the rows the same as before */
export function operationOf(
  { added, dropped, deletes, removed }: FileChanges,
  replaces: boolean,
): "append" | "overwrite" | "delete" | "replace" {
  if (replaces) return "replace";
  if (dropped.size === 0 && deletes.length === 0 && removed.size === 0) return "append";
  return added.length === 0 ? "delete" : "overwrite";
}

export function summaryOf(
  state: TableState,
  { added: addedFiles, dropped, deletes, removed }: FileChanges,
): Readonly<Record<string, string>> {
  const added = addedFiles.map(({ file }) => file);
  const data = state.data.map(({ entry }) => entry.file);
  const marks = state.deletes.map(({ entry }) => entry.file);
  const lost = data.filter(({ path }) => dropped.has(path));
  const unmarked = marks.filter(({ path }) => removed.has(path));
  const after = [...data.filter(({ path }) => !dropped.has(path)), ...added];
  const marksAfter = [...marks.filter(({ path }) => !removed.has(path)), ...deletes];
  const counts = {
    "added-data-files": added.length,
    "added-records": rows(added),
    "added-files-size": bytes([...added, ...deletes]),
    "added-delete-files": deletes.length,
    "added-position-delete-files": deletes.length,
    "added-position-deletes": rows(deletes),
    "deleted-data-files": lost.length,
    "deleted-records": rows(lost),
    "removed-files-size": bytes([...lost, ...unmarked]),
    "removed-delete-files": unmarked.length,
    "removed-position-delete-files": unmarked.length,
    "removed-position-deletes": rows(unmarked),
  };
  const totals = {
    "total-data-files": after.length,
    "total-records": rows(after),
    "total-files-size": bytes([...after, ...marksAfter]),
    "total-delete-files": marksAfter.length,
    "total-position-deletes": rows(marksAfter),
    "total-equality-deletes": 0,
  };
  const said = [...Object.entries(counts).filter(([, count]) => count > 0), ...Object.entries(totals)];
  return Object.fromEntries(said.map(([name, count]) => [name, String(count)]));
}

function rows(files: readonly DataFile[]): number {
  return files.reduce((sum, file) => sum + file.rows, 0);
}

function bytes(files: readonly DataFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}
