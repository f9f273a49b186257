/** Questions to destinations: one at a time for each export, a few for each destination, so that none keeps others waiting. */
import pLimit, { type LimitFunction } from "p-limit";
import { ReplayportError } from "../../errors.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { deadline } from "../../export/time_limit.ts";

/** Ledgers of one destination that are read at the same time. */
const READERS = 8;
/** A ledger of years is read in seconds; a warehouse may have to wake up first. */
const ANSWER_MS = 5 * 60_000;

export class Questions {
  readonly #limits = new Map<string, LimitFunction>();
  readonly #open = new Set<string>();

  /**
   * Undefined where the export's last question has no answer yet. Rejects with what `work` rejects with.
   * @param work its signal is aborted when the answer takes too long
   */
  ask<Answer>(
    { name, destination }: ExportDefinition,
    work: (signal: AbortSignal) => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> | undefined {
    if (this.#open.has(name)) return undefined;
    this.#open.add(name);
    const limit = this.#limits.get(destination) ?? pLimit(READERS);
    this.#limits.set(destination, limit);
    return limit(async () => {
      using late = deadline(ANSWER_MS, noAnswer(name, destination), signal);
      try {
        return await work(late.signal);
      } finally {
        this.#open.delete(name);
      }
    });
  }
}

function noAnswer(name: string, destination: string): ReplayportError {
  return new ReplayportError(`${name}: ${destination} does not say what is loaded, for ${ANSWER_MS / 60_000} minutes`, {
    code: "fleet.no_answer",
    remedy: "retry",
    hint: "See what replayport check says of this destination.",
  });
}
