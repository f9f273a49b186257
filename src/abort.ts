/** Waits for work that can't be aborted, or that others wait for too. */

/**
 * Settles as the work does, or rejects with `signal.reason` if that is aborted first: the work goes on then, and what becomes of it
 * is ignored. A signal that is aborted already isn't looked at; the caller decides whether work may begin at all.
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
