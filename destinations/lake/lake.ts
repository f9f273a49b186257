import type { Interval } from "../../src/intervals/interval.ts";
import {
  type Batch,
  type Coverage,
  type Destination,
  type DestinationAudit,
  type DestinationRecords,
  FILE_FORMATS,
  type Leftover,
  type Receipt,
} from "../destination.ts";
import { lakeAudit } from "./audit.ts";
import { check } from "./check.ts";
import type { SupersededKeys } from "./cleanup.ts";
import type { LakeContext } from "./context.ts";
import { collectGarbage } from "./gc.ts";
import { readLedger, readReceipts } from "./ledger.ts";
import { load } from "./load.ts";
import { adopt } from "./owner.ts";
import { lakeRecords } from "./records.ts";
import { type Entry, readAt } from "./supersession.ts";

/** Files and manifests in a store, for one export. layout.ts has the layout, load.ts the protocol. */
export class Lake implements Destination {
  readonly formats = FILE_FORMATS;
  readonly fileBytes: number;
  readonly name: string;
  readonly audit: DestinationAudit;
  readonly records: DestinationRecords;
  readonly #context: LakeContext;
  /** Listings have shown these; the next load removes those that are due. */
  readonly #superseded: SupersededKeys = new Map();

  constructor(context: LakeContext, fileBytes: number) {
    this.#context = context;
    this.fileBytes = fileBytes;
    this.name = context.store.name;
    this.audit = lakeAudit(context);
    this.records = lakeRecords(context);
  }

  adopt(signal: AbortSignal): Promise<string | undefined> {
    return adopt(this.#context, signal);
  }

  check(signal: AbortSignal): Promise<void> {
    return check(this.#context, signal);
  }

  load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    return load(this.#context, batch, this.#superseded, signal);
  }

  async *receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt> {
    yield* readReceipts(this.#context, await this.#current(range, signal), signal);
  }

  /** LIST requests only, one per thousand receipts: nine for a year of hourly batches. */
  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    for (const entry of await this.#current(range, signal)) {
      const { interval, watermark, committedAt } = entry;
      yield { interval, readAt: readAt(entry), watermark, committedAt };
    }
  }

  collectGarbage(remove: boolean, signal: AbortSignal): AsyncIterable<Leftover> {
    return collectGarbage(this.#context, remove, signal);
  }

  async #current(range: Interval, signal: AbortSignal): Promise<readonly Entry[]> {
    const ledger = await readLedger(this.#context, range, signal);
    for (const { entry, by } of ledger.superseded) this.#superseded.set(entry.key, by.key);
    return ledger.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.store[Symbol.asyncDispose]();
  }
}
