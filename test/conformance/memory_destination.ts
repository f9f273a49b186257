/**
 * A destination in memory that keeps every promise, unless it is told to break one: so that each case of the suite is seen
 * to fail. It stands for a warehouse: rows are staged, then merged by version in one step that nothing can interrupt.
 */
import { readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Batch, Coverage, Destination, Receipt, StagedFile } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import { contains, overlaps, sameInterval, type Interval } from "../../src/intervals/interval.ts";
import { pull } from "../../destinations/files/pull.ts";
import type { Harness, SeenRow, Target } from "./harness.ts";

export const SECRET = "hunter2-in-memory";

/** What a destination may get wrong. Each is a fault that somebody's exporter has had, or nearly had. */
export type Flaw =
  | "doubles rows on a second load"
  | "shows each file as it comes"
  | "shows rows of a load that failed"
  | "forgets the receipt"
  | "forgets the receipt of an empty batch"
  | "writes the receipt before the data"
  | "is not empty at first"
  | "the first row wins"
  | "a slow reading replaces its interval"
  | "older overwrites newer"
  | "same version overwrites without replace"
  | "ignores replace"
  | "replace ignores versions"
  | "both of two attempts win"
  | "loser gives up for ever"
  | "loser never loads again"
  | "loser removes the winner's rows"
  | "leaves staged rows after a failure"
  | "leaves what a dead attempt staged"
  | "hides the reason of an abort"
  | "hides the error of the files"
  | "covering batch leaves old receipts"
  | "covering batch removes receipts that it only overlaps"
  | "unordered receipts"
  | "receipts of other ranges"
  | "misses receipts that begin before the range"
  | "covered differs from receipts"
  | "receipts live in the worker only"
  | "loads only the last file"
  | "releases a file before it has read it"
  | "keeps all files of a batch on the local disk"
  | "counts no rows"
  | "believes the counts of the stage"
  | "loads a part of a cut file"
  | "commits at another time than it says"
  | "keeps the first receipt of a batch"
  | "writes the password into the receipt"
  | "check writes nothing"
  | "check leaves its probe"
  | "check removes what was loaded"
  | "locks out other intervals";

interface MemoryRow extends SeenRow {
  /** Which batch it came with. */
  readonly batch: string;
}

interface Place {
  rows: MemoryRow[];
  receipts: Receipt[];
  readonly staged: Map<string, { readonly batch: string; rows: MemoryRow[] }>;
  readonly junk: string[];
  readonly reachable: boolean;
}

export function memoryHarness(flaw?: Flaw): Harness {
  return {
    type: "memory",
    sameVersion: "keeps",
    countsRows: true,
    open: () => Promise.resolve(memoryTarget(emptyPlace(true), flaw)),
    openBroken: () => Promise.resolve([new MemoryDestination(emptyPlace(false), flaw)]),
  };
}

function emptyPlace(reachable: boolean): Place {
  return { rows: [], receipts: [], staged: new Map(), junk: [], reachable };
}

function memoryTarget(place: Place, flaw: Flaw | undefined): Target {
  return {
    secrets: [SECRET],
    open: () => {
      if (flaw === "is not empty at first") place.junk.push("welcome");
      return Promise.resolve(new MemoryDestination(place, flaw));
    },
    rows: () =>
      Promise.resolve(
        place.rows
          .map(({ session, version, value }) => ({ session, version, value }))
          .sort((one, other) => (one.session < other.session ? -1 : 1)),
      ),
    leftovers: () => Promise.resolve([...place.staged.keys(), ...place.junk]),
    ledgerText: () => Promise.resolve(JSON.stringify(place.receipts)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

class MemoryDestination implements Destination {
  readonly formats = ["parquet"] as const;
  readonly fileBytes = 1024 * 1024;
  readonly name = "memory://test";
  readonly #place: Place;
  readonly #flaw: Flaw | undefined;
  readonly #own: Receipt[] = [];
  #lost = false;

  constructor(place: Place, flaw: Flaw | undefined) {
    this.#place = place;
    this.#flaw = flaw;
  }

  check(signal: AbortSignal): Promise<void> {
    const place = this.#place;
    signal.throwIfAborted();
    if (this.#flaw === "check writes nothing") return Promise.resolve();
    if (!place.reachable) {
      const hint = "Open one that can be reached.";
      return Promise.reject(new ReplayportError("the place is gone", { code: "memory.gone", remedy: "retry", hint }));
    }
    if (this.#flaw === "check leaves its probe") place.junk.push("probe");
    if (this.#flaw === "check removes what was loaded") place.rows = [];
    return Promise.resolve();
  }

  async load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    const place = this.#place;
    const flaw = this.#flaw;
    const before = this.#receiptOf(batch.interval);
    const others = place.receipts.length;
    const stage = { batch: batch.id, rows: [] as MemoryRow[] };
    place.staged.set(batch.attempt, stage);
    const files: StagedFile[] = [];
    if (flaw === "writes the receipt before the data") this.#record(batch, [], files);
    try {
      for await (const file of pull(batch.files, signal)) {
        if (flaw === "releases a file before it has read it") await file.release();
        const rows = await this.#read(file, batch);
        if (flaw !== "keeps all files of a batch on the local disk") await file.release();
        if (rows.length !== file.rows && flaw !== "believes the counts of the stage") {
          throw new Error(`${file.rows} rows were staged, ${rows.length} are there`);
        }
        if (flaw === "loads only the last file") stage.rows = [];
        stage.rows.push(...rows);
        files.push(file);
        if (flaw === "shows each file as it comes") this.#merge(rows, batch);
      }
      signal.throwIfAborted();
    } catch (error) {
      if (flaw === "shows rows of a load that failed") this.#merge(stage.rows, batch);
      if (flaw !== "leaves staged rows after a failure") place.staged.delete(batch.attempt);
      if (flaw === "hides the reason of an abort" && signal.aborted)
        throw new Error("the load broke off", { cause: error });
      if (flaw === "hides the error of the files") throw new Error("the load broke off", { cause: error });
      throw error;
    }
    // From here on nothing waits, so nothing comes in between.
    const overtaken =
      this.#receiptOf(batch.interval) !== before ||
      (before !== undefined && before.readAt > batch.readAt) ||
      (flaw === "loser never loads again" && this.#lost) ||
      (flaw === "locks out other intervals" && place.receipts.length !== others);
    const careless: readonly (Flaw | undefined)[] = [
      "both of two attempts win",
      "writes the receipt before the data",
      "a slow reading replaces its interval",
    ];
    if (overtaken && !careless.includes(flaw)) {
      this.#lost = true;
      place.staged.delete(batch.attempt);
      if (flaw === "loser removes the winner's rows") place.rows = place.rows.filter((row) => row.batch !== batch.id);
      const remedy = flaw === "loser gives up for ever" ? "give-up" : "retry";
      throw new ReplayportError("another attempt was faster", { code: "memory.lost_race", remedy });
    }
    if (flaw === "a slow reading replaces its interval") {
      place.rows = place.rows.filter((row) => row.batch !== batch.id);
    }
    this.#merge(stage.rows, batch);
    const receipt = this.#record(batch, stage.rows, files);
    for (const [attempt, { batch: id }] of place.staged) {
      const dead = attempt !== batch.attempt;
      if (id === batch.id && !(dead && flaw === "leaves what a dead attempt staged")) place.staged.delete(attempt);
    }
    return receipt;
  }

  async *receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt> {
    await Promise.resolve();
    signal.throwIfAborted();
    const flaw = this.#flaw;
    const all = flaw === "receipts live in the worker only" ? this.#own : this.#place.receipts;
    const found = all.filter(({ interval }) => {
      if (flaw === "receipts of other ranges") return true;
      if (flaw === "misses receipts that begin before the range" && interval.start < range.start) return false;
      return overlaps(interval, range);
    });
    if (flaw !== "unordered receipts") {
      found.sort((one, other) => one.interval.start.getTime() - other.interval.start.getTime());
    }
    yield* found;
  }

  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    for await (const { interval, committedAt } of this.receipts(range, signal)) {
      if (this.#flaw === "covered differs from receipts") return;
      yield { interval, committedAt };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #receiptOf(interval: Interval): Receipt | undefined {
    return this.#place.receipts.find((receipt) => sameInterval(receipt.interval, interval));
  }

  async #read(file: StagedFile, batch: Batch): Promise<MemoryRow[]> {
    const sha256 = createHash("sha256")
      .update(await readFile(file.path))
      .digest("hex");
    if (sha256 !== file.sha256) {
      if (this.#flaw === "loads a part of a cut file") return Array.from({ length: file.rows }, () => brokenRow(batch));
      throw new Error("the file is not what was staged");
    }
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    try {
      const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet('${file.path}')`);
      return reader.getRowObjectsJS().map((row) => ({
        session: row["session_id"] as string,
        version: Number(row["_version"]),
        value: Number(row["value"]),
        batch: batch.id,
      }));
    } finally {
      connection.closeSync();
    }
  }

  #merge(rows: readonly MemoryRow[], batch: Batch): void {
    const flaw = this.#flaw;
    if (flaw === "doubles rows on a second load") {
      this.#place.rows.push(...rows);
      return;
    }
    const merged = new Map(this.#place.rows.map((row) => [row.session, row]));
    for (const row of rows) {
      const old = merged.get(row.session);
      const replace =
        flaw === "same version overwrites without replace" || (batch.replace && flaw !== "ignores replace");
      const wins =
        !old ||
        (row.version > old.version && flaw !== "the first row wins") ||
        flaw === "older overwrites newer" ||
        (row.version === old.version && replace) ||
        (batch.replace && flaw === "replace ignores versions");
      if (wins) merged.set(row.session, row);
    }
    this.#place.rows = [...merged.values()];
  }

  #record(batch: Batch, rows: readonly MemoryRow[], files: readonly StagedFile[]): Receipt {
    const place = this.#place;
    const flaw = this.#flaw;
    const receipt: Receipt = {
      export: batch.export,
      interval: batch.interval,
      attempt: batch.attempt,
      rows: flaw === "counts no rows" ? 0 : rows.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      files: files.length,
      fingerprint: batch.fingerprint,
      readAt: batch.readAt,
      committedAt: flaw === "commits at another time than it says" ? new Date(0) : new Date(),
      ...(flaw === "writes the password into the receipt" ? { account: SECRET } : {}),
    };
    if (flaw === "forgets the receipt") return receipt;
    if (flaw === "forgets the receipt of an empty batch" && files.length === 0) return receipt;
    this.#own.push(receipt);
    place.receipts = place.receipts.filter((old) => {
      if (sameInterval(old.interval, batch.interval)) return flaw === "keeps the first receipt of a batch";
      if (flaw === "covering batch leaves old receipts") return true;
      if (flaw === "covering batch removes receipts that it only overlaps")
        return !overlaps(batch.interval, old.interval);
      return !contains(batch.interval, old.interval);
    });
    if (flaw !== "keeps the first receipt of a batch" || !this.#receiptOf(batch.interval)) place.receipts.push(receipt);
    return receipt;
  }
}

function brokenRow(batch: Batch): MemoryRow {
  return { session: "?", version: 0, value: 0, batch: batch.id };
}
