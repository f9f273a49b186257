/** Puts a scheduler together and keeps it ticking. */
import type { Events } from "../events.ts";
import { fleetError } from "../fleet_error.ts";
import { processName, startHeartbeat } from "../heartbeat.ts";
import { isOfRedis } from "../redis/errors.ts";
import type { FleetOptions, Resources } from "../resources.ts";
import { Scheduler } from "./scheduler.ts";
import { keepTicking } from "./scheduler_loop.ts";

/** Disposing it ends the tick that is running, removes the heartbeat, then closes `resources`, which it owns. */
export function startScheduler(
  options: FleetOptions,
  resources: Resources,
  events: Events,
  signal: AbortSignal,
): AsyncDisposable {
  const { exports, destination, agreedNow, settings, now, log, redis, version, redact } = options;
  const { client, state, queue, backfills } = resources;
  const onError = (error: unknown): void => {
    if (!isOfRedis(error)) log.error(error, "scheduler");
  };
  const scheduler = new Scheduler({
    ...backfills,
    exports,
    destination,
    agreedNow,
    events,
    liveInFlight: settings.inFlight,
    retryAfterMs: settings.retryAfterMs,
    onError: (name, error) => {
      log.error(error, "can't enqueue what is due; retrying at the next tick", name);
      // Also for `status` and the dashboard, which ask Redis. While Redis is down they see nothing anyway.
      state.writeLedgerError(name, fleetError(error, now(), redact)).catch(onError);
    },
  });
  const loop = keepTicking({ client, prefix: redis.prefix, queue, scheduler, now, onError }, signal);
  const heartbeat = startHeartbeat({ kind: "scheduler", name: processName(), version }, state, now);
  return {
    [Symbol.asyncDispose]: async () => {
      await loop[Symbol.asyncDispose]();
      await heartbeat[Symbol.asyncDispose]();
      await resources[Symbol.asyncDispose]();
    },
  };
}
