/**
 * Receipts that an earlier command has read, so that `status` needn't read thousands of manifests again. A manifest only ever
 * changes by its own attempt, and then the store's time of it does. Nothing depends on the memory: without it, receipts are read.
 */
import { hash } from "node:crypto";
import { z } from "zod";
import type { Receipt } from "../destination.ts";
import type { LakeContext } from "./context.ts";
import { manifestPrefix } from "./layout.ts";
import type { Entry } from "./supersession.ts";

/** Fewer are read in a second. */
const WORTH_IT = 200;
/** What was remembered of manifests that are gone goes once there is this much of it. */
const MOST_FOR_EACH = 2;

const count = z.int().nonnegative();
/** Milliseconds that a Date can have. */
const time = z.int().max(8.64e15);
/** What many receipts have in common, written once. */
const sharedSchema = z.object({
  fingerprint: z.string(),
  sourceColumns: z.array(z.string()).optional(),
  folders: z
    .array(
      z.object({
        path: z.string(),
        extension: z.string(),
        columns: z.array(z.array(z.object({ name: z.string(), type: z.string() }))),
      }),
    )
    .optional(),
});
/** When it was committed, the index of its shared part, attempt, rows, bytes, files, when it was read, watermark, lost rows. */
const rememberedSchema = z.tuple([time, count, z.string(), count, count, count, time, time.nullable(), count]);
const keptSchema = z.object({ shared: z.array(sharedSchema), receipts: z.record(z.string(), rememberedSchema) });
type Shared = Pick<Receipt, "fingerprint" | "sourceColumns" | "folders">;
type Remembered = z.infer<typeof rememberedSchema>;

export interface ReceiptMemory {
  /** Undefined where the manifest isn't known, or has changed since. */
  get(entry: Entry): Receipt | undefined;
  add(entry: Entry, receipt: Receipt): void;
  /** Never rejects. */
  keep(): Promise<void>;
}

/** Undefined where it isn't worth it, or there's none. Never rejects. */
export async function openReceiptMemory(
  { store, export: exportName, path, version, memory }: LakeContext,
  entries: readonly Entry[],
): Promise<ReceiptMemory | undefined> {
  if (memory === undefined || entries.length < WORTH_IT) return undefined;
  // Folders depend on the path of today, and the form on the version.
  const name = `receipts-${hash("sha256", JSON.stringify([store.name, exportName, path, version])).slice(0, 24)}.json`;
  const prefix = manifestPrefix(exportName);
  const shared: Shared[] = [];
  const known = new Map<string, Remembered>();
  try {
    const text = await memory.recall(name);
    if (text !== undefined) {
      const found = keptSchema.parse(JSON.parse(text));
      shared.push(...(found.shared as Shared[]));
      for (const [key, one] of Object.entries(found.receipts)) if (shared[one[1]] !== undefined) known.set(key, one);
    }
  } catch {
    // It's written again.
    known.clear();
    shared.length = 0;
  }
  const indices = new Map(shared.map((one, index) => [JSON.stringify(one), index]));
  const used = new Set<string>();
  let changed = false;
  return {
    get(entry) {
      const key = entry.key.slice(prefix.length);
      used.add(key);
      const one = known.get(key);
      const common = one && shared[one[1]];
      if (!one || !common || one[0] !== entry.committedAt.getTime()) return undefined;
      const [, , attempt, rows, bytes, files, readMs, watermarkMs, lost] = one;
      const { interval, committedAt } = entry;
      const times = { readAt: new Date(readMs), watermark: watermarkMs === null ? undefined : new Date(watermarkMs) };
      const some = { sourceColumns: undefined, ...(lost > 0 ? { lost } : {}) };
      return { export: exportName, interval, attempt, rows, bytes, files, ...times, committedAt, ...some, ...common };
    },
    add(entry, receipt) {
      // Of a manifest that has gone meanwhile, it's the receipt of what replaced it.
      if (receipt.readAt?.getTime() !== entry.readAt?.getTime() || receipt.readAt === undefined) return;
      const { fingerprint, sourceColumns, folders, attempt, rows, bytes, files, readAt, watermark, lost = 0 } = receipt;
      const common: Shared = { fingerprint, sourceColumns, ...(folders ? { folders } : {}) };
      const text = JSON.stringify(common);
      const index = indices.get(text) ?? shared.push(common) - 1;
      indices.set(text, index);
      const times = [readAt.getTime(), watermark?.getTime() ?? null] as const;
      const key = entry.key.slice(prefix.length);
      known.set(key, [entry.committedAt.getTime(), index, attempt, rows, bytes, files, ...times, lost]);
      changed = true;
    },
    async keep() {
      if (!changed) return;
      const all = known.size > MOST_FOR_EACH * used.size ? [...known].filter(([key]) => used.has(key)) : known;
      const text = JSON.stringify({ shared, receipts: Object.fromEntries(all) });
      await memory.keep(name, text).catch(() => undefined);
    },
  };
}
