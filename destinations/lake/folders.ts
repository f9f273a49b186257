/** Which folders and kinds of files the manifests name: what a reader has to read. Pure. */
import type { DataFolder, Receipt } from "../destination.ts";
import type { Manifest } from "./manifest.ts";
import { DEFAULT_PATH, isInFolder } from "./path_template.ts";

/** @param today the path of the export; 0.1.0 didn't write it down */
export function foldersOf(manifest: Manifest, today: string): DataFolder[] {
  const { export: exportName, files, kept, path, columns } = manifest;
  const named = [...files.map((file) => ({ ...file, path, columns })), ...kept];
  const found = named.map((file) => {
    const templates = [file.path, path, today, DEFAULT_PATH].filter((one) => one !== undefined);
    return {
      path: templates.find((template) => isInFolder(template, exportName, file.key)) ?? folderOf(file.key),
      extension: extensionOf(file.key),
      columns: [file.columns.map(({ name, type }) => ({ name, type }))],
    };
  });
  return joinFolders(found);
}

/** Folders of one path and kind become one. */
export function joinFolders(folders: Iterable<DataFolder>): DataFolder[] {
  const byKind = Map.groupBy(folders, ({ path, extension }) => `${extension}\n${path}`);
  return [...byKind.values()].flatMap((same) => {
    const lists = new Map(same.flatMap((one) => one.columns.map((columns) => [JSON.stringify(columns), columns])));
    return same[0] ? [{ ...same[0], columns: [...lists.values()] }] : [];
  });
}

/** The folders that hold the export's rows, or those of today if nothing is loaded yet. */
export function loadedFolders(
  receipts: Iterable<Pick<Receipt, "folders">>,
  today: DataFolder,
): [DataFolder, ...DataFolder[]] {
  const [first = today, ...others] = joinFolders([...receipts].flatMap(({ folders = [] }) => folders));
  return [first, ...others];
}

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/"));
}

/** `20261001T000000Z_20261002T000000Z.0123456789ab.0.jsonl.zst`: what follows interval, attempt and number. */
function extensionOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1).replace(/^[^.]*\.[^.]*\.\d+/, "");
}
