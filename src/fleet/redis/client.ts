/** Connections to Redis: one server, sentinels or a cluster; and what its refusals mean. */
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
/** How long a closed connection may keep the process, even one that is already gone. */
const DISCONNECT_MS = 100;
/** The longest pauses between two tries to connect. */
const ASK_PAUSE_MS = 500;
const STAY_PAUSE_MS = 2_000;
/**
 * Longer than any of our commands blocks. A machine that lost its network closes no connection: without this, only TCP would
 * notice, after a quarter of an hour.
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

/** For people; no password. */
export function redisName({ hosts, tls, kind, db, master }: FleetRedisOptions): string {
  const scheme = `redis${tls ? "s" : ""}${kind === "single" ? "" : `+${kind}`}`;
  const where = hosts.map(({ host, port }) => `${host}:${port}`).join(",");
  return `${scheme}://${where}${master === undefined ? "" : `/${master}`}${kind === "cluster" ? "" : `/${db}`}`;
}

/** Connects when it is first used. Errors between commands go to `onError`, never to the process. */
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
      // A managed cluster answers with names whose certificates only match as they are.
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

/** What Redis or the way to it refused, as something that an operator can act on. */
export function redisError(cause: unknown, options: FleetRedisOptions): ReplayportError {
  if (cause instanceof ReplayportError) return cause;
  const text = messageOf(cause);
  const name = redisName(options);
  const make = (what: string, classification: Classification): ReplayportError =>
    new ReplayportError(`Redis at ${name} ${what}`, { ...classification, cause });
  if (/WRONGPASS|invalid password|invalid username-password/i.test(text)) {
    return make(
      "refuses the password",
      giveUp("redis.password", "Mend the user or password in the config's redis.url."),
    );
  }
  if (/NOAUTH|Authentication required/i.test(text)) {
    return make(
      "wants a password",
      giveUp("redis.password", "Write it in redis.url: redis://:${REDIS_PASSWORD}@host."),
    );
  }
  if (/DB index|invalid DB|SELECT is not allowed/i.test(text)) {
    return make(
      `has no database ${options.db}`,
      giveUp("redis.db", "Mend the number at the end of redis.url, or leave it out."),
    );
  }
  if (/NOPERM/.test(text)) {
    const hint = `Allow this user all commands on keys ${options.prefix}:* (ACL SETUSER … ~${options.prefix}:* +@all).`;
    return make(`does not permit it: ${text}`, giveUp("redis.permission", hint));
  }
  if (/^OOM|used memory > 'maxmemory'/.test(text)) {
    return make("is out of memory", retry("redis.memory", "Give it more memory (maxmemory)."));
  }
  if (/READONLY|LOADING|MASTERDOWN|CLUSTERDOWN/.test(text)) {
    return make(`cannot work just now: ${text}`, retry("redis.unready", "It is starting or failing over; try again."));
  }
  if (/certificate|altnames|CERT_/i.test(text)) {
    const hint =
      "Name the PEM file of its authority in redis.ca_file; its certificate has to be for the host that redis.url names.";
    return make(`shows no certificate that is trusted: ${text}`, giveUp("redis.certificate", hint));
  }
  const hint = "Start Redis, and see that redis.url in the config names it (redis:// without, rediss:// with TLS).";
  return make(`cannot be reached: ${text}`, retry("redis.unreachable", hint));
}

/**
 * Resolves where Redis is there and lets us in.
 * @returns what an operator should know, in sentences
 * @throws ReplayportError `redis.…`
 */
export async function checkRedis(options: FleetRedisOptions): Promise<string[]> {
  let met: Error | undefined;
  const client = connect(options, "failFast", (error) => {
    met ??= error;
  });
  try {
    await client.connect();
    // A wrong number is passed over by the client, which then works in database 0.
    if (client instanceof Redis && options.db !== 0) await client.select(options.db);
    await client.ping();
    return warningsFrom(await policyOf(client));
  } catch (error) {
    // "Connection is closed" says less than what closed it.
    throw redisError(met ?? error, options);
  } finally {
    client.disconnect();
  }
}

async function policyOf(client: RedisClient): Promise<string | undefined> {
  try {
    const [node] = client instanceof Cluster ? client.nodes("master") : [client];
    return /maxmemory_policy:(\S+)/.exec((await node?.info("memory")) ?? "")?.[1];
  } catch {
    // A user without the right to ask: then nothing can be said.
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
  // A Cluster says "connect" for a while, and takes commands then.
  return status === "ready" || status === "connect";
}

/** Waits up to five seconds for the last commands to Redis; half a second if Redis is down. */
export async function finishWithin(client: RedisClient, work: Promise<unknown>): Promise<void> {
  const said = new AbortController();
  const late = sleep(isLive(client) ? FINISH_MS : FINISH_DOWN_MS, undefined, { signal: said.signal });
  await Promise.race([work, late].map((one) => one.catch(() => undefined)));
  said.abort();
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
