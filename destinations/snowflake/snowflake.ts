import type { Interval } from "../../src/intervals/interval.ts";
import { type Batch, type Coverage, type Destination, FILE_FORMATS, type Receipt } from "../destination.ts";
import { check } from "./check.ts";
import type { SnowflakeContext } from "./context.ts";
import { coverageOf, readReceipts, toReceipt } from "./ledger.ts";
import { load } from "./load.ts";
import { objectPath } from "./names.ts";

/** A table in Snowflake, for one export. The protocol stands in load.ts and commit.ts. */
export class Snowflake implements Destination {
  readonly formats = FILE_FORMATS;
  readonly fileBytes: number;
  readonly name: string;
  readonly #context: SnowflakeContext;

  constructor(context: SnowflakeContext, address: string, fileBytes: number) {
    this.#context = context;
    this.fileBytes = fileBytes;
    this.name = `${address} ${objectPath(context.names, context.names.table)}`;
  }

  check(signal: AbortSignal): Promise<void> {
    return check(this.#context, signal);
  }

  load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    return load(this.#context, batch, signal);
  }

  async *receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt> {
    for (const row of await readReceipts(this.#context, range, "all", signal)) {
      yield toReceipt(row, this.#context.export);
    }
  }

  /** One query over three columns of the ledger. */
  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    for (const row of await readReceipts(this.#context, range, "coverage", signal)) yield coverageOf(row);
  }

  /** Nothing is held between two calls: each has a session of its own, which it closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
