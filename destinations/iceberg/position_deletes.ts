/** The rows that a table's files of position deletes mark, by the path of the data file. */
import { messageOf, ReplayportError } from "../../src/errors.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { readPositionDeletes } from "../table_format/position_deletes.ts";
import { unreadable } from "../table_format/unreadable.ts";
import type { IcebergContext } from "./context.ts";
import type { Storage } from "./storage.ts";

export async function readDeletes(
  { caches }: IcebergContext,
  storage: Storage,
  { path, bytes }: Pick<DataFile, "path" | "bytes">,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly number[]>> {
  return await caches.deletes.get(path, async () => {
    const found = new Map<string, number[]>();
    try {
      for await (const { path: of, position } of readPositionDeletes(storage.range(path, bytes, signal))) {
        const positions = found.get(of);
        if (positions) positions.push(position);
        else found.set(of, [position]);
      }
      return found;
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof ReplayportError ? error : unreadable(path, messageOf(error), error);
    }
  });
}
