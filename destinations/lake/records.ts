/** Records of an export in a lake: small files beside its manifests. */
import type { DestinationRecords, RecordKind } from "../destination.ts";
import type { LakeContext } from "./context.ts";
import { recordKey, recordsPrefix } from "./layout.ts";

/** Nothing needs an old audit. A correction is part of each later read's `_version`. */
const KEPT: Readonly<Record<RecordKind, number>> = { audits: 100, corrections: Infinity };

export function lakeRecords({ store, export: name }: LakeContext): DestinationRecords {
  const keys = async (kind: RecordKind, signal: AbortSignal): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list(recordsPrefix(name, kind), signal))
      if (key.endsWith(".json")) found.push(key);
    return found.sort();
  };
  return {
    async add(kind, text, at, signal) {
      await store.put(recordKey(name, kind, at, text), text, at, signal);
      if (KEPT[kind] !== Infinity) await store.delete((await keys(kind, signal)).slice(0, -KEPT[kind]), signal);
    },
    async last(kind, signal) {
      const newest = (await keys(kind, signal)).at(-1);
      return newest === undefined ? undefined : await store.read(newest, signal);
    },
    async all(kind, signal) {
      const texts = (await keys(kind, signal)).map(async (key) => await store.read(key, signal));
      return (await Promise.all(texts)).filter((text) => text !== undefined);
    },
  };
}
