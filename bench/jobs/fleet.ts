/**
 * The fleet without what it moves: a real Redis, a source without sessions, ledgers in memory. Started by ../fleet.ts in a
 * process of its own, with `--expose-gc`; told by its argument what to measure, answers with one message.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Coverage, Destination, Receipt } from "../../destinations/destination.ts";
import { newAttempt } from "../../src/export/attempt.ts";
import { resolveFleet } from "../../src/config/fleet.ts";
import { parseRedisUrl } from "../../src/config/values/redis_url.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { type Interval, overlaps } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { BackfillStore } from "../../src/fleet/backfills/backfill_store.ts";
import { BatchQueue } from "../../src/fleet/redis/batch_queue.ts";
import { createEvents } from "../../src/fleet/events.ts";
import { keysOf } from "../../src/fleet/redis/keys.ts";
import { connectFleet } from "../../src/fleet/redis_fleet.ts";
import type { FleetRedisOptions } from "../../src/fleet/fleet.ts";
import { connect, disconnect } from "../../src/fleet/redis/client.ts";
import { ignoreOutages } from "../../src/fleet/redis/outage.ts";
import { Scheduler } from "../../src/fleet/scheduler/scheduler.ts";
import { FleetState } from "../../src/fleet/redis/state.ts";
import { REPLAYS } from "../../test/support/definitions.ts";
import { fakeSource } from "../../test/support/fake_source.ts";

export interface FleetJob {
  readonly kind: "jobs" | "tick";
  readonly redisUrl: string;
  readonly exports: number;
  /** jobs: hours that are due of each export. */
  readonly hours: number;
  /** jobs: batches that the one worker loads at the same time. */
  readonly concurrency: number;
}

export interface JobsAnswer {
  readonly kind: "jobs";
  readonly jobs: number;
  readonly seconds: number;
  /** Core-seconds of scheduler and worker. */
  readonly cores: number;
}

export interface TickAnswer {
  readonly kind: "tick";
  readonly exports: number;
  /** Seconds of a tick that reads every ledger, of one that finds nothing, of one that finds something due everywhere. */
  readonly first: number;
  readonly idle: number;
  readonly busy: number;
  /** Bytes by which the process and its heap grew from before the first tick to after the last one. */
  readonly grown: number;
  readonly heap: number;
}

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 9, 1, 12);
const never = new AbortController().signal;
const IDENTITY = { place: "here", config: "same" };
/** No backfill runs. */
const NO_LEDGER = { covered: () => Promise.resolve([]), plan: () => Promise.resolve([]) };

function redisOf(url: string): FleetRedisOptions {
  const parsed = parseRedisUrl(url);
  if (!("value" in parsed)) throw new Error(`not an address of Redis: ${url}`);
  return { ...parsed.value, prefix: `{bench-${randomBytes(6).toString("hex")}}` };
}

function definitions(count: number, start: number): ExportDefinition[] {
  const sweep = { schedule: parseSchedule("@daily"), afterMs: 24 * HOUR };
  return Array.from({ length: count }, (_, index) => ({
    ...REPLAYS,
    name: `export-${index}`,
    start: new Date(start),
    sweep,
  }));
}

async function forget(redis: FleetRedisOptions): Promise<void> {
  const client = connect(redis, "bounded", ignoreOutages());
  const keys = await client.keys(`${redis.prefix}:*`);
  for (let at = 0; at < keys.length; at += 1000) await client.unlink(...keys.slice(at, at + 1000));
  await disconnect(client);
}

/** Takes batches without files. Looks at the hours of a range and not at others, as a lake on S3 does. */
function inMemory(now: () => Date, start: number): Destination {
  const receipts = new Map<number, Receipt>();
  const find = (range: Interval): Receipt[] => {
    const [first, last] = [Math.max(range.start.getTime(), start), Math.min(range.end.getTime(), NOON)];
    const found = [];
    for (let at = first - (first % HOUR); at < last; at += HOUR) found.push(receipts.get(at) ?? []);
    return found.flat();
  };
  return {
    name: "memory",
    formats: ["parquet"],
    fileBytes: 1 << 20,
    check: () => Promise.resolve(),
    load: async ({ export: name, interval, attempt, fingerprint, readAt, files }) => {
      await Array.fromAsync(files);
      const none = { rows: 0, bytes: 0, files: 0 };
      const receipt = { export: name, interval, attempt, fingerprint, readAt, committedAt: now(), ...none };
      receipts.set(interval.start.getTime(), receipt);
      return receipt;
    },
    async *receipts(range) {
      yield* find(range);
    },
    async *covered(range) {
      yield* find(range);
    },
    audit: {
      dropsDeleted: false,
      groups: () => Promise.resolve([]),
      versions: () => Promise.resolve(new Map()),
    },
    records: {
      add: () => Promise.resolve(),
      last: () => Promise.resolve(undefined),
      all: () => Promise.resolve([]),
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** From due to done: a scheduler and a worker, until every hour has its receipt. */
async function jobs({ redisUrl, exports, hours, concurrency }: FleetJob): Promise<JobsAnswer> {
  const redis = redisOf(redisUrl);
  const stageRoot = await mkdtemp(join(tmpdir(), "replayport-bench-"));
  const now = (): Date => new Date(NOON);
  const ledgers = new Map<string, Destination>();
  const { source } = fakeSource();
  const start = NOON - (hours + 1) * HOUR;
  const chosen = definitions(exports, start).map((one) => ({ ...one, sweep: undefined }));
  const fleet = await connectFleet(
    {
      redis,
      settings: resolveFleet(undefined),
      exports: chosen,
      identity: () => IDENTITY,
      destination: ({ name }) => ledgers.get(name) ?? empty,
      loadDependencies: ({ name }, onProgress) =>
        Promise.resolve({ source, destination: ledgers.get(name) ?? empty, stageRoot, now, newAttempt, onProgress }),
      agreedNow: () => Promise.resolve(now()),
      plan: () => Promise.resolve([]),
      preview: () => Promise.resolve({ intervals: [], sessions: undefined }),
      version: "bench",
      now,
      random: Math.random,
      redact: (text) => text,
      log: { info: () => undefined, warn: console.error, error: console.error },
    },
    never,
  );
  const empty = inMemory(now, start);
  for (const { name } of chosen) ledgers.set(name, inMemory(now, start));
  const total = exports * hours;
  let done = 0;
  const all = new Promise<void>((resolve) => {
    fleet.onEvent(({ kind }) => {
      if (kind === "run.loaded") done += 1;
      if (done === total) resolve();
    });
  });
  const before = process.cpuUsage();
  const began = performance.now();
  const worker = await fleet.startWorker(concurrency);
  const scheduler = await fleet.startScheduler(never);
  await all;
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  await worker.stop(0);
  await scheduler[Symbol.asyncDispose]();
  await fleet[Symbol.asyncDispose]();
  await rm(stageRoot, { recursive: true, force: true });
  await forget(redis);
  return { kind: "jobs", jobs: total, seconds, cores: (user + system) / 1e6 };
}

/** Everything up to yesterday is swept, and each hour since then is loaded, up to the last one that has settled. */
function covered(now: number): Coverage[] {
  const from = NOON - 36 * HOUR;
  const past = {
    interval: { start: new Date(NOON - 60 * 24 * HOUR), end: new Date(from) },
    readAt: new Date(NOON),
    committedAt: new Date(NOON),
  };
  const hours = Math.floor((now - from - HOUR / 2) / HOUR);
  const recent = Array.from({ length: hours }, (_, index) => {
    const start = from + index * HOUR;
    const end = new Date(start + HOUR);
    return { interval: { start: new Date(start), end }, readAt: end, committedAt: end };
  });
  return [past, ...recent];
}

async function tick({ redisUrl, exports }: FleetJob): Promise<TickAnswer> {
  const redis = redisOf(redisUrl);
  const chosen = definitions(exports, NOON - 60 * 24 * HOUR);
  const client = connect(redis, "forever", ignoreOutages());
  const keys = keysOf(redis.prefix, () => IDENTITY.place);
  const state = new FleetState(client, keys);
  const store = new BackfillStore(client, keys);
  await using queue = new BatchQueue(client, redis.prefix, () => IDENTITY.config, console.error);
  const destination: Pick<Destination, "covered"> = {
    covered: async function* within(range) {
      for (const one of covered(NOON)) if (overlaps(one.interval, range)) yield one;
    },
  };
  const settings = resolveFleet(undefined);
  const backfills = {
    store,
    state,
    queue,
    now: () => new Date(NOON),
    inFlight: settings.backfillInFlight,
    ledger: NO_LEDGER,
  };
  const memory = (): NodeJS.MemoryUsage => {
    globalThis.gc?.();
    return process.memoryUsage();
  };
  const before = memory();
  const scheduler = new Scheduler({
    ...backfills,
    exports: chosen,
    destination: () => destination as Destination,
    agreedNow: () => Promise.resolve(new Date(NOON)),
    events: createEvents(console.error),
    liveInFlight: settings.inFlight,
    retryAfterMs: settings.retryAfterMs,
    onError: console.error,
  });
  const timed = async (at: number): Promise<number> => {
    const began = performance.now();
    await scheduler.tick(new Date(at), never);
    await scheduler.tickBackfills(new Date(at), never);
    return (performance.now() - began) / 1000;
  };
  const first = await timed(NOON);
  const idle = [];
  for (let minute = 1; minute <= 4; minute += 1) idle.push(await timed(NOON + minute * 60_000));
  const busy = await timed(NOON + 6 * 60_000);
  const after = memory();
  await forget(redis);
  await disconnect(client);
  const grown = { grown: after.rss - before.rss, heap: after.heapUsed - before.heapUsed };
  return { kind: "tick", exports, first, idle: idle.toSorted((a, b) => a - b)[1] ?? 0, busy, ...grown };
}

const job = JSON.parse(process.argv[2] ?? "") as FleetJob;
const answer = await (job.kind === "jobs" ? jobs(job) : tick(job));
process.send?.(answer);
process.disconnect?.();
