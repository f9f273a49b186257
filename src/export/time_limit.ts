/** A limit for work that may wait for ever: a disk or a network mount that hangs heeds no abort. */
import { ReplayportError } from "../errors.ts";

export interface TimeLimit {
  /** Whose time is limited, for the message: a batch's id. */
  readonly what: string;
  readonly ms: number;
  /** Milliseconds that the work has after the abort. Longer than a commit may take, which is not interrupted. */
  readonly letGoMs?: number;
}

const LET_GO_MS = 180_000;

export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that is aborted with `signal`, or with `error` when the time is up. It is to be disposed of, and then nothing
 * stays: of AbortSignal.any, a listener that stays would stay for as long as `signal` does.
 */
export function deadline(ms: number, error: Error, signal: AbortSignal): Deadline {
  const either = new AbortController();
  const timer = setTimeout(() => either.abort(error), ms);
  const abort = (): void => either.abort(signal.reason);
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
 * When the time is up the work is aborted; what it makes of that counts, be it a result. Work that does not even end then
 * is left behind: an attempt that comes to life again later changes nothing (see invariant 4 and the destinations).
 */
export async function withinTime<Result>(
  { what, ms, letGoMs = LET_GO_MS }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const error = new ReplayportError(`${what} took longer than ${ms / 60_000} minutes`, {
    code: "load.time_limit",
    remedy: "retry",
    hint:
      "Something that it waited for does not answer: most often a disk, a network mount or the destination. " +
      "Where a batch really needs so long, raise limits.attempt, or load smaller batches (backfill --interval).",
  });
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
