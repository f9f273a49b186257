/** A limit for a question to something that may never answer, even if it ignores its signal: a network mount, a firewall. */
import { ReplayportError, retry } from "../errors.ts";
import { deadline } from "../export/time_limit.ts";
import { formatDuration } from "./output.ts";

const CLEAN_UP_MS = 2_000;

/** @throws ReplayportError `cli.no_answer` at the limit, without waiting for the work */
export async function answerWithin<Answer>(
  what: string,
  ms: number,
  work: (signal: AbortSignal) => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  const error = new ReplayportError(
    `${what} didn't answer within ${formatDuration(ms / 1000)}`,
    retry("cli.no_answer", "Check that it runs and that this machine can reach it, or allow more time with --timeout."),
  );
  using limit = deadline(ms, error, signal);
  const { promise: late, reject } = Promise.withResolvers<never>();
  let letGo: NodeJS.Timeout | undefined;
  const onLimit = (): void => {
    const { reason } = limit.signal;
    // After Ctrl-C the work may clean up first.
    if (reason === error) reject(reason);
    else letGo = setTimeout(reject, CLEAN_UP_MS, reason);
  };
  limit.signal.addEventListener("abort", onLimit, { once: true });
  if (limit.signal.aborted) onLimit();
  try {
    return await Promise.race([work(limit.signal), late]);
  } catch (cause) {
    // What the work makes of its abort doesn't matter.
    limit.signal.throwIfAborted();
    throw cause;
  } finally {
    clearTimeout(letGo);
  }
}
