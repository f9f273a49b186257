/** Histories that pages show. A destination may be slow and cost money, and a page asks every few seconds: so they are kept for a while. */
import pLimit from "p-limit";
import { unlessAborted } from "../abort.ts";
import type { ExportHistory, Fleet } from "../fleet/fleet.ts";
import type { Interval } from "../intervals/interval.ts";

const KEPT_MS = 60_000;
/** Longer than people wait: the next look finds the answer. */
const READ_MS = 60_000;
const MOST = 100;
/** Browsing the pages of many exports must not keep a destination busy. */
const AT_ONCE = 4;

interface Kept {
  readonly at: number;
  readonly history: Promise<ExportHistory>;
}

export class Histories {
  readonly #fleet: Pick<Fleet, "history">;
  readonly #ending: AbortSignal;
  readonly #limit = pLimit(AT_ONCE);
  readonly #kept = new Map<string, Kept>();

  constructor(fleet: Pick<Fleet, "history">, ending: AbortSignal) {
    this.#fleet = fleet;
    this.#ending = ending;
  }

  /** Rejects with `signal.reason`, although the answer is still awaited, or with what the destination rejects with. */
  async read(name: string, range: Interval, signal: AbortSignal): Promise<ExportHistory> {
    const key = JSON.stringify([name, range.start, range.end]);
    const before = this.#kept.get(key);
    const kept = before && performance.now() - before.at < KEPT_MS ? before : this.#ask(key, name, range);
    signal.throwIfAborted();
    return await unlessAborted(kept.history, signal);
  }

  /** Of an export that has just been changed. */
  forget(name: string): void {
    const prefix = JSON.stringify([name]).slice(0, -1);
    for (const key of this.#kept.keys()) if (key.startsWith(`${prefix},`)) this.#kept.delete(key);
  }

  #ask(key: string, name: string, range: Interval): Kept {
    const read = async (): Promise<ExportHistory> => {
      const signal = AbortSignal.any([this.#ending, AbortSignal.timeout(READ_MS)]);
      return await this.#fleet.history(name, range, signal);
    };
    const kept = { at: performance.now(), history: this.#limit(read) };
    // An error isn't kept. Whoever waits for it gets it.
    kept.history.catch(() => this.#kept.delete(key));
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST) break;
      this.#kept.delete(oldest);
    }
    return kept;
  }
}
