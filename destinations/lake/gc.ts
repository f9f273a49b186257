/** Finds what nothing names: files and unfinished uploads of attempts that died, also under path templates of the past. */
import type { Leftover } from "../destination.ts";
import type { LakeContext } from "./context.ts";
import type { Unfinished } from "../store/store.ts";
import { dataFileInterval, manifestPrefix, parseManifestKey } from "./layout.ts";
import { listManifests, readManifests } from "./ledger.ts";
import { keysOf } from "./manifest.ts";
import { refuseForeign } from "./owner.ts";
import { literalFolder, renderPath } from "./path_template.ts";

/** What is younger may belong to a load that runs. */
const YOUNG_MS = 24 * 3_600_000;

/** @param remove what is older than a day */
export async function* collectGarbage(
  lake: LakeContext,
  remove: boolean,
  signal: AbortSignal,
): AsyncIterable<Leftover> {
  const { store, export: name, now } = lake;
  await refuseForeign(lake, signal);
  const isOld = (time: Date): boolean => time.getTime() + YOUNG_MS <= now().getTime();
  const templates = new Set([lake.path]);
  for (const { manifest } of await readAll(lake, signal)) if (manifest.path !== undefined) templates.add(manifest.path);

  const isData = (key: string): boolean => {
    const interval = dataFileInterval(name, key);
    const folder = key.slice(0, key.lastIndexOf("/"));
    return interval !== undefined && [...templates].some((template) => renderPath(template, name, interval) === folder);
  };
  const folders = new Set([...templates].map((template) => literalFolder(template, name)));

  const uploads: Unfinished[] = [];
  for (const folder of [...folders, manifestPrefix(name)]) {
    const found = await store.unfinished(folder, signal);
    uploads.push(...found.filter(({ key }) => isData(key) || parseManifestKey(name, key)));
  }
  for (const upload of new Map(uploads.map((one) => [one.id, one])).values()) {
    const { key, begun: modified } = upload;
    const removed = remove && isOld(modified);
    if (removed) await store.discard([upload], signal);
    yield { key, unfinished: true, bytes: 0, modified, removed };
  }

  const files = new Map<string, Omit<Leftover, "removed">>();
  for (const folder of folders) {
    for await (const { key, bytes, modified } of store.list(folder, signal)) {
      if (isData(key)) files.set(key, { key, unfinished: false, bytes, modified });
    }
  }
  // After the files: what a load has made visible since is named by now.
  for (const { entry, manifest } of await readAll(lake, signal)) {
    if (entry.kind === "claim" && isOld(entry.committedAt)) {
      files.set(entry.key, { key: entry.key, unfinished: false, bytes: 0, modified: entry.committedAt });
    } else {
      for (const key of [...keysOf(manifest), ...manifest.removes]) files.delete(key);
    }
  }
  for (const file of files.values()) {
    const removed = remove && isOld(file.modified);
    if (removed) await store.delete([file.key], signal);
    yield { ...file, removed };
  }
}

async function readAll({ store, export: name }: LakeContext, signal: AbortSignal): ReturnType<typeof readManifests> {
  return await readManifests(store, await listManifests(store, name, manifestPrefix(name), signal), signal);
}
