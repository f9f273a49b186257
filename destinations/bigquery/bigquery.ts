import type { Interval } from "../../src/intervals/interval.ts";
import { type Batch, type Coverage, type Destination, FILE_BYTES, FILE_FORMATS, type Receipt } from "../destination.ts";
import { check } from "./check.ts";
import type { BigQueryContext } from "./context.ts";
import { readCoverage, readReceipts } from "./ledger.ts";
import { load } from "./load.ts";

/** One table of BigQuery, for one export. The protocol of a load stands in load.ts. */
export class BigQueryDestination implements Destination {
  readonly formats = FILE_FORMATS;
  readonly fileBytes: number;
  readonly name: string;
  readonly #context: BigQueryContext;

  constructor(context: BigQueryContext) {
    const { place, options } = context;
    this.#context = context;
    this.fileBytes = options.fileBytes ?? FILE_BYTES;
    this.name = `bigquery://${place.project}.${place.dataset}.${place.table}`;
  }

  check(signal: AbortSignal): Promise<void> {
    return check(this.#context, signal);
  }

  load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    return load(this.#context, batch, signal);
  }

  async *receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt> {
    yield* await readReceipts(this.#context, range, signal);
  }

  /** One query; BigQuery bills at least 10 MB for it, and nothing where there is no ledger yet. */
  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    yield* await readCoverage(this.#context, range, signal);
  }

  /** The client holds no connection of its own beyond Node's shared pool. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
