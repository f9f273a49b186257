/** What a fleet of the tests works with: a ledger in memory that counts who asks it, and a source without ClickHouse. */
import { once } from "node:events";
import { Readable } from "node:stream";
import type { Batch, Destination, Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { Source } from "../../src/export/source.ts";
import { type Interval, contains, intervalName, overlaps } from "../../src/intervals/interval.ts";

/** The ledger of every export, shared by all processes of a test that are really one. */
export class Ledger {
  readonly receipts: Receipt[] = [];
  /** Interval names in the order of their commits, `export/interval`. */
  readonly loads: string[] = [];
  asked = 0;
  /** Called before a batch is committed. */
  beforeCommit: (batch: Batch, signal: AbortSignal) => Promise<void> = async () => undefined;
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  of(exportName: string): Receipt[] {
    return this.receipts.filter((one) => one.export === exportName);
  }

  destination(exportName: string): Destination {
    const find = (range: { start: Date; end: Date }): Receipt[] =>
      this.of(exportName)
        .filter(({ interval }) => overlaps(interval, range))
        .sort((a, b) => a.interval.start.getTime() - b.interval.start.getTime());
    const ask = this.#ask.bind(this);
    return {
      name: "memory",
      formats: ["jsonl"],
      fileBytes: 1 << 20,
      check: async () => undefined,
      load: (batch, signal) => this.#load(batch, signal),
      async *receipts(range) {
        yield* find(range);
      },
      async *covered(range) {
        ask();
        yield* find(range);
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  #ask(): void {
    this.asked += 1;
  }

  async #load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    let rows = 0;
    let bytes = 0;
    let files = 0;
    for await (const file of batch.files) {
      rows += file.rows;
      bytes += file.bytes;
      files += 1;
    }
    await this.beforeCommit(batch, signal);
    signal.throwIfAborted();
    const { export: name, interval, attempt, fingerprint, readAt } = batch;
    const committedAt = this.#now();
    const made = { export: name, interval, attempt, rows, bytes, files, fingerprint, readAt, committedAt };
    const kept = this.receipts.filter((old) => old.export !== name || !contains(interval, old.interval));
    this.receipts.splice(0, this.receipts.length, ...kept, made);
    this.loads.push(`${name}/${intervalName(interval)}`);
    return made;
  }
}

export interface FakeSource {
  /** Sessions of every interval. */
  sessions: number;
  /** Called before anything is counted; may throw. */
  beforeCount: (exportName: string) => Promise<void>;
}

export function sourceOf(fake: FakeSource): Source {
  const query = { sql: "", parameters: {} };
  return {
    info: async () => ({ name: "fake", version: "1" }),
    model: async () => ({
      name: "fake",
      columns: [],
      key: [],
      count: () => query,
      rows: () => query,
      countMovedSince: () => query,
      splitPoints: () => undefined,
      countPerHour: () => undefined,
    }),
    texts: async () => [],
    numbers: async (_query, purpose) => {
      await fake.beforeCount(purpose.export);
      return [{ sessions: fake.sessions }];
    },
    extract: async () => {
      const text = '{"a":1}\n'.repeat(fake.sessions);
      return { stream: Readable.from([Buffer.from(text)]), rows: fake.sessions };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

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

  /** For `Ledger.beforeCommit`. */
  readonly pass = async (): Promise<void> => {
    this.came += 1;
    if (!this.#isOpen) await once(this.#opening, "open");
  };

  open(): void {
    this.#isOpen = true;
    this.#opening.dispatchEvent(new Event("open"));
  }
}
