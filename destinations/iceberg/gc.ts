/** Finds files in the table's folders that have names of ours and that nothing needs: of attempts that died. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Leftover } from "../destination.ts";
import type { StoredObject } from "../store/store.ts";
import type { IcebergContext } from "./context.ts";
import { neededFiles } from "./leftovers.ts";
import { attemptOf, folders } from "./names.ts";
import { refuseUnsupported } from "./supported.ts";
import { keepsAllFiles } from "./table_settings.ts";
import { loadTable } from "./tables.ts";

/** What is younger may belong to a load that runs. */
const YOUNG_MS = 24 * 3_600_000;

/** @param remove what is older than a day */
export async function* collectGarbage(
  context: IcebergContext,
  remove: boolean,
  signal: AbortSignal,
): AsyncIterable<Leftover> {
  const before = await loadTable(context, signal);
  if (!before) return;
  refuseUnsupported(context.tableName, before.metadata);
  if (remove && keepsAllFiles(before.metadata)) throw keptByOthers(context);
  const storage = context.storage(before);
  const files: (Omit<StoredObject, "key"> & { readonly path: string })[] = [];
  for (const folder of folders(before.metadata.location)) {
    for await (const file of storage.list(folder, signal)) if (attemptOf(file.path) !== undefined) files.push(file);
  }
  // After the listing: what a load has committed since is named by now.
  const loaded = await loadTable(context, signal);
  if (!loaded) return;
  const needed = await neededFiles(context, { metadata: loaded.metadata, storage }, signal);
  for (const { path, bytes, modified } of files) {
    if (needed.has(path)) continue;
    const removed = remove && modified.getTime() + YOUNG_MS <= context.now().getTime();
    if (removed) await storage.delete([path], signal);
    yield { key: path, unfinished: false, bytes, modified, removed };
  }
}

function keptByOthers({ tableName }: IcebergContext): ReplayportError {
  return new ReplayportError(
    `${tableName} may not lose files: its property gc.enabled is false`,
    giveUp(
      "iceberg.gc_disabled",
      "Something else, such as a branch in Nessie, may need files that this table doesn't name. Remove them with the catalog's own " +
        "garbage collection; without --delete they are only listed.",
    ),
  );
}
