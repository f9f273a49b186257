/**
 * The items of `source`, until the signal is aborted. Then it rejects at once, even while the source is working on the next
 * item: the source is asked to end but not waited for, so a source that hangs can't block a load.
 */
export async function* pull<Item>(source: AsyncIterable<Item>, signal: AbortSignal): AsyncIterable<Item> {
  const iterator = source[Symbol.asyncIterator]();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
  });
  aborted.catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = iterator.next();
      // Handled here too, in case the abort wins the race.
      next.catch(() => undefined);
      const { done, value } = await Promise.race([next, aborted]);
      if (done === true) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (!ended) {
      const closing = iterator.return?.() ?? Promise.resolve();
      closing.catch(() => undefined);
      if (!signal.aborted) await Promise.race([closing, aborted]);
    }
  }
}
