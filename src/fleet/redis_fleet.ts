/** The composition root of the fleet: Redis, queue and state, behind the interface that everybody else works with. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Destination } from "../../destinations/destination.ts";
import { ReplayportError, messageOf } from "../errors.ts";
import type { ExportDefinition } from "../export/definition.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import { BackfillStore } from "./backfills/backfill_store.ts";
import {
  type BackfillDependencies,
  type Planner,
  cancelBackfill,
  feed,
  retryBackfill,
  startBackfill,
} from "./backfills/backfills.ts";
import { fleetError } from "./fleet_error.ts";
import { BatchQueue } from "./redis/batch_queue.ts";
import { type Events, createEvents } from "./events.ts";
import type { BackfillRequest, ExportStatus, Fleet, FleetHealth, FleetListener, Pause, RunsQuery } from "./fleet.ts";
import { keysOf } from "./redis/keys.ts";
import { beat, memberName } from "./heartbeat.ts";
import { type Outage, isConnectionError, watchOutages } from "./redis/outage.ts";
import {
  type Patience,
  type RedisClient,
  type RedisOptionsOfFleet,
  checkRedis,
  connect,
  isLive,
  leave,
  pingRedis,
  redisError,
} from "./redis/client.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { keepTicking } from "./scheduler/scheduler_loop.ts";
import { FleetState } from "./redis/state.ts";
import { listRuns, statuses } from "./status.ts";
import { BatchWorker } from "./worker/worker.ts";

export interface FleetSettings {
  readonly inFlight: number;
  readonly backfillInFlight: number;
  readonly attempts: number;
  readonly pauseAfter: number;
  readonly retryAfterMs: number;
  readonly takeoverMs: number;
}

/** Where what goes wrong beside the batches is told, once each. */
export interface FleetLog {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
  readonly error: (error: unknown, message: string, exportName?: string) => void;
}

export interface FleetOptions {
  readonly redis: RedisOptionsOfFleet;
  readonly settings: FleetSettings;
  readonly exports: readonly ExportDefinition[];
  readonly destination: (definition: ExportDefinition) => Destination;
  readonly loading: (
    definition: ExportDefinition,
    onProgress: LoadDependencies["onProgress"],
  ) => Promise<LoadDependencies>;
  readonly plan: Planner;
  readonly version: string;
  readonly now: () => Date;
  readonly random: () => number;
  readonly redact: (text: string) => string;
  readonly log: FleetLog;
}

export interface RunningWorker {
  readonly name: string;
  /** Takes no more, waits so long, then aborts and hands back. Resolves some seconds after that at the latest. */
  stop(graceMs: number): Promise<void>;
}

export interface OpenFleet extends Fleet {
  /** Ticks until it is disposed of. */
  startScheduler(signal: AbortSignal): Promise<AsyncDisposable>;
  startWorker(concurrency: number): Promise<RunningWorker>;
}

const HEALTH_MS = 4_000;

interface Parts extends AsyncDisposable {
  readonly client: RedisClient;
  readonly state: FleetState;
  readonly store: BackfillStore;
  readonly queue: BatchQueue;
  readonly backfills: BackfillDependencies;
}

/** Rejects with `redis.…` where Redis is not there or does not let us in. */
export async function openFleet(options: FleetOptions, signal: AbortSignal): Promise<OpenFleet> {
  signal.throwIfAborted();
  for (const warning of await checkRedis(options.redis)) options.log.warn(warning);
  return new RedisFleet(options);
}

class RedisFleet implements OpenFleet {
  readonly #options: FleetOptions;
  readonly #events: Events;
  readonly #watch: () => Outage;
  readonly #ignore: () => Outage;
  readonly #parts: Parts;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#events = createEvents((error) => options.log.error(error, "a listener of the fleet's events failed"));
    const { log, redis } = options;
    const other = (error: unknown): void => log.error(redisError(error, redis), "Redis");
    this.#watch = watchOutages(
      {
        away: (error) => log.warn(`Redis is away, waiting for it: ${messageOf(error)}`),
        back: () => log.info("Redis is back"),
      },
      other,
    );
    // Who asks gets the error as an answer; only those that stay have somebody to tell.
    this.#ignore = watchOutages({ away: () => undefined, back: () => undefined }, other);
    this.#parts = this.#open("ask");
  }

  #open(patience: Patience): Parts {
    const { redis, settings, now } = this.#options;
    const outage = patience === "stay" ? this.#watch() : this.#ignore();
    const client = connect(redis, patience, outage.onError);
    outage.follow(client);
    const keys = keysOf(redis.prefix);
    const state = new FleetState(client, keys);
    const store = new BackfillStore(client, keys);
    const queue = new BatchQueue(client, redis.prefix, outage.onError);
    const backfills = { store, state, queue, now, inFlight: settings.backfillInFlight };
    return {
      client,
      state,
      store,
      queue,
      backfills,
      [Symbol.asyncDispose]: async () => {
        // BullMQ waits for a Redis that is away.
        if (isLive(client)) await queue[Symbol.asyncDispose]().catch(outage.onError);
        await leave(client);
      },
    };
  }

  async startScheduler(signal: AbortSignal): Promise<AsyncDisposable> {
    const { exports, destination, settings, now, log, redis, version, redact } = this.#options;
    const parts = this.#open("stay");
    const onError = (error: unknown): void => {
      if (!isConnectionError(error)) log.error(error, "scheduler");
    };
    const scheduler = new Scheduler({
      ...parts.backfills,
      exports,
      destination,
      events: this.#events,
      liveInFlight: settings.inFlight,
      retryAfterMs: settings.retryAfterMs,
      onError: (name, error) => {
        log.error(error, "the export could not be looked at; it is tried again", name);
        // Who looks at the fleet from elsewhere sees it too; where Redis is away nobody could.
        parts.state.writeLedgerError(name, fleetError(error, now(), redact)).catch(onError);
      },
    });
    const { client } = parts;
    const loop = keepTicking({ client, prefix: redis.prefix, scheduler, now, onError }, signal);
    const alive = beat({ kind: "scheduler", name: memberName(), version }, parts.state, now);
    return {
      [Symbol.asyncDispose]: async () => {
        await loop[Symbol.asyncDispose]();
        await alive[Symbol.asyncDispose]();
        await parts[Symbol.asyncDispose]();
      },
    };
  }

  async startWorker(concurrency: number): Promise<RunningWorker> {
    const { exports, loading, settings, now, random, redact, log, redis, version } = this.#options;
    const parts = this.#open("stay");
    const name = memberName();
    const onError = (error: unknown): void => {
      if (!isConnectionError(error)) log.error(error, "the queue");
    };
    const { state, store, client, backfills } = parts;
    const worker = new BatchWorker({
      ...settings,
      client,
      state,
      store,
      backfills,
      exports,
      loading,
      now,
      random,
      redact,
      name,
      concurrency,
      onError,
      onLost: (id) =>
        log.warn(
          `${id}: its job is gone, to another worker or with Redis' data; what this one loads counts once all the same`,
        ),
      explain: (error) => (isReply(error) ? redisError(error, redis) : error),
      prefix: redis.prefix,
      events: this.#events,
    });
    await worker.ready();
    const alive = beat({ kind: "worker", name, version }, state, now);
    return {
      name,
      stop: async (graceMs) => {
        await worker.stop(graceMs);
        await alive[Symbol.asyncDispose]();
        await parts[Symbol.asyncDispose]();
      },
    };
  }

  async exports(signal: AbortSignal): Promise<readonly ExportStatus[]> {
    const { state, queue } = this.#parts;
    return await this.#ask(() => statuses(this.#options.exports, state, queue, this.#options.now()), signal);
  }

  async export(name: string, signal: AbortSignal): Promise<ExportStatus> {
    const { state, queue } = this.#parts;
    const definition = this.#definition(name);
    const [status] = await this.#ask(() => statuses([definition], state, queue, this.#options.now()), signal);
    if (!status) throw new Error("an export without a status");
    return status;
  }

  async runs(query: RunsQuery, signal: AbortSignal) {
    return await this.#ask(() => listRuns(query, this.#parts.state, this.#parts.queue), signal);
  }

  async queue(signal: AbortSignal) {
    return await this.#ask(() => this.#parts.queue.depth(), signal);
  }

  async startBackfill(request: BackfillRequest, signal: AbortSignal) {
    const definition = this.#definition(request.export);
    const { plan } = this.#options;
    const { backfills } = this.#parts;
    return await this.#ask(() => startBackfill(definition, request, plan, backfills, signal), signal);
  }

  async backfills(signal: AbortSignal) {
    return await this.#ask(() => this.#parts.store.list(this.#options.now()), signal);
  }

  async backfill(id: string, signal: AbortSignal) {
    return await this.#ask(() => this.#parts.store.get(id, this.#options.now()), signal);
  }

  async cancelBackfill(id: string, signal: AbortSignal) {
    return await this.#ask(() => cancelBackfill(id, this.#parts.backfills), signal);
  }

  async retryBackfill(id: string, signal: AbortSignal) {
    return await this.#ask(() => retryBackfill(id, this.#parts.backfills), signal);
  }

  async pause(name: string, reason: string, by: string, signal: AbortSignal): Promise<ExportStatus> {
    this.#definition(name);
    const { redact, now } = this.#options;
    const { state } = this.#parts;
    await this.#ask(async () => {
      const pause: Pause = {
        reason: redact(reason).slice(0, 500),
        since: now(),
        by: redact(by).slice(0, 100),
        probeAt: undefined,
      };
      const before = await state.paused(name);
      const kept = before ? { ...pause, since: before.since } : pause;
      if (before) await state.changePause(name, kept);
      else await state.pause(name, kept);
      this.#events.emit({ kind: "export.paused", export: name, at: now(), pause: kept, error: undefined });
    }, signal);
    return await this.export(name, signal);
  }

  async resume(name: string, by: string, signal: AbortSignal): Promise<ExportStatus> {
    this.#definition(name);
    const { redact, now } = this.#options;
    const { state, queue, store, backfills } = this.#parts;
    await this.#ask(async () => {
      const was = await state.resume(name);
      if (was) this.#events.emit({ kind: "export.resumed", export: name, at: now(), by: redact(by) });
      for (const { id } of (await store.ranges([name])).get(name) ?? []) await feed(id, backfills, false);
      await queue.wake(name);
    }, signal);
    return await this.export(name, signal);
  }

  async retry(name: string, signal: AbortSignal): Promise<number> {
    this.#definition(name);
    const { state, queue } = this.#parts;
    return await this.#ask(async () => {
      const count = (await state.letGo(name)) + (await queue.promote(name));
      await queue.wake(name);
      return count;
    }, signal);
  }

  async claim(what: string, ms: number, signal: AbortSignal): Promise<boolean> {
    return await this.#ask(() => this.#parts.state.claim(what, ms), signal);
  }

  async unclaim(what: string, signal: AbortSignal): Promise<boolean> {
    return await this.#ask(() => this.#parts.state.unclaim(what), signal);
  }

  async health(signal: AbortSignal): Promise<FleetHealth> {
    const { redis, redact, now } = this.#options;
    const { client, state } = this.#parts;
    const leaveOff = new AbortController();
    const late = sleep(HEALTH_MS, undefined, { signal: AbortSignal.any([signal, leaveOff.signal]) }).then(
      () => Promise.reject(new Error("no answer within 4 seconds")),
      () => Promise.reject(new Error("asked no longer")),
    );
    const asked = (async () => {
      const { ms, warnings } = await pingRedis(client, redis);
      return { redis: true, problem: undefined, redisMs: ms, warnings, members: await state.members(now()) };
    })();
    try {
      return await Promise.race([asked, late]);
    } catch (error) {
      const { message, hint } = redisError(error, redis);
      const problem = redact(hint === undefined ? message : `${message}. ${hint}`);
      return { redis: false, problem, redisMs: undefined, warnings: [], members: [] };
    } finally {
      leaveOff.abort();
      // The loser of the race may still reject.
      late.catch(() => undefined);
      asked.catch(() => undefined);
    }
  }

  onEvent(listener: FleetListener): Disposable {
    return this.#events.onEvent(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }

  #definition(name: string): ExportDefinition {
    const found = this.#options.exports.find((one) => one.name === name);
    if (found) return found;
    throw new ReplayportError(`the config has no export "${name}"`, {
      code: "fleet.unknown_export",
      remedy: "give-up",
      hint: `It has: ${this.#options.exports.map((one) => one.name).join(", ")}.`,
    });
  }

  /** Turns what Redis refuses into an error that says what to do. */
  async #ask<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw isConnectionError(error) || isReply(error) ? redisError(error, this.#options.redis) : error;
    }
  }
}

/** Whether Redis itself says so. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}
