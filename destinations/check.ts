/** What the checks of all destinations share: an error says which step failed. */
import { messageOf, ReplayportError } from "../src/errors.ts";

/** @param doing follows "while": `writing a manifest` */
export type Step = <Answer>(doing: string, work: () => Promise<Answer>) => Promise<Answer>;

/**
 * Runs each step of a check. A step's error keeps its code, remedy and hint, and its message says what was being done.
 * @param subject `the lake's check`, `BigQuery's check`
 * @param signal after an abort a step rejects with the signal's reason
 */
export function checkSteps(subject: string, signal: AbortSignal): Step {
  return async (doing, work) => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ReplayportError)) throw error;
      const { code, remedy, hint, retryAfterMs } = error;
      throw new ReplayportError(`${subject} failed while ${doing}: ${messageOf(error)}`, {
        code,
        remedy,
        ...(hint === undefined ? {} : { hint }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        cause: error,
      });
    }
  };
}
