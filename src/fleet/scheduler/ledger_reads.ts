/** Limits ledger reads: one at a time per export, eight per destination, so a slow destination can't block the rest. */
import pLimit, { type LimitFunction } from "p-limit";
import { ReplayportError, retry } from "../../errors.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { deadline } from "../../export/time_limit.ts";

/** Ledgers of one destination that are read at the same time. */
const CONCURRENT_READS = 8;
/** Reading years of receipts takes seconds, but a warehouse may have to wake up first. */
const READ_MS = 5 * 60_000;

export class LedgerReads {
  readonly #limits = new Map<string, LimitFunction>();
  readonly #reading = new Set<string>();

  /**
   * Undefined if the export's last read is still running. Rejects with what `work` rejects with.
   * @param work its signal is aborted after five minutes
   */
  run<Answer>(
    { name, destination }: ExportDefinition,
    work: (signal: AbortSignal) => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> | undefined {
    if (this.#reading.has(name)) return undefined;
    this.#reading.add(name);
    const limit = this.#limits.get(destination) ?? pLimit(CONCURRENT_READS);
    this.#limits.set(destination, limit);
    return limit(async () => {
      using late = deadline(READ_MS, noAnswer(name, destination), signal);
      try {
        return await work(late.signal);
      } finally {
        this.#reading.delete(name);
      }
    });
  }
}

function noAnswer(name: string, destination: string): ReplayportError {
  const minutes = READ_MS / 60_000;
  return new ReplayportError(
    `${name}: reading the load history from ${destination} took more than ${minutes} minutes`,
    retry("fleet.ledger_timeout", "Run `replayport check` to test this destination."),
  );
}
