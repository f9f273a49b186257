/**
 * The one destination in memory. It stands for a warehouse: rows are staged, then merged by version in one step that nothing
 * can interrupt. It keeps every promise of destinations/destination.ts, except the one that a `flaw` names, so that each
 * case of the conformance suite is seen to fail. Tests of what comes before a destination use it without a flaw and read
 * what it was given; they prove nothing about a real one.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Batch, Coverage, Destination, Receipt, StagedFile } from "../../destinations/destination.ts";
import { pull } from "../../destinations/files/pull.ts";
import { isReadLater } from "../../destinations/races.ts";
import { ReplayportError } from "../../src/errors.ts";
import { contains, type Interval, overlaps, parseIntervalName, sameInterval } from "../../src/intervals/interval.ts";
import { compareReadings, type Reading } from "../../src/models/reading_order.ts";
import { type AuditFlaw, memoryAudit } from "./memory_audit.ts";
import { memoryRecords, type RecordsFlaw, type StoredRecord } from "./memory_records.ts";

export const SECRET = "hunter2-in-memory";

/** What a destination may get wrong. Each is a fault that somebody's exporter has had, or nearly had. */
export type Flaw =
  | AuditFlaw
  | RecordsFlaw
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
  | "looks for a session by its start"
  | "the first of two rows of one version stays"
  | "the last of two rows of one version wins, whenever it was read"
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
  | "a receipt from the future stops every load"
  | "check writes nothing"
  | "check leaves its probe"
  | "check removes what was loaded"
  | "locks out other intervals"
  | "drops the rows that a reload lacks"
  | "drops the rows that a covering batch lacks";

export interface MemoryRow {
  readonly session: string;
  readonly value: number;
  readonly version: number;
  /** Default: 1970. */
  readonly start?: Date;
}

/** With the id of the batch that it came with, and when that was read. */
type StoredRow = MemoryRow & { readonly batch: string; readonly readAt: Date };

export interface Loaded {
  readonly batch: Batch;
  readonly files: readonly StagedFile[];
  /** Of each file. */
  readonly contents: readonly Buffer[];
}

export interface MemoryOptions {
  readonly flaw?: Flaw | undefined;
  /** Shared with the test, which may add receipts and take them away. */
  readonly receipts?: Receipt[];
  /** When a batch is committed. Default: when its source was read. */
  readonly now?: () => Date;
  /** Reads the rows of a file. Default: files aren't looked into, their rows are only counted. */
  readonly rowsOf?: (file: StagedFile) => Promise<readonly MemoryRow[]>;
  /** Whether `check` passes. Default: yes. */
  readonly reachable?: boolean;
}

export interface MemoryWarehouse {
  /** In the order of the commits. A receipt that a later batch covers is gone. */
  readonly receipts: Receipt[];
  readonly loaded: readonly Loaded[];
  /** The ids of the loaded batches, `export/interval`. */
  readonly loads: readonly string[];
  /** How many times `covered` was called. */
  readonly asked: number;
  /** Awaited before a batch is committed; may reject. */
  beforeCommit: (batch: Batch, signal: AbortSignal) => Promise<void>;
  of(exportName: string): Receipt[];
  /** The current rows by session. */
  rows(): readonly MemoryRow[];
  /** Staged rows and other remains. */
  leftovers(): string[];
  /** Each call opens another instance, as another worker would. */
  destination(exportName: string): Destination;
}

export function memoryWarehouse(options: MemoryOptions = {}): MemoryWarehouse {
  const { flaw, receipts = [], now, rowsOf, reachable = true } = options;
  const loaded: Loaded[] = [];
  const staged = new Map<string, { readonly batch: string; rows: StoredRow[] }>();
  const junk: string[] = [];
  const records: StoredRecord[] = [];
  let rows: StoredRow[] = [];
  let asked = 0;

  const of = (exportName: string): Receipt[] => receipts.filter((one) => one.export === exportName);
  const receiptOf = (batch: Batch): Receipt | undefined =>
    of(batch.export).find(({ interval }) => sameInterval(interval, batch.interval));

  const merge = (added: readonly StoredRow[]): void => {
    if (flaw === "doubles rows on a second load") {
      rows.push(...added);
      return;
    }
    const keyOf = ({ session, start }: MemoryRow): string =>
      flaw === "looks for a session by its start" ? `${session} ${start?.getTime()}` : session;
    const merged = new Map(rows.map((row) => [keyOf(row), row]));
    for (const row of added) {
      const old = merged.get(keyOf(row));
      const wins =
        !old || flaw === "older overwrites newer" || (flaw !== "the first row wins" && replaces(row, old, flaw));
      if (wins) merged.set(keyOf(row), row);
    }
    rows = [...merged.values()];
  };

  const read = async (file: StagedFile, batch: Batch): Promise<{ contents: Buffer; rows: StoredRow[] }> => {
    const contents = await readFile(file.path);
    if (createHash("sha256").update(contents).digest("hex") !== file.sha256) {
      if (flaw !== "loads a part of a cut file") throw new Error("the file is not what was staged");
      return { contents, rows: Array.from({ length: file.rows }, () => brokenRow(batch)) };
    }
    const found = (await rowsOf?.(file)) ?? [];
    if (rowsOf && found.length !== file.rows && flaw !== "believes the counts of the stage") {
      throw new Error(`${file.rows} rows were staged, ${found.length} are there`);
    }
    return { contents, rows: found.map((row) => ({ ...row, batch: batch.id, readAt: batch.readAt })) };
  };

  const record = (batch: Batch, files: readonly StagedFile[], count: number): Receipt => {
    const receipt: Receipt = {
      export: batch.export,
      interval: batch.interval,
      attempt: batch.attempt,
      rows: flaw === "counts no rows" ? 0 : count,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      files: files.length,
      fingerprint: batch.fingerprint,
      readAt: batch.readAt,
      watermark: batch.watermark,
      committedAt: flaw === "commits at another time than it says" ? new Date(0) : (now?.() ?? batch.readAt),
      sourceColumns: batch.sourceColumns,
      ...(flaw === "writes the password into the receipt" ? { account: SECRET } : {}),
    };
    if (flaw === "forgets the receipt") return receipt;
    if (flaw === "forgets the receipt of an empty batch" && files.length === 0) return receipt;
    const kept = receipts.filter((old) => {
      if (old.export !== batch.export) return true;
      if (sameInterval(old.interval, batch.interval)) return flaw === "keeps the first receipt of a batch";
      if (flaw === "covering batch leaves old receipts") return true;
      if (flaw === "covering batch removes receipts that it only overlaps")
        return !overlaps(batch.interval, old.interval);
      return !contains(batch.interval, old.interval);
    });
    receipts.splice(0, receipts.length, ...kept);
    if (flaw !== "keeps the first receipt of a batch" || !receiptOf(batch)) receipts.push(receipt);
    return receipt;
  };

  const warehouse: MemoryWarehouse = {
    receipts,
    loaded,
    get loads() {
      return loaded.map(({ batch }) => batch.id);
    },
    get asked() {
      return asked;
    },
    beforeCommit: async () => undefined,
    of,
    rows: () =>
      rows
        .map(({ session, version, value }) => ({ session, version, value }))
        .sort((one, other) => (one.session < other.session ? -1 : 1)),
    leftovers: () => [...staged.keys(), ...junk],
    destination,
  };
  return warehouse;

  function destination(exportName: string): Destination {
    if (flaw === "is not empty at first") junk.push("welcome");
    /** Receipts of this instance. */
    const own: Receipt[] = [];
    let lost = false;

    const find = (range: Interval): Receipt[] => {
      const all = flaw === "receipts live in the worker only" ? own : of(exportName);
      const found = all.filter(({ interval }) => {
        if (flaw === "receipts of other ranges") return true;
        if (flaw === "misses receipts that begin before the range" && interval.start < range.start) return false;
        return overlaps(interval, range);
      });
      if (flaw === "unordered receipts") return found;
      return found.sort((one, other) => one.interval.start.getTime() - other.interval.start.getTime());
    };

    return {
      name: "memory://test",
      formats: ["parquet", "jsonl", "csv"],
      fileBytes: 1 << 30,

      async check(signal) {
        signal.throwIfAborted();
        if (flaw === "check writes nothing") return;
        if (!reachable) {
          const hint = "Open one that can be reached.";
          throw new ReplayportError("the warehouse is gone", { code: "memory.gone", remedy: "retry", hint });
        }
        if (flaw === "check leaves its probe") junk.push("probe");
        if (flaw === "check removes what was loaded") rows = [];
      },

      async load(batch, signal) {
        // 1. Stage: read, check and release each file.
        const before = receiptOf(batch);
        const others = receipts.length;
        const stage = { batch: batch.id, rows: [] as StoredRow[] };
        staged.set(batch.attempt, stage);
        const files: StagedFile[] = [];
        const contents: Buffer[] = [];
        let count = 0;
        if (flaw === "writes the receipt before the data") own.push(record(batch, files, 0));
        try {
          for await (const file of pull(batch.files, signal)) {
            if (flaw === "releases a file before it has read it") await file.release();
            const content = await read(file, batch);
            if (flaw !== "keeps all files of a batch on the local disk") await file.release();
            if (flaw === "loads only the last file") {
              stage.rows = [];
              count = 0;
            }
            stage.rows.push(...content.rows);
            count += file.rows;
            files.push(file);
            contents.push(content.contents);
            if (flaw === "shows each file as it comes") merge(content.rows);
          }
          await warehouse.beforeCommit(batch, signal);
          signal.throwIfAborted();
        } catch (error) {
          if (flaw === "shows rows of a load that failed") merge(stage.rows);
          if (flaw !== "leaves staged rows after a failure") staged.delete(batch.attempt);
          const hides =
            flaw === "hides the error of the files" || (flaw === "hides the reason of an abort" && signal.aborted);
          if (hides) throw new Error("the load broke off", { cause: error });
          throw error;
        }
        // 2. Refuse to commit what was overtaken. From here on nothing waits, so nothing comes in between.
        const isStopped = flaw === "a receipt from the future stops every load";
        const overtaken =
          receiptOf(batch) !== before ||
          (before !== undefined &&
            isReadLater(before.readAt, batch, isStopped ? new Date(before.readAt) : new Date())) ||
          (flaw === "loser never loads again" && lost) ||
          (flaw === "locks out other intervals" && receipts.length !== others);
        if (overtaken && !CARELESS.has(flaw)) {
          lost = true;
          staged.delete(batch.attempt);
          if (flaw === "loser removes the winner's rows") rows = rows.filter((row) => row.batch !== batch.id);
          const remedy = flaw === "loser gives up for ever" ? "give-up" : "retry";
          throw new ReplayportError("another attempt was faster", { code: "memory.lost_race", remedy });
        }
        // 3. Merge, record, and remove what dead attempts of the batch left.
        if (flaw === "a slow reading replaces its interval" || flaw === "drops the rows that a reload lacks") {
          rows = rows.filter((row) => row.batch !== batch.id);
        }
        if (flaw === "drops the rows that a covering batch lacks") {
          rows = rows.filter(({ batch: id }) => id === batch.id || !covers(batch.interval, id));
        }
        merge(stage.rows);
        const receipt = record(batch, files, count);
        own.push(receipt);
        loaded.push({ batch, files, contents });
        for (const [attempt, { batch: id }] of staged) {
          const dead = attempt !== batch.attempt;
          if (id === batch.id && !(dead && flaw === "leaves what a dead attempt staged")) staged.delete(attempt);
        }
        return receipt;
      },

      async *receipts(range, signal): AsyncIterable<Receipt> {
        await Promise.resolve();
        signal.throwIfAborted();
        yield* find(range);
      },

      async *covered(range, signal): AsyncIterable<Coverage> {
        asked += 1;
        await Promise.resolve();
        signal.throwIfAborted();
        for (const { interval, readAt, watermark, committedAt } of find(range)) {
          if (flaw === "covered differs from receipts") return;
          yield { interval, readAt, watermark, committedAt };
        }
      },

      audit: memoryAudit(() => rows, flaw),
      records: memoryRecords(exportName, records, flaw),

      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}

/** Flaws that commit although another attempt was faster. */
const CARELESS: ReadonlySet<Flaw | undefined> = new Set<Flaw>([
  "both of two attempts win",
  "writes the receipt before the data",
  "a slow reading replaces its interval",
]);

function covers(interval: Interval, id: string): boolean {
  const inner = parseIntervalName(id.slice(id.lastIndexOf("/") + 1));
  return inner !== undefined && contains(interval, inner);
}

function brokenRow(batch: Batch): StoredRow {
  return { session: "?", version: 0, value: 0, batch: batch.id, readAt: batch.readAt };
}

function replaces(now: StoredRow, old: StoredRow, flaw: Flaw | undefined): boolean {
  if (now.version === old.version) {
    if (flaw === "the first of two rows of one version stays") return false;
    if (flaw === "the last of two rows of one version wins, whenever it was read") return true;
  }
  return compareReadings(readingOf(now), readingOf(old)) >= 0;
}

function readingOf({ version, readAt }: StoredRow): Reading {
  return { version: BigInt(version), exportedAt: BigInt(readAt.getTime()) * 1000n };
}
