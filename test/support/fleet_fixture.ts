/**
 * A fleet for tests: a real Redis, a ledger in memory that counts who asks it, a source without ClickHouse, and a clock that
 * the test sets. What is loaded is empty batches, unless the test says otherwise.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newAttempt } from "../../src/export/attempt.ts";
import { agreedNow } from "../../src/export/clock.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { planBackfill } from "../../src/intervals/backfill.ts";
import { intervalName } from "../../src/intervals/interval.ts";
import { BackfillStore } from "../../src/fleet/backfills/backfill_store.ts";
import type { BackfillDependencies } from "../../src/fleet/backfills/backfills.ts";
import { BatchQueue } from "../../src/fleet/redis/batch_queue.ts";
import { createEvents } from "../../src/fleet/events.ts";
import type { ExportIdentity, FleetEvent, FleetHandle, FleetSettings } from "../../src/fleet/fleet.ts";
import { parseJobId } from "../../src/fleet/redis/jobs.ts";
import { keysOf } from "../../src/fleet/redis/keys.ts";
import { connectFleet } from "../../src/fleet/redis_fleet.ts";
import type { FleetOptions } from "../../src/fleet/resources.ts";
import { connect, disconnect } from "../../src/fleet/redis/client.ts";
import { ignoreOutages } from "../../src/fleet/redis/outage.ts";
import { Scheduler } from "../../src/fleet/scheduler/scheduler.ts";
import { FleetState } from "../../src/fleet/redis/state.ts";
import { REPLAYS } from "./definitions.ts";
import { type FakeSource, fakeSource } from "./fake_source.ts";
import { type MemoryWarehouse, memoryWarehouse } from "./memory_destination.ts";
import { type RedisServer, redisServer } from "./redis.ts";

export const HOUR_MS = 3_600_000;
export const NOON = new Date("2026-10-01T12:00:00Z");
export const never = new AbortController().signal;

export const SETTINGS: FleetSettings = {
  inFlight: 4,
  backfillInFlight: 2,
  attempts: 3,
  pauseAfter: 10,
  retryAfterMs: 600_000,
  takeoverMs: 5_000,
};

/** Of every export, unless a test says otherwise. */
export const IDENTITY: ExportIdentity = { place: "here", config: "same" };

export const DAY = "2026-10-01T00:00:00Z";
/** An export for which one hour is due at noon. */
export const ONE_HOUR = { start: new Date("2026-10-01T10:00:00Z") };

/** Jsonl, so that a fake source can write it. */
export function exportOf(name: string, rest: Partial<ExportDefinition> = {}): ExportDefinition {
  return { ...REPLAYS, name, format: "jsonl", compression: "none", ...rest };
}

export interface World extends AsyncDisposable {
  readonly server: RedisServer;
  readonly prefix: string;
  readonly ledger: MemoryWarehouse;
  readonly source: FakeSource;
  /** `source`: what the source says the time is; the same, unless set. */
  readonly clock: { now: Date; source?: Date | undefined };
  /** Errors that were logged beside the batches. */
  readonly logged: string[];
  readonly warned: string[];
  open(exports: readonly ExportDefinition[], rest?: Partial<FleetOptions>): Promise<WorldFleet>;
  /** A scheduler that ticks only when it is told to. */
  ticker(exports: readonly ExportDefinition[]): Promise<Ticker>;
  /** Resolves when so many batches were loaded. */
  loaded(count: number): Promise<void>;
  /** The keys that this world has in Redis, without the prefix. */
  keys(): Promise<string[]>;
}

export interface Ticker {
  readonly scheduler: Scheduler;
  readonly queue: BatchQueue;
  readonly state: FleetState;
  readonly store: BackfillStore;
  readonly backfills: BackfillDependencies;
  readonly events: FleetEvent[];
  readonly failed: string[];
  /** @returns the interval names in the queue, in the order in which workers get them, without the export's name */
  tick(now?: Date): Promise<string[]>;
}

export interface WorldFleet {
  readonly fleet: FleetHandle;
  readonly events: FleetEvent[];
  readonly kinds: (kind: FleetEvent["kind"]) => FleetEvent[];
}

/**
 * Undefined where there is no Redis; then the test is skipped with the reason.
 * @param shared the prefix of another world, with which this one shares Redis
 */
export async function openWorld(t: TestContext, own?: RedisServer, shared?: string): Promise<World | undefined> {
  const server = own ?? (await redisServer());
  if ("skip" in server) {
    t.skip(server.skip);
    return undefined;
  }
  const prefix = shared ?? server.prefix();
  const clock: World["clock"] = { now: NOON };
  const agreed = async ({ settleMs }: ExportDefinition): Promise<Date> => {
    const aheadMs = (clock.source ?? clock.now).getTime() - clock.now.getTime();
    return await Promise.resolve(agreedNow({ name: "the source", version: "1", aheadMs }, settleMs, clock.now));
  };
  const now = (): Date => clock.now;
  const ledger = memoryWarehouse({ now });
  const fake = fakeSource();
  const { source } = fake;
  const plan: FleetOptions["plan"] = async (definition, { range, force = false }) =>
    planBackfill({
      range,
      schedule: definition.schedule,
      settleMs: definition.settleMs,
      now: now(),
      covered: ledger.of(definition.name).map((one) => one.interval),
      force,
      join: { kind: "fixed", schedule: definition.schedule },
    });
  const ledgerOf = (exports: readonly ExportDefinition[]): BackfillDependencies["ledger"] => ({
    covered: async (name, range, signal) => await Array.fromAsync(ledger.destination(name).covered(range, signal)),
    plan: async (request, signal) => {
      const definition = exports.find(({ name }) => name === request.export);
      assert.ok(definition);
      return await plan(definition, request, signal);
    },
  });
  const stageRoot = await mkdtemp(join(tmpdir(), "replayport-fleet-"));
  const closing: (() => Promise<void>)[] = [];
  const redis = { ...server.address, prefix };
  const logged: string[] = [];
  const warned: string[] = [];
  return {
    server,
    prefix,
    ledger,
    source: fake,
    clock,
    logged,
    warned,
    loaded: async (count) => {
      await until(
        "loaded batches",
        () => ledger.loads.length,
        (length) => length >= count,
      );
    },
    keys: async () =>
      (await server.keys()).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length + 1)),
    ticker: async (exports) => {
      const client = connect(redis, "forever", ignoreOutages());
      const keys = keysOf(prefix, () => IDENTITY.place);
      const state = new FleetState(client, keys);
      const store = new BackfillStore(client, keys);
      const queue = new BatchQueue(
        client,
        prefix,
        () => IDENTITY.config,
        () => undefined,
      );
      closing.push(async () => {
        await queue[Symbol.asyncDispose]();
        await disconnect(client);
      });
      const events = createEvents((error) => logged.push(String(error)));
      const seen: FleetEvent[] = [];
      const failed: string[] = [];
      events.onEvent((event) => seen.push(event));
      const inFlight = SETTINGS.backfillInFlight;
      const backfills = { store, state, queue, now, inFlight, ledger: ledgerOf(exports) };
      const scheduler = new Scheduler({
        ...backfills,
        exports,
        destination: ({ name }) => ledger.destination(name),
        agreedNow: agreed,
        events,
        liveInFlight: SETTINGS.inFlight,
        retryAfterMs: SETTINGS.retryAfterMs,
        onError: (name, error) => failed.push(`${name}: ${String(error)}`),
      });
      const waiting = async (): Promise<string[]> => {
        const { waiting: jobs } = await queue.jobs(500);
        return jobs.map((job) =>
          (parseJobId(String(job.id))?.id ?? "")
            .split("/")
            .slice(exports.length > 1 ? 0 : 1)
            .join("/"),
        );
      };
      const tick = async (at?: Date): Promise<string[]> => {
        if (at) clock.now = at;
        await scheduler.tick(clock.now, never);
        await scheduler.tickBackfills(clock.now, never);
        return await waiting();
      };
      return { scheduler, queue, state, store, backfills, events: seen, failed, tick };
    },
    open: async (exports, rest = {}) => {
      const fleet = await connectFleet(
        {
          redis,
          settings: SETTINGS,
          exports,
          destination: ({ name }) => ledger.destination(name),
          loadDependencies: async ({ name }, onProgress) => {
            const destination = ledger.destination(name);
            return { source, destination, stageRoot, now, newAttempt, onProgress };
          },
          agreedNow: agreed,
          identity: () => IDENTITY,
          plan,
          preview: async (...asked) => ({ intervals: await plan(...asked), sessions: undefined }),
          version: "0.0.0-test",
          now,
          random: () => 0,
          redact: (text) => text.replaceAll("hunter2", "[redacted]"),
          log: {
            info: () => undefined,
            warn: (message) => warned.push(message),
            error: (error, message) => logged.push(`${message}: ${String(error)}`),
          },
          ...rest,
        },
        never,
      );
      closing.push(async () => await fleet[Symbol.asyncDispose]());
      // A test that fails stops no worker, and a worker that goes on keeps the process.
      const startWorker = fleet.startWorker.bind(fleet);
      fleet.startWorker = async (concurrency) => {
        const worker = await startWorker(concurrency);
        closing.push(async () => await worker.stop(0));
        return worker;
      };
      const events: FleetEvent[] = [];
      fleet.onEvent((event) => events.push(event));
      return { fleet, events, kinds: (kind) => events.filter((event) => event.kind === kind) };
    },
    [Symbol.asyncDispose]: async () => {
      for (const close of closing.toReversed()) await close();
      // A server of the test's own may be dead by now, and ends with its keys.
      const mine = own ? [] : (await server.keys()).filter((key) => key.startsWith(prefix));
      if (mine.length > 0) await server.client.del(...mine);
      await rm(stageRoot, { recursive: true, force: true });
    },
  };
}

/** Waits for a condition; fails with what it last saw. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  isRight: (value: T) => boolean,
  seconds = 20,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await look();
    if (isRight(value)) return value;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(value)} after ${seconds} s`);
    await sleep(15);
  }
}

export const hours = (from: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => {
    const start = new Date(new Date(from).getTime() + index * HOUR_MS);
    return intervalName({ start, end: new Date(start.getTime() + HOUR_MS) });
  });

export const runKinds = (events: readonly FleetEvent[]): string[] =>
  events.map(({ kind }) => kind).filter((kind) => kind.startsWith("run"));

/** Resolves when no job waits for a worker or has one. */
export async function drained(fleet: FleetHandle): Promise<void> {
  await until(
    "an empty queue",
    () => fleet.queue(never),
    ({ active, waiting, backfill }) => active + waiting + backfill === 0,
  );
}
