/** Wrong tokens. They are counted and logged, so that somebody notices, and each is answered late. */
import type { Wait } from "../retry.ts";

export type GuessedAt = "login" | "api";

export interface WrongTokens {
  readonly at: GuessedAt;
  /** The last one's address; behind a proxy, the proxy's. */
  readonly from: string | undefined;
  /** Since the last report. */
  readonly times: number;
}

/** A token has 16 characters at least, so this is for the log's sake; people who mistype hardly notice. */
const PAUSE_MS = 1_000;
/** Anybody can send wrong tokens, and must not be able to fill the log with them. */
const REPORT_EVERY_MS = 60_000;

export class Guesses {
  readonly #report: (wrong: WrongTokens) => void;
  readonly #now: () => Date;
  readonly #wait: Wait;
  #unreported = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(report: (wrong: WrongTokens) => void, now: () => Date, wait: Wait) {
    this.#report = report;
    this.#now = now;
    this.#wait = wait;
  }

  /** Resolves when the answer may be sent. */
  async wrong(at: GuessedAt, from: string | undefined, signal: AbortSignal): Promise<void> {
    this.#unreported += 1;
    const now = this.#now().getTime();
    if (now - this.#reportedAt >= REPORT_EVERY_MS) {
      this.#report({ at, from, times: this.#unreported });
      this.#reportedAt = now;
      this.#unreported = 0;
    }
    await this.#wait(PAUSE_MS, signal);
  }
}
