/** Creates a manifest: the commit of a batch. */
import { type CommitOutcome, settle } from "../commit_outcome.ts";
import type { LakeContext } from "./context.ts";
import { readManifest } from "./ledger.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";

const COMMIT_MS = 120_000;
const WON = { outcome: "won", committed: undefined } as const;
const LOST = { outcome: "lost" } as const;

/** The caller's signal doesn't stop it: an abort in the middle of a commit would leave its outcome open. */
export async function commit(
  { store, now }: LakeContext,
  key: string,
  manifest: Manifest,
): Promise<CommitOutcome<undefined>> {
  const text = encodeManifest(manifest);
  return await settle(
    {
      // "exists" doesn't prove that another attempt won: the SDK may have met its own manifest.
      send: async (signal) => ((await store.createExclusive(key, text, now(), signal)) === "created" ? WON : "open"),
      readBack: async (signal) => {
        const found = await readManifest(store, key, signal);
        if (!found) return "pending";
        return found.attempt === manifest.attempt ? WON : LOST;
      },
    },
    AbortSignal.timeout(COMMIT_MS),
  );
}
