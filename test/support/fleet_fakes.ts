/** What a fleet of the tests works with: receipts, errors of a source, and a gate for loads. */
import { once } from "node:events";
import type { Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { Interval } from "../../src/intervals/interval.ts";

/** Receipts as if the intervals had been loaded. */
export function receipt(exportName: string, interval: Interval, committedAt: Date): Receipt {
  const rest = { attempt: "000000000000", rows: 0, bytes: 0, files: 0, fingerprint: "0", readAt: committedAt };
  return { export: exportName, interval, committedAt, ...rest };
}

export const down = (retryAfterMs?: number): ReplayportError =>
  new ReplayportError("the source is down, says hunter2", {
    code: "source.down",
    remedy: "retry",
    hint: "Wait.",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
export const wrong = (): ReplayportError =>
  new ReplayportError("the password hunter2 is wrong", { code: "source.password", remedy: "give-up" });

/** Where loads wait for the test: each that comes before it is opened. */
export class Gate {
  /** How many have come. */
  came = 0;
  #isOpen = false;
  readonly #opening = new EventTarget();

  /** For `MemoryWarehouse.beforeCommit`. */
  readonly pass = async (): Promise<void> => {
    this.came += 1;
    if (!this.#isOpen) await once(this.#opening, "open");
  };

  open(): void {
    this.#isOpen = true;
    this.#opening.dispatchEvent(new Event("open"));
  }
}
