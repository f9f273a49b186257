/** What a target may do: answer, or refuse with a ReplayportError that says what to do; and soon. */
import { ReplayportError } from "../../src/errors.ts";

/** Far more than any of them needs, also on a machine that does other things. */
const SLOW_MS = 10_000;

export async function judge(run: () => unknown): Promise<void> {
  const began = performance.now();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${SLOW_MS} ms`)), SLOW_MS);
  try {
    await Promise.race([(async () => await run())(), late.promise]);
  } catch (error) {
    if (!(error instanceof ReplayportError)) throw error;
    if ((error.hint ?? "").trim() === "") throw new Error(`${error.code} has no hint`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  const took = performance.now() - began;
  if (took > SLOW_MS) throw new Error(`took ${Math.round(took)} ms`);
}
