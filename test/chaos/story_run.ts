/** Plays a story: a source that changes, and a worker that loads, crashes and repeats, under a clock of their own. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { DEFAULT_PATH } from "../../destinations/lake/index.ts";
import type { Destination } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { dueIntervals, readCoverage } from "../../src/export/ledger.ts";
import { loadBatch } from "../../src/export/load_batch.ts";
import type { Source } from "../../src/export/source.ts";
import { type Interval, interval, overlaps } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { crashAfter, crashBefore } from "../support/crash.ts";
import { NO_RULES, REPLAYS } from "../support/definitions.ts";
import { type Row, withoutVersion } from "../support/replay_rows.ts";
import type { PartialRow, ReplaySource } from "../support/replay_source.ts";
import type { StoryEvent } from "./story.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 9, 1);
/** What becomes visible later than this after its `_timestamp` may be missed by a sweep, and is found by the audit. */
const SWEPT_MINUTES = 300;

/** Few rows per file, so that batches are cut into several files. */
export const DEFINITION: ExportDefinition = {
  ...REPLAYS,
  start: new Date(START),
  lookbackMs: 2 * DAY,
  sweep: { schedule: parseSchedule("@daily"), afterMs: 6 * HOUR },
  path: DEFAULT_PATH,
  rowsPerFile: 2,
};

const LAYOUTS = [
  { path: DEFAULT_PATH, format: "parquet", compression: "zstd" },
  { path: "{export}/{year}/{month}", format: "parquet", compression: "zstd" },
  { path: DEFAULT_PATH, format: "jsonl", compression: "gzip" },
] as const satisfies readonly Partial<ExportDefinition>[];

/** How an attempt differs from a healthy one. */
interface Trouble {
  readonly crashAt?: number | undefined;
  readonly isWatched?: boolean;
  /** By which the worker's clock is ahead. */
  readonly aheadMs?: number;
  /** Percent of each answer that arrive. */
  readonly keep?: number;
}

export class StoryRun {
  #now = START + 30 * 60_000;
  /** Makes every time and every attempt differ. */
  #serial = 0;
  #definition = DEFINITION;
  /** What a reader saw last, by key. */
  #seen = new Map<string, Row>();
  /** When each session began, in microseconds. */
  readonly #known = new Map<number, number>();
  /** What waits in Kafka; undefined while the consumer runs. */
  #waiting: PartialRow[] | undefined;
  /** The newest `_timestamp` that was visible when the consumer went away. */
  #newest = 0;
  /** Sessions of which the source has dropped rows: it isn't the measure for them any more. */
  readonly #reduced = new Set<string>();
  /** Sessions with rows that became visible too late for any load but one that the audit asks for. */
  readonly #late = new Set<string>();
  readonly #replays: ReplaySource;
  readonly #target: ChaosTarget;
  readonly #stage: string;

  constructor(replays: ReplaySource, target: ChaosTarget, stage: string) {
    this.#replays = replays;
    this.#target = target;
    this.#stage = stage;
  }

  async play(event: StoryEvent): Promise<void> {
    switch (event.kind) {
      case "row":
        return await this.#record(event);
      case "tag":
        return await this.#touch(event.session, (start) => start + 1, { tags: [`tag ${event.tag}`], messages: 0 });
      case "delete": {
        const at = this.#micros(event.odd ? this.#now - 20 * DAY : this.#now);
        return await this.#touch(event.session, () => at, { deleted: true });
      }
      case "merge":
        return await this.#replays.merge();
      case "wait":
        this.#now += event.minutes * 60_000;
        return;
      case "purge":
        return await this.#reduce("is_deleted = 1");
      case "retention": {
        const until = Math.floor((this.#now - event.hours * HOUR) / 1000);
        return await this.#reduce(`min_first_timestamp < toDateTime(${until})`);
      }
      case "hide": {
        const half = event.all ? "" : " AND toUnixTimestamp(_timestamp) % 2 = 0";
        return await this.#replays.hide(`session_id = 'session-${event.session}'${half}`);
      }
      case "show":
        return await this.#show();
      case "away":
        this.#waiting ??= [];
        return;
      case "back":
        return await this.#back();
      case "outage": {
        this.#waiting ??= [];
        for (const session of event.sessions) {
          await this.#record({ kind: "row", session, lateMinutes: 0, ageHours: 0, size: 2 });
          this.#now += HOUR;
        }
        this.#now += event.hours * HOUR;
        await this.#loadDue();
        return await this.#back();
      }
      case "load": {
        const due = await this.#due();
        for (let step = 0; step < Math.min(event.count, due.length); step += 1) {
          const one = due[(event.pick + step) % due.length];
          if (one) await this.#load(one, event);
        }
        return;
      }
      case "reload": {
        const covered = await readCoverage(this.#open(), AbortSignal.timeout(60_000));
        const one = covered[event.pick % Math.max(1, covered.length)]?.interval;
        if (one) await this.#load(one, event);
        return;
      }
      case "join": {
        const length = event.hours * HOUR;
        const count = Math.floor((this.#now - DEFINITION.settleMs - START) / length);
        const start = START + (event.pick % Math.max(1, count)) * length;
        if (count > 0) await this.#load(interval(start, start + length), event);
        return;
      }
      case "race": {
        const due = await this.#due();
        const one = due[event.pick % Math.max(1, due.length)];
        if (one) await this.#race(one);
        return;
      }
      case "together": {
        const due = await this.#due();
        const first = event.pick % Math.max(1, due.length);
        await Promise.all(due.slice(first, first + 2).map((one) => this.#attempt(this.#open(), one)));
        await this.#look();
        return;
      }
      case "skew":
        return await this.#skew(event.pick, event.minutes * 60_000);
      case "truncate":
        return await this.#truncate(event.pick, event.keep);
      case "rules": {
        const rules = { ...NO_RULES, exclude: event.exclude ? ["keypress_count"] : [] };
        this.#definition = { ...this.#definition, selection: { ...this.#definition.selection, rules } };
        return;
      }
      case "layout":
        this.#definition = { ...this.#definition, ...LAYOUTS[event.layout % LAYOUTS.length] };
        return;
      default:
        event satisfies never;
    }
  }

  /** Everything has arrived, and is loaded: what is due, and then what an audit finds. */
  async loadAll(ingestedHours: (keys: ReadonlySet<string>) => Promise<Date[]>): Promise<void> {
    await this.#back();
    await this.#show();
    this.#now += 3 * DAY;
    // PostHog lives: a newer row than all shows that what was missing has come.
    await this.#record({ kind: "row", session: 8, lateMinutes: 0, ageHours: 0, size: 1 });
    this.#now += 2 * HOUR;
    await this.#loadDue();
    const hours = (await ingestedHours(this.#late)).map((start) => interval(start, start.getTime() + HOUR));
    for (const { interval: one } of await readCoverage(this.#open(), AbortSignal.timeout(60_000))) {
      if (hours.some((hour) => overlaps(hour, one))) await this.#load(one, {});
    }
  }

  /** @param expected what a reader should see of each session, by the rows that the source has now */
  async converged(expected: readonly Row[]): Promise<void> {
    const found = (await this.#target.rows()).map(withoutVersion);
    const ofSource = new Map(expected.map((row) => [row.key, row]));
    assert.deepEqual(
      found.filter(({ key }) => !this.#reduced.has(key)),
      expected.filter(({ key }) => !this.#reduced.has(key)),
    );
    for (const key of this.#reduced) {
      const [row, source] = [found.find((one) => one.key === key), ofSource.get(key)];
      if (source)
        assert.ok(row && isAsFull(row, source), `${key} is ${text(row)}, the source still has ${text(source)}`);
    }
  }

  async #loadDue(): Promise<void> {
    for (let round = 0; round < 100; round += 1) {
      const due = await this.#due();
      if (due.length === 0) return;
      for (const one of due) await this.#load(one, {});
    }
    assert.fail("what is due does not end");
  }

  #open({ crashAt, isWatched = false, aheadMs = 0 }: Trouble = {}): Destination {
    // Every other worker dies before the step, every other one after it.
    const kill = (crashAt ?? 0) % 2 === 0 ? crashBefore : crashAfter;
    const crash = crashAt === undefined ? undefined : kill(1 + crashAt);
    return this.#target.open(() => new Date(this.#now + aheadMs), { path: this.#definition.path, crash, isWatched });
  }

  async #due(aheadMs = 0): Promise<Interval[]> {
    const covered = await readCoverage(this.#open(), AbortSignal.timeout(60_000));
    return dueIntervals(DEFINITION, covered, new Date(this.#now + aheadMs), { limit: 40 });
  }

  async #load(one: Interval, trouble: Trouble): Promise<void> {
    const destination = this.#open(trouble);
    const loading = this.#attempt(destination, one).catch((error: unknown) => {
      if (trouble.crashAt === undefined) throw error;
    });
    if (trouble.isWatched === true) {
      const end = new AbortController();
      const stop = (): void => end.abort();
      loading.then(stop, stop);
      while (!end.signal.aborted) await this.#look();
    }
    await loading;
    await this.#look();
  }

  async #race(one: Interval): Promise<void> {
    const results = await Promise.allSettled([this.#attempt(this.#open(), one), this.#attempt(this.#open(), one)]);
    assert.ok(
      results.some(({ status }) => status === "fulfilled"),
      "of two attempts none won",
    );
    await this.#look();
  }

  async #skew(pick: number, aheadMs: number): Promise<void> {
    const due = await this.#due(aheadMs);
    const one = due[pick % Math.max(1, due.length)];
    if (!one) return;
    const code = await this.#attempt(this.#open({ aheadMs }), one, { aheadMs }).then(() => "loaded", codeOf);
    const expected =
      Math.abs(aheadMs) > DEFINITION.settleMs / 2 ? ["source.clock"] : ["loaded", "load.not_over", "load.older_read"];
    assert.ok(expected.includes(code), `a load with a clock that is ${aheadMs} ms ahead ended with ${code}`);
    await this.#look();
  }

  async #truncate(pick: number, keep: number): Promise<void> {
    const due = await this.#due();
    const one = due[pick % Math.max(1, due.length)];
    if (!one) return;
    const before = await this.#receipts();
    const receipt = await this.#attempt(this.#open(), one, { keep }).catch(() => undefined);
    // A batch without rows has no answer to cut.
    if (receipt) assert.equal(receipt.rows, 0, "a batch was loaded from an answer that broke off");
    else assert.deepEqual(await this.#receipts(), before);
    await this.#look();
  }

  async #receipts(): Promise<unknown[]> {
    return await readCoverage(this.#open(), AbortSignal.timeout(60_000));
  }

  async #attempt(destination: Destination, one: Interval, { aheadMs = 0, keep }: Trouble = {}) {
    const signal = AbortSignal.timeout(60_000);
    const covered = await readCoverage(destination, signal);
    this.#serial += 1;
    const attempt = this.#serial.toString(36).padStart(12, "0");
    const dependencies = {
      source: atTime(this.#replays.source, () => new Date(this.#now), keep),
      destination,
      stageRoot: this.#stage,
      now: () => new Date(this.#now + aheadMs),
      newAttempt: () => attempt,
      onProgress: () => undefined,
    };
    return await loadBatch(this.#definition, one, { covered }, dependencies, signal);
  }

  /** A reader never sees a session twice, nor misses one that was there, nor sees it older than before. */
  async #look(): Promise<void> {
    const rows = await this.#target.rows();
    const now = new Map(rows.map((row) => [row.key, row]));
    assert.equal(now.size, rows.length, `a session is there twice: ${rows.map(({ key }) => key).join()}`);
    for (const [key, before] of this.#seen) {
      const after = now.get(key);
      assert.ok(after, `${key} was there and is gone`);
      assert.ok(String(after["version"]) >= String(before["version"]), `${text(after)} is older than ${text(before)}`);
    }
    this.#seen = now;
  }

  #micros(ms: number): number {
    this.#serial += 1;
    return ms * 1000 + (this.#serial % 1000);
  }

  async #record({ session, size, lateMinutes, ageHours }: StoryEvent & { kind: "row" }): Promise<void> {
    const ingested = Math.max(START, this.#now - lateMinutes * 60_000);
    const first = ingested - ageHours * HOUR - size * 60_000;
    const firstMicros = this.#micros(first);
    this.#known.set(session, Math.min(firstMicros, this.#known.get(session) ?? firstMicros));
    await this.#insert({
      team: 1 + (session % 2),
      session: `session-${session}`,
      firstMicros,
      lastMicros: this.#micros(first + size * 30_000),
      ingested: Math.floor(ingested / 1000),
      url: `https://app.example.com/page-${size}`,
      clicks: size,
      ...(size > 3 ? { retention: size * 30, score: size / 10 } : {}),
      ...(session % 3 === 0 ? { mobile: true } : {}),
    });
  }

  /** A row that carries no recording: tags at the session's start, a marker at the deletion by a clock that may be behind. */
  async #touch(session: number, at: (start: number) => number, change: Partial<PartialRow>): Promise<void> {
    const start = this.#known.get(session);
    if (start === undefined) return;
    await this.#insert({
      team: 1 + (session % 2),
      session: `session-${session}`,
      firstMicros: at(start),
      lastMicros: at(start),
      ingested: Math.floor(this.#now / 1000),
      ...change,
    });
  }

  async #insert(row: PartialRow): Promise<void> {
    if (this.#waiting) {
      this.#waiting.push(row);
      return;
    }
    // A row at or below a watermark that was shown already, and so late that its day may have been swept.
    if (row.ingested <= this.#newest && this.#now / 1000 - row.ingested > SWEPT_MINUTES * 60)
      this.#late.add(keyOf(row));
    this.#newest = Math.max(this.#newest, row.ingested);
    await this.#replays.insert([row]);
  }

  async #back(): Promise<void> {
    const arrived = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const row of arrived.toSorted((a, b) => a.ingested - b.ingested)) await this.#insert(row);
  }

  async #show(): Promise<void> {
    for (const key of await this.#replays.show()) this.#late.add(key);
  }

  async #reduce(where: string): Promise<void> {
    for (const key of await this.#replays.remove(where)) this.#reduced.add(key);
  }
}

const text = (value: unknown): string => JSON.stringify(value);
const keyOf = ({ team, session }: PartialRow): string => `${team}/${session}`;
const codeOf = (error: unknown): string => (error instanceof ReplayportError ? error.code : String(error));

/**
 * Whether a row that the destination has kept tells as much as what is left in the source, by the order of reads: of two that
 * lack different rows, the one with the larger sum of its counters wins. A click of a story weighs more than all messages.
 */
function isAsFull(row: Row, source: Row): boolean {
  if (row["deleted"] !== source["deleted"]) return row["deleted"] === true;
  const more = (name: string): number => Number(row[name]) - Number(source[name]);
  return (more("clicks") || more("messages")) >= 0;
}

/** The source, whose clock is the story's. @param keep percent of each answer that arrive, without an error */
function atTime(source: Source, now: () => Date, keep: number | undefined): Source {
  return {
    info: async (signal) => ({ ...(await source.info(signal)), now: now() }),
    model: async (definition, signal) => await source.model(definition, signal),
    numbers: async (query, purpose, signal) => await source.numbers(query, purpose, signal),
    texts: async (query, purpose, signal) => await source.texts(query, purpose, signal),
    async extract(query, format, compression, purpose, signal) {
      const extract = await source.extract(query, format, compression, purpose, signal);
      if (keep === undefined) return extract;
      const whole = await buffer(extract.stream);
      return { ...extract, stream: Readable.from([whole.subarray(0, Math.floor((whole.length * keep) / 100))]) };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
