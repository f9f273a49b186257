/** A source that changes and a worker that loads, crashes and repeats, under a clock of their own. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_PATH } from "../../destinations/lake/index.ts";
import type { Destination } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { dueIntervals, readCoverage } from "../../src/export/ledger.ts";
import { type LoadOptions, loadBatch } from "../../src/export/load_batch.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import type { PartialRow, ReplaySource } from "../support/replay_source.ts";
import { crashAfter, crashBefore } from "../support/crash.ts";
import { REPLAYS } from "../support/definitions.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 9, 1);

/** Few rows per file, so that batches are cut into several files. */
export const DEFINITION: ExportDefinition = {
  ...REPLAYS,
  start: new Date(START),
  lookbackMs: 2 * DAY,
  sweep: { schedule: parseSchedule("@daily"), afterMs: 6 * HOUR },
  path: DEFAULT_PATH,
  rowsPerFile: 2,
};

export type StoryEvent =
  /** A partial row arrives; `lateMinutes` after its `_timestamp`. */
  | {
      readonly kind: "row";
      readonly session: number;
      readonly lateMinutes: number;
      readonly ageHours: number;
      readonly size: number;
    }
  | { readonly kind: "tag"; readonly session: number; readonly tag: number }
  | { readonly kind: "delete"; readonly session: number; readonly odd: boolean }
  | { readonly kind: "merge" }
  | { readonly kind: "wait"; readonly minutes: number }
  /** Loads what is due, the nth of it first; `crashAt` is the step of the load at which the worker is killed. */
  | { readonly kind: "load"; readonly pick: number; readonly count: number; readonly crashAt: number | undefined }
  | { readonly kind: "reload"; readonly pick: number; readonly crashAt: number | undefined }
  /** Two attempts of one batch at the same time. */
  | { readonly kind: "race"; readonly pick: number }
  /** Two batches at the same time. */
  | { readonly kind: "together"; readonly pick: number };

const aSession = fc.integer({ min: 0, max: 7 });
const anEvent = (aCrash: fc.Arbitrary<number | undefined>): fc.Arbitrary<StoryEvent> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("row" as const),
        session: aSession,
        lateMinutes: fc.constantFrom(0, 0, 0, 3, 30, 300),
        ageHours: fc.constantFrom(0, 0, 1, 20, 200),
        size: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("tag" as const),
        session: aSession,
        tag: fc.integer({ min: 0, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), session: aSession, odd: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ kind: "merge" as const }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("wait" as const), minutes: fc.constantFrom(1, 20, 61, 180, 1500) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("load" as const),
        pick: fc.nat(),
        count: fc.integer({ min: 1, max: 4 }),
        crashAt: aCrash,
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("reload" as const), pick: fc.nat(), crashAt: aCrash }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("race" as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("together" as const), pick: fc.nat() }) },
  );

export interface StoryShape {
  /** A worker is killed at one of so many steps. */
  readonly steps: number;
  /** At most. */
  readonly events: number;
}

export function stories({ steps, events }: StoryShape): fc.Arbitrary<StoryEvent[]> {
  const aCrash = fc.option(fc.integer({ min: 0, max: steps }), { nil: undefined, freq: 2 });
  return fc.array(anEvent(aCrash), { minLength: Math.floor(events / 2), maxLength: events, size: "max" });
}

export class StoryRun {
  #now = START + 30 * 60_000;
  /** Makes every time and every attempt differ. */
  #serial = 0;
  #seen = new Set<string>();
  /** When each session began, in microseconds. */
  readonly #known = new Map<number, number>();
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
      case "load": {
        const due = await this.#due();
        for (let step = 0; step < Math.min(event.count, due.length); step += 1) {
          const interval = due[(event.pick + step) % due.length];
          if (interval) await this.#load(interval, event.crashAt);
        }
        return;
      }
      case "reload": {
        const covered = await readCoverage(this.#open(), AbortSignal.timeout(60_000));
        const interval = covered[event.pick % Math.max(1, covered.length)]?.interval;
        if (interval) await this.#load(interval, event.crashAt);
        return;
      }
      case "race": {
        const due = await this.#due();
        const interval = due[event.pick % Math.max(1, due.length)];
        if (interval) await this.#race(interval);
        return;
      }
      case "together": {
        const due = await this.#due();
        const first = event.pick % Math.max(1, due.length);
        await Promise.all(due.slice(first, first + 2).map((one) => this.#attempt(this.#open(), one)));
        await this.#nothingVanished();
        return;
      }
      default:
        event satisfies never;
    }
  }

  /** Loads until nothing is due, after every row is as late as any may be. */
  async loadAll(): Promise<void> {
    this.#now += 3 * DAY;
    for (let round = 0; round < 100; round += 1) {
      const due = await this.#due();
      if (due.length === 0) return;
      for (const interval of due) await this.#load(interval, undefined);
    }
    assert.fail("what is due does not end");
  }

  #open(crashAt?: number): Destination {
    // Every other worker dies before the step, every other one after it.
    const kill = (crashAt ?? 0) % 2 === 0 ? crashBefore : crashAfter;
    const crash = crashAt === undefined ? undefined : kill(1 + crashAt);
    return this.#target.open(() => new Date(this.#now), crash);
  }

  async #due(): Promise<Interval[]> {
    const covered = await readCoverage(this.#open(), AbortSignal.timeout(60_000));
    return dueIntervals(DEFINITION, covered, new Date(this.#now), { limit: 40 });
  }

  async #load(interval: Interval, crashAt: number | undefined): Promise<void> {
    const destination = this.#open(crashAt);
    try {
      await this.#attempt(destination, interval);
    } catch (error) {
      if (crashAt === undefined) throw error;
    }
    await this.#nothingVanished();
  }

  async #race(interval: Interval): Promise<void> {
    const results = await Promise.allSettled([
      this.#attempt(this.#open(), interval),
      this.#attempt(this.#open(), interval),
    ]);
    assert.ok(
      results.some(({ status }) => status === "fulfilled"),
      "of two attempts none won",
    );
    await this.#nothingVanished();
  }

  async #attempt(destination: Destination, interval: Interval): Promise<void> {
    const signal = AbortSignal.timeout(60_000);
    const covered = await readCoverage(destination, signal);
    const options: LoadOptions = {
      covered,
    };
    this.#serial += 1;
    const attempt = this.#serial.toString(36).padStart(12, "0");
    const dependencies = {
      source: this.#replays.source,
      destination,
      stageRoot: this.#stage,
      now: () => new Date(this.#now),
      newAttempt: () => attempt,
      onProgress: () => undefined,
    };
    await loadBatch(DEFINITION, interval, options, dependencies, signal);
  }

  async #nothingVanished(): Promise<void> {
    const now = new Set((await this.#target.rows()).map(({ key }) => key));
    for (const key of this.#seen) assert.ok(now.has(key), `${key} was there and is gone`);
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
    await this.#replays.insert([row]);
  }
}
