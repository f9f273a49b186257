/** Connections to Redis: one server, sentinels or a cluster. */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import type { FleetRedisOptions } from "../fleet.ts";
import type { Outage } from "./outage.ts";
import { isRefusing, type RedisClient, watchReplies } from "./refusals.ts";

export type { RedisClient } from "./refusals.ts";

/**
 * - `failFast`: fails at the first refusal; for the check at start
 * - `bounded`: fails within seconds; for commands and HTTP requests
 * - `forever`: waits until Redis is back; for schedulers and workers, as BullMQ requires
 */
export type RetryMode = "failFast" | "bounded" | "forever";

const CONNECT_MS = 5_000;
const ASK_MS = 5_000;
/** How long closing a connection may delay the process's exit. */
const DISCONNECT_MS = 100;
/** The longest waits between two attempts to connect. */
const ASK_PAUSE_MS = 500;
const STAY_PAUSE_MS = 2_000;
/**
 * Longer than any of our commands blocks. A machine that loses its network doesn't close its connections; without this limit,
 * only TCP would notice, after 15 minutes.
 */
const SILENCE_MS = 15_000;
const FINISH_MS = 5_000;
const FINISH_DOWN_MS = 500;
const FINISH_LOOK_MS = 100;
/** One that hangs keeps its connections open. */
const FINISH_SILENT_MS = 1_000;

interface ConnectionOptions {
  readonly maxRetriesPerRequest: number | null;
  readonly retryStrategy: (times: number) => number | null;
  readonly commandTimeout?: number;
  readonly socketTimeout?: number;
}

function connectionOptions(mode: RetryMode): ConnectionOptions {
  const pause =
    (longest: number) =>
    (times: number): number =>
      Math.min(50 * 2 ** Math.min(times, 10), longest);
  switch (mode) {
    case "failFast":
      return { maxRetriesPerRequest: 0, retryStrategy: () => null, commandTimeout: CONNECT_MS };
    case "bounded":
      return { maxRetriesPerRequest: 5, retryStrategy: pause(ASK_PAUSE_MS), commandTimeout: ASK_MS };
    case "forever":
      return { maxRetriesPerRequest: null, retryStrategy: pause(STAY_PAUSE_MS), socketTimeout: SILENCE_MS };
  }
}

/**
 * Connects on first use in mode `failFast`, else at once: BullMQ takes the failure of a first connection that it makes itself for
 * final. Errors outside of commands go to `outage`; they never crash the process.
 */
export function connect(options: FleetRedisOptions, mode: RetryMode, outage: Outage): RedisClient {
  const { hosts, db, username, password, master, ca, cert, key } = options;
  const pem = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) };
  const tls = options.tls ? { tls: pem } : {};
  const { retryStrategy, ...limits } = connectionOptions(mode);
  const lazyConnect = mode === "failFast";
  const common = {
    ...limits,
    connectTimeout: CONNECT_MS,
    lazyConnect,
    connectionName: "replayport",
    disconnectTimeout: DISCONNECT_MS,
    // The master has become a replica: reconnect, perhaps to the new one. Whoever sent the command decides whether to send it again.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...tls,
  };
  let client: RedisClient;
  if (options.kind === "cluster") {
    client = new Cluster([...hosts], {
      lazyConnect,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: CONNECT_MS,
      // The cluster's own check asks for its state. That of a node would ask INFO, which the user may not.
      redisOptions: { ...common, enableReadyCheck: false },
      // A managed cluster lists host names, and its certificates match these names, not their addresses.
      ...(options.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
    });
  } else if (options.kind === "sentinel") {
    const sentinelTls = options.tls ? { enableTLSForSentinelMode: true, sentinelTLS: pem } : {};
    const sentinelRetryStrategy = mode === "failFast" ? { sentinelRetryStrategy: () => null } : {};
    const sentinels = { sentinels: [...hosts], name: master ?? "", ...sentinelTls, ...sentinelRetryStrategy };
    client = new Redis({ ...common, ...sentinels, retryStrategy, db });
  } else {
    const [first] = hosts;
    client = new Redis({ ...common, retryStrategy, host: first?.host ?? "127.0.0.1", port: first?.port ?? 6379, db });
  }
  watch(client, mode, outage);
  return client;
}

/** Also watches the copies of the connection, which BullMQ makes to wait for jobs. */
function watch(
  client: RedisClient,
  mode: RetryMode,
  outage: Outage,
  refusals: Outage = outage,
  original?: RedisClient,
): void {
  client.on("error", outage.onError);
  client.on("ready", outage.onReady);
  watchReplies(client, mode === "forever", refusals, original);
  const duplicate = client.duplicate.bind(client) as (...given: unknown[]) => RedisClient;
  Object.assign(client, {
    duplicate: (...given: unknown[]): RedisClient => {
      const copy = duplicate(...given);
      watch(copy, mode, outage.another(), refusals, client);
      return copy;
    },
  });
}

/** Connections that are to be closed, and have had no answer to a PING. */
const silent = new WeakSet<RedisClient>();

/** Whether Redis answers and accepts commands now. */
export function isLive(client: RedisClient): boolean {
  // A Cluster is in "connect" for a while, and accepts commands then.
  return (client.status === "ready" || client.status === "connect") && !isRefusing(client) && !silent.has(client);
}

/**
 * Waits up to five seconds for the last commands to Redis; half a second once Redis is away, which they may find out; a second if it
 * doesn't answer.
 */
export async function finishWithin(client: RedisClient, work: Promise<unknown>): Promise<void> {
  const finished = new AbortController();
  const began = performance.now();
  const unanswered = setTimeout(() => silent.add(client), FINISH_SILENT_MS);
  const answered = (): void => clearTimeout(unanswered);
  if (isLive(client)) client.ping().then(answered, answered);
  const late = (async () => {
    for (let waited = 0; waited < (isLive(client) ? FINISH_MS : FINISH_DOWN_MS); waited = performance.now() - began) {
      await sleep(FINISH_LOOK_MS, undefined, { signal: finished.signal });
    }
  })();
  await Promise.race([work, late].map((one) => one.catch(() => undefined)));
  finished.abort();
  answered();
}

/** Closes the connection without waiting for a Redis that may be down. */
export async function disconnect(client: RedisClient): Promise<void> {
  if (isLive(client)) await finishWithin(client, client.quit());
  client.disconnect();
}
