import type { Interval } from "../../src/intervals/interval.ts";
import type { Batch, Coverage, Destination, Receipt } from "../destination.ts";
import { check } from "./check.ts";
import type { LakeContext } from "./context.ts";
import { readLedger, readReceipts } from "./ledger.ts";
import { dataPrefix } from "./layout.ts";
import { load } from "./load.ts";
import { FORMATS } from "./options.ts";
import { renderPath } from "./path_template.ts";
import type { Entry, Superseded } from "./supersession.ts";

/** Files and manifests in a store, for one export. The layout stands in layout.ts, the protocol in load.ts. */
export class Lake implements Destination {
  readonly formats = FORMATS;
  readonly fileBytes: number;
  readonly name: string;
  readonly #context: LakeContext;
  /** Seen in a listing, to be removed by the next load. By key, since each look sees them again. */
  readonly #superseded = new Map<string, Superseded>();

  constructor(context: LakeContext, fileBytes: number) {
    this.#context = context;
    this.fileBytes = fileBytes;
    this.name = context.store.name;
  }

  check(signal: AbortSignal): Promise<void> {
    return check(this.#context, signal);
  }

  load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    return load(this.#context, batch, this.#superseded, signal);
  }

  async *receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt> {
    const { store, export: exportName } = this.#context;
    yield* readReceipts(store, exportName, await this.#current(range, signal), signal);
  }

  /** LIST requests only, one for each thousand receipts: a year of hourly ones costs nine. */
  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    for (const { interval, committedAt } of await this.#current(range, signal)) yield { interval, committedAt };
  }

  /** Readers that glob the folder see data files from the moment that they are there. */
  async leftovers(of: Interval, signal: AbortSignal): Promise<boolean> {
    const { store, path, export: exportName } = this.#context;
    for await (const _ of store.list(dataPrefix(renderPath(path, exportName, of), of), {}, signal)) return true;
    return false;
  }

  async #current(range: Interval, signal: AbortSignal): Promise<readonly Entry[]> {
    const { store, export: exportName } = this.#context;
    const ledger = await readLedger(store, exportName, range, signal);
    for (const found of ledger.superseded) this.#superseded.set(found.entry.key, found);
    return ledger.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.store[Symbol.asyncDispose]();
  }
}
