/** Connections to Redis: one server, sentinels or a cluster; and what its errors mean. */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../errors.ts";
import type { FleetRedisOptions } from "../fleet.ts";

export type RedisClient = Redis | Cluster;

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

/** For messages; without the password. */
export function redisName({ hosts, tls, kind, db, master }: FleetRedisOptions): string {
  const scheme = `redis${tls ? "s" : ""}${kind === "single" ? "" : `+${kind}`}`;
  const where = hosts.map(({ host, port }) => `${host}:${port}`).join(",");
  return `${scheme}://${where}${master === undefined ? "" : `/${master}`}${kind === "cluster" ? "" : `/${db}`}`;
}

/** Connects on first use. Errors outside of commands go to `onError`; they never crash the process. */
export function connect(options: FleetRedisOptions, mode: RetryMode, onError: (error: Error) => void): RedisClient {
  const { hosts, db, username, password, master } = options;
  const tls = options.tls ? { tls: options.ca === undefined ? {} : { ca: options.ca } } : {};
  const { retryStrategy, ...limits } = connectionOptions(mode);
  const common = {
    ...limits,
    connectTimeout: CONNECT_MS,
    lazyConnect: true,
    connectionName: "replayport",
    disconnectTimeout: DISCONNECT_MS,
    // The master has become a replica: reconnect to the new one and send the command again.
    reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? (2 as const) : false),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...tls,
  };
  let client: RedisClient;
  if (options.kind === "cluster") {
    client = new Cluster([...hosts], {
      lazyConnect: true,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: CONNECT_MS,
      redisOptions: common,
      // A managed cluster lists host names, and its certificates match these names, not their addresses.
      ...(options.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
    });
  } else if (options.kind === "sentinel") {
    const sentinelTls = options.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tls.tls ?? {} } : {};
    const sentinelRetryStrategy = mode === "failFast" ? { sentinelRetryStrategy: () => null } : {};
    const sentinels = { sentinels: [...hosts], name: master ?? "", ...sentinelTls, ...sentinelRetryStrategy };
    client = new Redis({ ...common, ...sentinels, retryStrategy, db });
  } else {
    const [first] = hosts;
    client = new Redis({ ...common, retryStrategy, host: first?.host ?? "127.0.0.1", port: first?.port ?? 6379, db });
  }
  client.on("error", onError);
  return client;
}

/** The same error, with a hint that an operator can act on. */
export function redisError(cause: unknown, options: FleetRedisOptions): ReplayportError {
  if (cause instanceof ReplayportError) return cause;
  const text = messageOf(cause);
  const { db, prefix } = options;
  const known: readonly (readonly [RegExp, problem: string, Classification])[] = [
    [
      /WRONGPASS|invalid password|invalid username-password/i,
      "refused the password",
      giveUp("redis.password", "Fix the user or password in the config's redis.url."),
    ],
    [
      /NOAUTH|Authentication required/i,
      "requires a password",
      giveUp("redis.password", "Add it to redis.url: redis://:${REDIS_PASSWORD}@host."),
    ],
    [
      /DB index|invalid DB|SELECT is not allowed/i,
      `has no database ${db}`,
      giveUp("redis.db", "Fix the number at the end of redis.url, or leave it out."),
    ],
    [
      /NOPERM/,
      `denied permission: ${text}`,
      giveUp(
        "redis.permission",
        `Allow this user all commands on keys ${prefix}:* (ACL SETUSER … ~${prefix}:* +@all).`,
      ),
    ],
    [/^OOM|used memory > 'maxmemory'/, "is out of memory", retry("redis.memory", "Give it more memory (maxmemory).")],
    [
      /READONLY|LOADING|MASTERDOWN|CLUSTERDOWN/,
      `isn't ready: ${text}`,
      retry("redis.unready", "It is starting or failing over; try again."),
    ],
    [
      /certificate|altnames|CERT_/i,
      `has a certificate that isn't trusted: ${text}`,
      giveUp(
        "redis.certificate",
        "Set redis.ca_file to the PEM file of its authority, and check that the certificate is for redis.url's host.",
      ),
    ],
  ];
  const hint =
    "Check that Redis is running, and that redis.url is its address (redis:// without TLS, rediss:// with TLS).";
  const [, problem, classification] = known.find(([pattern]) => pattern.test(text)) ?? [
    undefined,
    `can't be reached: ${text}`,
    retry("redis.unreachable", hint),
  ];
  return new ReplayportError(`Redis at ${redisName(options)} ${problem}`, { ...classification, cause });
}

/**
 * Resolves if Redis answers and accepts us.
 * @returns warnings for the operator, in sentences
 * @throws ReplayportError `redis.…`
 */
export async function checkRedis(options: FleetRedisOptions): Promise<string[]> {
  let first: Error | undefined;
  const client = connect(options, "failFast", (error) => {
    first ??= error;
  });
  try {
    await client.connect();
    // The client ignores a number that doesn't exist, and works in database 0.
    if (client instanceof Redis && options.db !== 0) await client.select(options.db);
    await client.ping();
    return warningsFrom(await policyOf(client));
  } catch (error) {
    // The first error says why the connection was closed; the last one only that it was.
    throw redisError(first ?? error, options);
  } finally {
    client.disconnect();
  }
}

async function policyOf(client: RedisClient): Promise<string | undefined> {
  try {
    const [node] = client instanceof Cluster ? client.nodes("master") : [client];
    return /maxmemory_policy:(\S+)/.exec((await node?.info("memory")) ?? "")?.[1];
  } catch {
    // This user may not ask.
    return undefined;
  }
}

export function warningsFrom(policy: string | undefined): string[] {
  if (policy === undefined || policy === "noeviction") return [];
  return [
    `Redis' maxmemory-policy is ${policy}: it may drop jobs when memory runs short. ` +
      "Set it to noeviction (CONFIG SET maxmemory-policy noeviction).",
  ];
}

/** Milliseconds of one round trip, and the warnings. @throws ReplayportError `redis.…` */
export async function pingRedis(
  client: RedisClient,
  options: FleetRedisOptions,
): Promise<{ readonly ms: number; readonly warnings: string[] }> {
  try {
    const began = performance.now();
    await client.ping();
    return { ms: performance.now() - began, warnings: warningsFrom(await policyOf(client)) };
  } catch (error) {
    throw redisError(error, options);
  }
}

/** Whether commands reach Redis now. */
export function isLive({ status }: RedisClient): boolean {
  // A Cluster is in "connect" for a while, and accepts commands then.
  return status === "ready" || status === "connect";
}

/** Waits up to five seconds for the last commands to Redis; half a second if Redis is down. */
export async function finishWithin(client: RedisClient, work: Promise<unknown>): Promise<void> {
  const finished = new AbortController();
  const late = sleep(isLive(client) ? FINISH_MS : FINISH_DOWN_MS, undefined, { signal: finished.signal });
  await Promise.race([work, late].map((one) => one.catch(() => undefined)));
  finished.abort();
}

/** Closes the connection without waiting for a Redis that may be down. */
export async function disconnect(client: RedisClient): Promise<void> {
  if (isLive(client)) await finishWithin(client, client.quit());
  client.disconnect();
}

/** Whether it's Redis that refused, rather than the connection that broke. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}
