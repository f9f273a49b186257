/** Waits for work that can't be aborted, or that others wait for too. */

/**
 * Settles as the work does, or rejects with `signal.reason` if that is aborted first. The work then continues, and its outcome
 * is ignored. Doesn't check for a signal that is aborted already: the caller decides whether work may begin at all.
 */
export async function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  // Nobody may be left to hear of it.
  work.catch(() => undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
