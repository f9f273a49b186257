/**
 * Commits, and finds out what became of the commit where the answer doesn't say.
 *
 * | the answer                              | what it proves                                     | next                |
 * |-----------------------------------------|----------------------------------------------------|---------------------|
 * | success                                 | usually that the batch is committed                | won, or read back   |
 * | "it already exists"                     | nothing: a client sends a request again when its answer is lost, and then meets its own commit | read back |
 * | any error, also one that no retry helps | nothing: an earlier try of the same request may have gone through | read back |
 *
 * So whatever isn't proof is read back: the destination says whose receipt it has.
 */
import { ReplayportError } from "../src/errors.ts";
import { type RetryPolicy, withRetries } from "../src/retry.ts";
import { cleanupDeadline } from "./cleanup.ts";
import type { Batch } from "./destination.ts";
import { commitUnknown, lostRace } from "./races.ts";

export type CommitOutcome<Committed> =
  | { readonly outcome: "won"; readonly committed: Committed }
  /** Another attempt's commit is there. */
  | { readonly outcome: "lost" }
  /** Not committed, and it never will be: what the attempt wrote may be removed. */
  | { readonly outcome: "refused"; readonly error: unknown }
  /** It may be committed, or may still be: nothing that it names may be removed. */
  | { readonly outcome: "unknown"; readonly error: unknown };

/**
 * What a destination has for the batch. Where it has nothing: `absent` if the commit can't arrive any more, `pending` if it
 * still may (a request that was sent and never answered).
 */
export type ReadBack<Committed> = Exclude<CommitOutcome<Committed>, { readonly error: unknown }> | "absent" | "pending";

export interface Commit<Committed> {
  /**
   * Sends the commit. Resolves with `open` where the answer is no proof. May be called again after it has rejected, or was
   * open and not found, so sending twice must commit once.
   */
  readonly send: (signal: AbortSignal) => Promise<CommitOutcome<Committed> | "open">;
  /**
   * Called after every `open` and every rejection, with its own deadline: the signal may have been aborted.
   * @param error what `send` rejected with; undefined after `open`
   */
  readonly readBack: (signal: AbortSignal, error: unknown) => Promise<ReadBack<Committed>>;
  /** Default COMMIT_RETRY. An adapter that can't send twice says one attempt. */
  readonly policy?: RetryPolicy;
}

/** Time for a commit with all its tries. Long enough that COMMIT_RETRY never ends it. */
export const COMMIT_MS = 120_000;

export const COMMIT_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 250, longestDelayMs: 4_000 };

/**
 * Never rejects. An error whose remedy is `give-up` isn't sent again: the outcome is `refused`, unless the commit is found
 * or can't be read back.
 * @param signal ends the sending; the last try is read back all the same
 */
export async function settle<Committed>(
  { send, readBack, policy = COMMIT_RETRY }: Commit<Committed>,
  signal: AbortSignal,
): Promise<CommitOutcome<Committed>> {
  let latest: CommitOutcome<Committed> = { outcome: "refused", error: signal.reason };
  const attempt = async (): Promise<void> => {
    let error: unknown;
    try {
      const sent = await send(signal);
      if (sent !== "open") {
        latest = sent;
        return;
      }
    } catch (thrown) {
      error = thrown;
    }
    const final = error instanceof ReplayportError && error.remedy === "give-up";
    try {
      const found = await readBack(cleanupDeadline(), error);
      if (typeof found === "object") {
        latest = found;
        return;
      }
      error ??= new Error("the commit isn't there");
      latest = { outcome: found === "absent" || final ? "refused" : "unknown", error };
    } catch (unreadable) {
      // The error of the write says more than the error of the read.
      error ??= unreadable;
      latest = { outcome: "unknown", error };
    }
    if (!final) throw error;
  };
  // What it rejects with is the error of the latest outcome, or the reason of an abort.
  await withRetries(attempt, { policy, retryable: () => true }, signal).catch(() => undefined);
  return latest;
}

/** What was committed. @throws ReplayportError for every other outcome */
export function expectWon<Committed>(batch: Batch, result: CommitOutcome<Committed>): Committed {
  switch (result.outcome) {
    case "won":
      return result.committed;
    case "lost":
      throw lostRace(batch);
    case "refused":
      throw result.error;
    case "unknown":
      throw commitUnknown(batch, result.error);
    default:
      return result satisfies never;
  }
}
