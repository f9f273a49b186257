/**
 * Which installation an export's part of a lake belongs to. Two that share a prefix and a name would take each other's
 * receipts for their own: each would skip what the other has loaded. See docs/adr/0016-a-lake-has-an-owner.md
 */
import { z } from "zod";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { LakeContext } from "./context.ts";
import { manifestPrefix } from "./layout.ts";

const recordSchema = z.looseObject({ owner: z.string() });

/** Beside the manifests, so that their listing shows it. */
export function ownerKey(exportName: string): string {
  return `${manifestPrefix(exportName)}owner.json`;
}

/** Makes the lake this installation's if it's nobody's: a new one, or one of 0.1.0. @throws as `refuseForeign` */
export async function ensureOwner(lake: LakeContext, signal: AbortSignal): Promise<void> {
  const { store, now, installation } = lake;
  if (installation === undefined || (await refuseForeign(lake, signal))) return;
  // Another one may do the same now. One of them creates it, and the other one reads it.
  const created = await store.createExclusive(ownerKey(lake.export), record(lake, installation), now(), signal);
  if (created === "exists") await refuseForeign(lake, signal);
}

/**
 * @returns whether it has an owner
 * @throws ReplayportError `lake.foreign_owner` if that is another installation
 */
export async function refuseForeign(lake: LakeContext, signal: AbortSignal): Promise<boolean> {
  const { store, installation } = lake;
  const owner = await readOwner(lake, signal);
  if (owner === undefined || installation === undefined || owner === installation) return owner !== undefined;
  throw new ReplayportError(
    `export ${lake.export}: ${store.name} belongs to another installation, ${owner}; this one is ${installation}`,
    giveUp(
      "lake.foreign_owner",
      "If both are in use, give this one another prefix or another name for the export. If it was moved or renamed, or takes the " +
        `other one's place: replayport adopt ${lake.export}`,
    ),
  );
}

/** Makes the lake this installation's, whoever's it is. @returns whose it was */
export async function adopt(lake: LakeContext, signal: AbortSignal): Promise<string | undefined> {
  const { store, now, installation } = lake;
  const before = await readOwner(lake, signal);
  if (installation !== undefined && before !== installation)
    await store.put(ownerKey(lake.export), record(lake, installation), now(), signal);
  return before;
}

async function readOwner(lake: LakeContext, signal: AbortSignal): Promise<string | undefined> {
  const key = ownerKey(lake.export);
  const text = await lake.store.read(key, signal);
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text)).owner;
  } catch {
    return `somebody whose name can't be read in ${lake.store.locate(key)}`;
  }
}

function record({ now, version }: LakeContext, owner: string): string {
  return `${JSON.stringify({ owner, since: now(), replayport: version })}\n`;
}
