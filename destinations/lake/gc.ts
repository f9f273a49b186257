/** Finds what nothing names: files that attempts made visible before they died, also under path templates of the past. */
import type { Leftover } from "../destination.ts";
import type { LakeContext } from "./context.ts";
import { dataFileInterval, manifestPrefix } from "./layout.ts";
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

  const files = new Map<string, Omit<Leftover, "removed">>();
  for (const folder of new Set([...templates].map((template) => literalFolder(template, name)))) {
    for await (const { key, bytes, modified } of store.list(folder, signal)) {
      const interval = dataFileInterval(name, key);
      if (!interval) continue;
      const folders = [...templates].map((template) => renderPath(template, name, interval));
      if (folders.includes(key.slice(0, key.lastIndexOf("/")))) files.set(key, { key, bytes, modified });
    }
  }
  // After the files: what a load has made visible since is named by now.
  for (const { entry, manifest } of await readAll(lake, signal)) {
    if (entry.kind === "claim" && isOld(entry.committedAt)) {
      files.set(entry.key, { key: entry.key, bytes: 0, modified: entry.committedAt });
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
