/**
 * Retries: one loop and one delay, for `run`, `backfill`, the fleet's workers, alerts and the adapters. BATCH_RETRY is the policy
 * of batches, audits and the demo, so the same failure waits equally long whoever runs into it. Work within an attempt (a commit, an
 * upload, a webhook) has its own policy, whose waits have to fit a time limit: test/retry.test.ts adds them up.
 *
 * With BATCH_RETRY a batch is attempted five times. The waits between attempts are 0.5–1 s, 1–2 s, 2–4 s and 4–8 s, or
 * whatever the other side asked for if that is longer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ReplayportError } from "./errors.ts";

export interface RetryPolicy {
  /** Attempts in all, the first one included. */
  readonly attempts: number;
  /** The longest wait before the second attempt, in milliseconds. Doubles with each attempt after it. */
  readonly firstDelayMs: number;
  /** No wait is longer, unless the other side asked for more. */
  readonly longestDelayMs: number;
}

export const BATCH_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 1_000, longestDelayMs: 60_000 };

/** Resolves after `ms` milliseconds, rejects with `signal.reason`. Tests pass their own, so that none of them sleeps. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

export const wait: Wait = async (ms, signal) => {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    // Node rejects with an AbortError; callers tell a shutdown from a time limit by the signal's own reason.
    signal.throwIfAborted();
    throw error;
  }
};

/** Only an error marked `retry` is retried. An unexpected one is more often a bug than an outage. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ReplayportError && error.remedy === "retry";
}

/** The most that setTimeout can wait, 24.8 days. It fires at once for anything longer. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Milliseconds between a failed attempt and the next: exponential, with up to 50 % jitter so that failures don't retry in
 * lockstep. The larger of this and what the other side asked for (`retryAfterMs`), never their sum.
 * @param failed the attempt that failed: 1, 2, 3 …
 * @param random returns a number in [0, 1)
 */
export function delayAfter(
  failed: number,
  error: unknown,
  policy: Pick<RetryPolicy, "firstDelayMs" | "longestDelayMs">,
  random: () => number,
): number {
  // 2 ** 1024 is Infinity, and Infinity times 0 is NaN: the exponent is bounded.
  const longest = Math.min(policy.firstDelayMs * 2 ** Math.min(failed - 1, 30), policy.longestDelayMs);
  const backoff = Math.round(longest * (0.5 + random() / 2));
  return Math.min(Math.max(askedFor(error), backoff), LONGEST_TIMER_MS);
}

/** `retryAfterMs` comes from headers, so it may be NaN: then nothing was asked for. */
function askedFor(error: unknown): number {
  const asked = error instanceof ReplayportError ? error.retryAfterMs : undefined;
  return asked === undefined || Number.isNaN(asked) ? 0 : asked;
}

export interface RetryOptions {
  readonly policy: RetryPolicy;
  /** Default: `isRetryable`. */
  readonly retryable?: (error: unknown) => boolean;
  /** Called before the wait, with the number of the attempt that failed. */
  readonly onRetry?: (error: unknown, failed: number, delayMs: number) => void;
  readonly random?: () => number;
  readonly wait?: Wait;
}

/**
 * Runs `work` until it succeeds, fails with an error that isn't retryable, or has failed `policy.attempts` times. Rejects
 * with the last error as it was thrown, or with `signal.reason` once the signal is aborted. Work that succeeds although the
 * signal was aborted counts: it may have committed.
 *
 * Not p-retry: it never retries a TypeError, whatever it is asked, replaces a thrown value that isn't an Error, drops the
 * result of work that finished during an abort, and has no place for `retryAfterMs`.
 */
export async function withRetries<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  const { policy, retryable = isRetryable, onRetry, random = Math.random, wait: pause = wait } = options;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= policy.attempts || !retryable(error)) throw error;
      const delayMs = delayAfter(attempt, error, policy, random);
      onRetry?.(error, attempt, delayMs);
      await pause(delayMs, signal);
    }
  }
}
