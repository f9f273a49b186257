/** Creates a manifest, and finds out what became of it where the answer did not say. */
import { setTimeout } from "node:timers/promises";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import type { LakeContext } from "./context.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";
import { readManifest } from "./ledger.ts";

const TRIES = 4;
const PAUSE_MS = 200;

/** `unknown`: it may still come into being, so nothing that it names may be removed. */
export type CommitOutcome =
  | { readonly outcome: "won" }
  | { readonly outcome: "lost" }
  | { readonly outcome: "refused"; readonly error: unknown }
  | { readonly outcome: "unknown"; readonly error: unknown };

/**
 * Never rejects for what the store says. `exists` is no proof that another attempt won: the SDK sends a request again when
 * the answer was lost, and meets its own manifest then. So the manifest is read back, and its attempt decides.
 */
export async function commit(
  { store, now }: LakeContext,
  key: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<CommitOutcome> {
  const text = encodeManifest(manifest);
  let error: unknown;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    try {
      if ((await store.createExclusive(key, text, now(), signal)) === "created") return { outcome: "won" };
    } catch (thrown) {
      if (thrown instanceof ReplayportError && thrown.remedy === "give-up")
        return { outcome: "refused", error: thrown };
      error = thrown;
    }
    try {
      const there = await readManifest(store, key, signal);
      if (there) return { outcome: there.attempt === manifest.attempt ? "won" : "lost" };
    } catch (thrown) {
      error ??= thrown;
    }
    if (signal.aborted) break;
    await setTimeout(PAUSE_MS * attempt);
  }
  return { outcome: "unknown", error: unknownOutcome(store.locate(key), error) };
}

function unknownOutcome(where: string, error: unknown): ReplayportError {
  return new ReplayportError(`it is not known whether ${where} was written: ${messageOf(error)}`, {
    code: "lake.commit_unknown",
    remedy: "retry",
    hint: "The batch's files were left where they are, since they may be committed. The next load of the batch settles it.",
    cause: error,
  });
}
