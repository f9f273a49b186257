/** A time limit for work that may hang: a stuck disk or network mount ignores an abort. */
import { ReplayportError, retry } from "../errors.ts";

export interface TimeLimit {
  /** What is limited, for the message: a batch's id. */
  readonly what: string;
  readonly ms: number;
  /** Milliseconds that the work has after the abort. Longer than any commit, since a commit isn't interrupted. */
  readonly letGoMs?: number;
}

const LET_GO_MS = 180_000;

export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that is aborted with `signal`, or with `error` at the limit. Dispose of it: that removes the timer and the
 * listener. AbortSignal.any would keep its listener for as long as `signal` lives.
 */
export function deadline(ms: number, error: Error, signal: AbortSignal): Deadline {
  const either = new AbortController();
  const timer = setTimeout(() => either.abort(error), ms);
  const abort = (): void => {
    clearTimeout(timer);
    either.abort(signal.reason);
  };
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return {
    signal: either.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    },
  };
}

/**
 * Aborts `work` at the limit and settles with whatever `work` settles with, even a result. If it hasn't settled `letGoMs`
 * later, stops waiting for it. That's safe: an attempt that comes back to life commits by the same conditional
 * write as any other, and changes nothing if it lost.
 */
export async function withinTime<Result>(
  { what, ms, letGoMs = LET_GO_MS }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const error = new ReplayportError(
    `${what} took longer than ${ms / 60_000} minutes`,
    retry(
      "load.time_limit",
      "Something it waited for doesn't answer, usually a disk, a network mount or the destination. " +
        "If the batch really needs that long, raise limits.attempt or load smaller batches (backfill --interval).",
    ),
  );
  const { promise: leftBehind, reject } = Promise.withResolvers<never>();
  let letGo: NodeJS.Timeout | undefined;
  using limit = deadline(ms, error, signal);
  limit.signal.addEventListener("abort", () => {
    if (limit.signal.reason === error) letGo = setTimeout(reject, letGoMs, error);
  });
  try {
    return await Promise.race([work(limit.signal), leftBehind]);
  } finally {
    clearTimeout(letGo);
  }
}
