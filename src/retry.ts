/**
 * The one retry policy. `run`, `backfill`, the fleet's workers, alerts and the adapters' own loops take their delays from
 * here, so the same failure waits for the same time whoever runs into it.
 *
 * With BATCH_RETRY the five attempts of a batch start at most 1, 2, 4 and 8 seconds after the failure before.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { ReplayportError } from "./errors.ts";

export interface RetryPolicy {
  /** Attempts in all, the first one included. */
  readonly attempts: number;
  /** The longest that the second attempt waits, in milliseconds. Doubles with each attempt after it. */
  readonly firstDelayMs: number;
  /** No delay is longer, unless the other side asked for more. */
  readonly longestDelayMs: number;
}

export const BATCH_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 1_000, longestDelayMs: 60_000 };

/** Milliseconds to wait. Tests pass their own, so that no test sleeps. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

export const wait: Wait = async (ms, signal) => {
  await sleep(ms, undefined, { signal });
};

/** Only an error that says so may pass. One that nobody foresaw is more often a bug than an outage. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ReplayportError && error.remedy === "retry";
}

/**
 * Milliseconds between a failed attempt and the next: exponential, with up to 50 % jitter so that failures don't retry in
 * lockstep, and never less than the other side asked for (`retryAfterMs`).
 * @param failed the attempt that failed: 1, 2, 3 …
 * @param random a number in [0, 1)
 */
export function delayAfter(
  failed: number,
  error: unknown,
  policy: Pick<RetryPolicy, "firstDelayMs" | "longestDelayMs">,
  random: () => number,
): number {
  const asked = error instanceof ReplayportError ? (error.retryAfterMs ?? 0) : 0;
  // 2 ** 1024 is Infinity, and Infinity times 0 is NaN: the exponent is bounded.
  const longest = Math.min(policy.firstDelayMs * 2 ** Math.min(failed - 1, 30), policy.longestDelayMs);
  return Math.max(asked, Math.round(longest * (0.5 + random() / 2)));
}

export interface RetryOptions {
  readonly policy: RetryPolicy;
  /** Default: `isRetryable`. */
  readonly retryable?: (error: unknown) => boolean;
  /** Called before the wait, with the attempt that failed. */
  readonly onRetry?: (error: unknown, failed: number, delayMs: number) => void;
  readonly random?: () => number;
  readonly wait?: Wait;
}

/** Runs `work` until it succeeds, fails for good, or has failed `policy.attempts` times. Rejects with its last error, or `signal.reason`. */
export async function withRetries<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  const { policy, retryable = isRetryable, onRetry, random = Math.random, wait: pause = wait } = options;
  return await pRetry(work, {
    retries: policy.attempts - 1,
    // p-retry counts the attempts; the delay is ours, since its own cannot honour `retryAfterMs`.
    minTimeout: 0,
    signal,
    shouldRetry: ({ error }) => retryable(error),
    onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
      if (retriesLeft === 0 || !retryable(error)) return;
      const delayMs = delayAfter(attemptNumber, error, policy, random);
      onRetry?.(error, attemptNumber, delayMs);
      await pause(delayMs, signal);
    },
  });
}
