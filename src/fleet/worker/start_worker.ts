/** Puts a worker together and starts it. */
import type { Events } from "../events.ts";
import type { RunningWorker } from "../fleet.ts";
import { processName, startHeartbeat } from "../heartbeat.ts";
import { isFromCommand, isOfRedis, redisError } from "../redis/errors.ts";
import type { FleetOptions, Resources } from "../resources.ts";
import { BatchWorker } from "./worker.ts";

/** Stopping it lets its jobs end or releases them, removes the heartbeat, then closes `resources`, which it owns. */
export async function startWorker(
  options: FleetOptions,
  resources: Resources,
  events: Events,
  concurrency: number,
): Promise<RunningWorker> {
  const { exports, loadDependencies, settings, now, random, redact, log, redis, version } = options;
  const { state, store, client, backfills, configOf } = resources;
  const name = processName();
  const worker = new BatchWorker({
    ...settings,
    client,
    state,
    store,
    backfills,
    exports,
    loadDependencies,
    now,
    random,
    redact,
    name,
    concurrency,
    onError: (error) => {
      if (!isOfRedis(error)) log.error(error, "queue");
    },
    onLost: (id) =>
      log.warn(
        `${id}: this worker lost the job, because another one took it over or Redis lost its data. ` +
          "It finishes the load anyway; the batch still counts once.",
      ),
    explain: (error) => (isFromCommand(error) ? redisError(error, redis) : error),
    prefix: redis.prefix,
    configOf,
    events,
  });
  try {
    await worker.start();
  } catch (error) {
    throw isOfRedis(error) ? redisError(error, redis) : error;
  }
  const heartbeat = startHeartbeat({ kind: "worker", name, version }, state, now);
  return {
    name,
    stop: async (graceMs) => {
      await worker.stop(graceMs);
      await heartbeat[Symbol.asyncDispose]();
      await resources[Symbol.asyncDispose]();
    },
  };
}
