import type { Interval } from "../../src/intervals/interval.ts";
import { type Batch, type Coverage, type Destination, FILE_FORMATS, type Receipt } from "../destination.ts";
import { check } from "./check.ts";
import type { LakeContext } from "./context.ts";
import { readLedger, readReceipts } from "./ledger.ts";
import { dataPrefix } from "./layout.ts";
import { load } from "./load.ts";
import { renderPath } from "./path_template.ts";
import type { Entry, Superseded } from "./supersession.ts";

/** Files and manifests in a store, for one export. layout.ts has the layout, load.ts the protocol. */
export class Lake implements Destination {
  readonly formats = FILE_FORMATS;
  readonly fileBytes: number;
  readonly name: string;
  readonly #context: LakeContext;
  /** Listings have shown these; the next load removes them. By key, since every listing shows them again. */
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

  /** LIST requests only, one per thousand receipts: nine for a year of hourly batches. */
  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    for (const { interval, committedAt } of await this.#current(range, signal)) yield { interval, committedAt };
  }

  /** Readers that glob the folder see a data file as soon as it's uploaded. */
  async hasUncommittedFiles(interval: Interval, signal: AbortSignal): Promise<boolean> {
    const { store, path, export: exportName } = this.#context;
    const prefix = dataPrefix(renderPath(path, exportName, interval), interval);
    for await (const _ of store.list(prefix, signal)) return true;
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
