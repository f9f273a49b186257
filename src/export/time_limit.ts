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

/**
 * When the time is up the work is aborted; what it makes of that counts, be it a result. Work that does not even end then
 * is left behind: an attempt that comes to life again later changes nothing (see invariant 4 and the destinations).
 */
export async function withinTime<Result>(
  { what, ms, letGoMs = LET_GO_MS }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const late = new AbortController();
  const error = new ReplayportError(`${what} took longer than ${ms / 60_000} minutes`, {
    code: "load.time_limit",
    remedy: "retry",
    hint:
      "Something that it waited for does not answer: most often a disk, a network mount or the destination. " +
      "Where a batch really needs so long, raise limits.attempt, or load smaller batches (backfill --interval).",
  });
  const { promise: leftBehind, reject } = Promise.withResolvers<never>();
  let letGo: NodeJS.Timeout | undefined;
  const limit = setTimeout(() => {
    late.abort(error);
    letGo = setTimeout(reject, letGoMs, error);
  }, ms);
  try {
    return await Promise.race([work(AbortSignal.any([signal, late.signal])), leftBehind]);
  } finally {
    clearTimeout(limit);
    clearTimeout(letGo);
  }
}
