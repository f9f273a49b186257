/** What a fleet is connected with, and what each of its connections to Redis opens. */
import type { Destination } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import { BackfillStore } from "./backfills/backfill_store.ts";
import type { BackfillDependencies, Planner } from "./backfills/backfills.ts";
import type { FleetRedisOptions, FleetSettings } from "./fleet.ts";
import { BatchQueue } from "./redis/batch_queue.ts";
import { type RedisClient, type RetryMode, connect, disconnect, isLive } from "./redis/client.ts";
import { keysOf } from "./redis/keys.ts";
import type { Outage } from "./redis/outage.ts";
import { FleetState } from "./redis/state.ts";

/** Logs problems that aren't tied to a batch, once each. */
export interface FleetLog {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
  readonly error: (error: unknown, message: string, exportName?: string) => void;
}

export interface FleetOptions {
  readonly redis: FleetRedisOptions;
  readonly settings: FleetSettings;
  readonly exports: readonly ExportDefinition[];
  readonly destination: (definition: ExportDefinition) => Destination;
  readonly loadDependencies: (
    definition: ExportDefinition,
    onProgress: LoadDependencies["onProgress"],
  ) => Promise<LoadDependencies>;
  /**
   * The earlier of this machine's clock and the source's, or this machine's where the source doesn't answer. Rejects with
   * `source.clock` if they differ too much.
   */
  readonly agreedNow: (definition: ExportDefinition, signal: AbortSignal) => Promise<Date>;
  readonly plan: Planner;
  readonly version: string;
  readonly now: () => Date;
  readonly random: () => number;
  readonly redact: (text: string) => string;
  readonly log: FleetLog;
}

/** One connection to Redis, and the queue and state that use it. Disposing it closes the queue first, then the connection. */
export interface Resources extends AsyncDisposable {
  readonly client: RedisClient;
  readonly state: FleetState;
  readonly store: BackfillStore;
  readonly queue: BatchQueue;
  readonly backfills: BackfillDependencies;
}

export function openResources(
  { redis, settings, now }: Pick<FleetOptions, "redis" | "settings" | "now">,
  mode: RetryMode,
  outage: Outage,
): Resources {
  const client = connect(redis, mode, outage.onError);
  outage.follow(client);
  const keys = keysOf(redis.prefix);
  const state = new FleetState(client, keys);
  const store = new BackfillStore(client, keys);
  const queue = new BatchQueue(client, redis.prefix, outage.onError);
  return {
    client,
    state,
    store,
    queue,
    backfills: { store, state, queue, now, inFlight: settings.backfillInFlight },
    [Symbol.asyncDispose]: async () => {
      // While Redis is down, BullMQ's close would wait for it.
      if (isLive(client)) await queue[Symbol.asyncDispose]().catch(outage.onError);
      await disconnect(client);
    },
  };
}
