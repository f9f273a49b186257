/**
 * The composition root of the fleet: `Fleet` over Redis.
 *
 * How a process is put together:
 * 1. `connectFleet` tries once what the fleet does with Redis, so that a wrong URL, password or permission fails at start with a hint.
 * 2. Commands and HTTP requests share one connection in mode `bounded`: while Redis is down, they fail within seconds.
 * 3. The scheduler and each worker get their own connection in mode `forever`: they wait for Redis to come back, as BullMQ
 *    requires, or to accept what it refuses (redis/refusals.ts), and a blocking command of theirs can't delay an HTTP request.
 * 4. All of them raise events on the same `Events`, to which metrics, alerts, traces and the log listen.
 *
 * How it closes: stop the workers and dispose of the scheduler first, in any order, then the fleet. Each closes what it
 * opened: the work in progress, its heartbeat, its queue, its connection.
 */
import { unlessAborted } from "../abort.ts";
import { ReplayportError, giveUp } from "../errors.ts";
import type { ExportDefinition } from "../export/definition.ts";
import type { Interval } from "../intervals/interval.ts";
import { cancelBackfill, checkRequest, enqueueNext, retryBackfill, startBackfill } from "./backfills/backfills.ts";
import { type Events, createEvents } from "./events.ts";
import type {
  BackfillPlan,
  BackfillRequest,
  ExportHistory,
  ExportRules,
  ExportStatus,
  FleetHandle,
  FleetHealth,
  FleetListener,
  Pause,
  RunningWorker,
  RunsQuery,
} from "./fleet.ts";
import { readHealth } from "./health.ts";
import { readHistory } from "./history.ts";
import { checkRedis } from "./redis/check.ts";
import { isOfRedis, isReply, redisError } from "./redis/errors.ts";
import { type Outages, watchOutages } from "./redis/outage.ts";
import { type FleetOptions, type Resources, openResources } from "./resources.ts";
import { rulesOf } from "./rules.ts";
import { startScheduler } from "./scheduler/start_scheduler.ts";
import { listRuns, statuses } from "./status.ts";
import { startWorker } from "./worker/start_worker.ts";

/** @throws ReplayportError `redis.…` if Redis can't be reached or refuses us */
export async function connectFleet(options: FleetOptions, signal: AbortSignal): Promise<FleetHandle> {
  signal.throwIfAborted();
  for (const warning of await unlessAborted(checkRedis(options.redis), signal)) options.log.warn(warning);
  return new RedisFleet(options);
}

/**
 * Each method reads or changes what Redis holds, and turns Redis' own refusals into errors with a hint (`#call`). It keeps
 * nothing in memory but connections, so any number of processes can serve the same fleet.
 */
class RedisFleet implements FleetHandle {
  readonly #options: FleetOptions;
  readonly #events: Events;
  /** Of the scheduler's and the workers' connections. */
  readonly #outages: Outages;
  /** Of the connection for commands and HTTP requests. Nothing is logged: a caller gets the error as its answer. */
  readonly #asking: Outages;
  readonly #resources: Resources;

  constructor(options: FleetOptions) {
    this.#options = options;
    const { log, redis } = options;
    this.#events = createEvents((error) => log.error(error, "a listener of the fleet's events failed"));
    const outageLog = {
      away: (error: ReplayportError) => {
        const what = error.code === "redis.unreachable" ? "Redis is down" : "Redis refuses what the fleet does";
        if (error.remedy === "give-up") log.error(error, `${what}, waiting until that is fixed`);
        else log.warn(`${what}, waiting for it: ${error.message}. ${error.hint ?? ""}`);
      },
      back: () => log.info("Redis is back"),
      other: (error: unknown) => log.error(redisError(error, redis), "Redis"),
    };
    this.#outages = watchOutages(outageLog, redis);
    const nothing = (): void => undefined;
    this.#asking = watchOutages({ away: nothing, back: nothing, other: nothing }, redis);
    this.#resources = openResources(options, "bounded", this.#asking.watch());
  }

  async startScheduler(signal: AbortSignal): Promise<AsyncDisposable> {
    return startScheduler(this.#options, this.#openForever(), this.#events, signal);
  }

  async startWorker(concurrency: number): Promise<RunningWorker> {
    return await startWorker(this.#options, this.#openForever(), this.#events, concurrency);
  }

  async exports(signal: AbortSignal): Promise<readonly ExportStatus[]> {
    return await this.#statuses(this.#options.exports, signal);
  }

  async export(name: string, signal: AbortSignal): Promise<ExportStatus> {
    const [status] = await this.#statuses([this.#definition(name)], signal);
    if (!status) throw new Error("an export without a status");
    return status;
  }

  rules(name: string): ExportRules {
    return rulesOf(this.#definition(name), this.#options.now());
  }

  async history(name: string, range: Interval, signal: AbortSignal): Promise<ExportHistory> {
    return await readHistory(this.#options.destination(this.#definition(name)), range, signal);
  }

  async runs(query: RunsQuery, signal: AbortSignal) {
    return await this.#call(({ state, queue }) => listRuns(query, state, queue), signal);
  }

  async queue(signal: AbortSignal) {
    return await this.#call(({ queue }) => queue.depth(), signal);
  }

  async startBackfill(request: BackfillRequest, signal: AbortSignal) {
    const definition = this.#definition(request.export);
    const { plan } = this.#options;
    return await this.#call(({ backfills }) => startBackfill(definition, request, plan, backfills, signal), signal);
  }

  async planBackfill(request: BackfillRequest, signal: AbortSignal): Promise<BackfillPlan> {
    checkRequest(request);
    return await this.#options.preview(this.#definition(request.export), request, signal);
  }

  async backfills(signal: AbortSignal) {
    return await this.#call(({ store }) => store.list(this.#options.now()), signal);
  }

  async backfill(id: string, signal: AbortSignal) {
    return await this.#call(({ store }) => store.get(id, this.#options.now()), signal);
  }

  async cancelBackfill(id: string, signal: AbortSignal) {
    return await this.#call(({ backfills }) => cancelBackfill(id, backfills), signal);
  }

  async retryBackfill(id: string, signal: AbortSignal) {
    return await this.#call(({ backfills }) => retryBackfill(id, backfills, signal), signal);
  }

  async pause(name: string, reason: string, by: string, signal: AbortSignal): Promise<ExportStatus> {
    this.#definition(name);
    const { redact, now } = this.#options;
    await this.#call(async ({ state }) => {
      const before = await state.paused(name);
      const pause: Pause = {
        reason: redact(reason).slice(0, 500),
        since: before?.since ?? now(),
        by: redact(by).slice(0, 100),
        probeAt: undefined,
      };
      if (before) await state.changePause(name, pause);
      else await state.pause(name, pause);
      this.#events.emit({ kind: "export.paused", export: name, at: now(), pause, error: undefined });
    }, signal);
    return await this.export(name, signal);
  }

  async resume(name: string, by: string, signal: AbortSignal): Promise<ExportStatus> {
    this.#definition(name);
    const { redact, now } = this.#options;
    await this.#call(async ({ state, queue, store, backfills }) => {
      const wasPaused = await state.resume(name);
      if (wasPaused) this.#events.emit({ kind: "export.resumed", export: name, at: now(), by: redact(by) });
      for (const { id } of (await store.ranges([name])).get(name) ?? [])
        await enqueueNext(id, backfills, false, signal);
      await queue.wake(name);
    }, signal);
    return await this.export(name, signal);
  }

  async retry(name: string, signal: AbortSignal): Promise<number> {
    this.#definition(name);
    return await this.#call(async ({ state, queue }) => {
      const count = (await state.retryFailed(name)) + (await queue.promote(name));
      await queue.wake(name);
      return count;
    }, signal);
  }

  async claim(what: string, ms: number, signal: AbortSignal): Promise<boolean> {
    return await this.#call(({ state }) => state.claim(what, ms), signal);
  }

  async claimed(what: string, signal: AbortSignal): Promise<boolean> {
    return await this.#call(({ state }) => state.claimed(what), signal);
  }

  async unclaim(what: string, signal: AbortSignal): Promise<boolean> {
    return await this.#call(({ state }) => state.unclaim(what), signal);
  }

  async health(signal: AbortSignal): Promise<FleetHealth> {
    const problems = { asking: this.#asking.problem, working: this.#outages.problem };
    return await readHealth(this.#resources, this.#options, problems, signal);
  }

  onEvent(listener: FleetListener): Disposable {
    return this.#events.onEvent(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  #openForever(): Resources {
    return openResources(this.#options, "forever", this.#outages.watch());
  }

  #definition(name: string): ExportDefinition {
    const { exports } = this.#options;
    const found = exports.find((one) => one.name === name);
    if (found) return found;
    const hint = `It has: ${exports.map((one) => one.name).join(", ")}.`;
    throw new ReplayportError(`the config has no export "${name}"`, giveUp("fleet.unknown_export", hint));
  }

  async #statuses(definitions: readonly ExportDefinition[], signal: AbortSignal): Promise<ExportStatus[]> {
    return await this.#call(({ state, queue }) => statuses(definitions, state, queue, this.#options.now()), signal);
  }

  async #call<T>(work: (resources: Resources) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    try {
      return await work(this.#resources);
    } catch (error) {
      signal.throwIfAborted();
      if (!isOfRedis(error) || error instanceof ReplayportError) throw error;
      // Why the connection can't be made says more than that a command got no answer.
      throw (isReply(error) ? undefined : this.#asking.problem()) ?? redisError(error, this.#options.redis);
    }
  }
}
