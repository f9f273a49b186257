/** Creates a claim, and writes a manifest: the commit of a batch. */
import { type CommitOutcome, type ReadBack, settle } from "../commit_outcome.ts";
import type { LakeContext } from "./context.ts";
import { readManifest } from "./ledger.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";

const WON = { outcome: "won", committed: undefined } as const;
const LOST = { outcome: "lost" } as const;

/** At most one attempt gets a claim. */
export async function claim(
  lake: LakeContext,
  key: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<CommitOutcome<undefined>> {
  const { store, now } = lake;
  const text = encodeManifest(manifest);
  // "exists" doesn't prove that another attempt won: the SDK may have met its own claim.
  const send = async (): Promise<typeof WON | "open"> =>
    (await store.createExclusive(key, text, now(), signal)) === "created" ? WON : "open";
  return await settle({ send, readBack: (until) => readBack(lake, key, manifest, until) }, signal);
}

/**
 * Only the owner of the claim writes the manifest, so it may be sent as often as it takes. The grace of what it replaces begins
 * now: the claim may be an hour old, if the machine was asleep.
 */
export async function commit(
  lake: LakeContext,
  key: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<CommitOutcome<undefined>> {
  const { store, now } = lake;
  const send = async (): Promise<typeof WON> => {
    const committedAt = now();
    await store.put(key, encodeManifest({ ...manifest, committedAt }), committedAt, signal);
    return WON;
  };
  return await settle({ send, readBack: (until) => readBack(lake, key, manifest, until) }, signal);
}

async function readBack(
  { store }: LakeContext,
  key: string,
  { attempt }: Manifest,
  signal: AbortSignal,
): Promise<ReadBack<undefined>> {
  const found = await readManifest(store, key, signal);
  if (!found) return "pending";
  return found.attempt === attempt ? WON : LOST;
}
