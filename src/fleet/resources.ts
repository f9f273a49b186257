/** What a fleet is connected with, and what each of its connections to Redis opens. */
import type { Destination } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import { BackfillStore } from "./backfills/backfill_store.ts";
import type { BackfillDependencies, BackfillLedger, Planner } from "./backfills/backfills.ts";
import type { BackfillPlan, BackfillRequest, ExportIdentity, FleetRedisOptions, FleetSettings } from "./fleet.ts";
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
  readonly identity: (definition: ExportDefinition) => ExportIdentity;
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
  /** The same for a person to read. Changes nothing. */
  readonly preview: (
    definition: ExportDefinition,
    request: BackfillRequest,
    signal: AbortSignal,
  ) => Promise<BackfillPlan>;
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
  /** `ExportIdentity.config` of an export in our config. */
  readonly configOf: (exportName: string) => string | undefined;
}

export function openResources(
  options: Pick<FleetOptions, "redis" | "settings" | "exports" | "identity" | "destination" | "plan" | "now">,
  mode: RetryMode,
  outage: Outage,
): Resources {
  const { redis, settings, exports, identity, now } = options;
  const client = connect(redis, mode, outage);
  const definitions = new Map(exports.map((one) => [one.name, one]));
  const identities = new Map<string, ExportIdentity>();
  /** Computed on demand: a command that asks about one export needs no other destination's address. */
  const identified = (name: string): ExportIdentity | undefined => {
    const definition = definitions.get(name);
    const known = identities.get(name) ?? (definition && identity(definition));
    if (known) identities.set(name, known);
    return known;
  };
  const keys = keysOf(redis.prefix, (name) => identified(name)?.place ?? "");
  const state = new FleetState(client, keys);
  const store = new BackfillStore(client, keys);
  const configOf = (name: string): string | undefined => identified(name)?.config;
  const queue = new BatchQueue(client, redis.prefix, configOf, outage.onError);
  return {
    client,
    state,
    store,
    queue,
    backfills: { store, state, queue, now, inFlight: settings.backfillInFlight, ledger: ledgerOf(options) },
    configOf,
    [Symbol.asyncDispose]: async () => {
      // While Redis is away, BullMQ's close would wait for it.
      if (isLive(client)) await queue[Symbol.asyncDispose]().catch(outage.onError);
      await disconnect(client);
    },
  };
}

function ledgerOf({
  exports,
  destination,
  plan,
}: Pick<FleetOptions, "exports" | "destination" | "plan">): BackfillLedger {
  const definitionOf = (name: string): ExportDefinition => {
    const found = exports.find((one) => one.name === name);
    if (!found) throw new Error(`a backfill of an export that the config doesn't have: ${name}`);
    return found;
  };
  return {
    covered: async (name, range, signal) =>
      await Array.fromAsync(destination(definitionOf(name)).covered(range, signal)),
    plan: async (request, signal) => await plan(definitionOf(request.export), request, signal),
  };
}
