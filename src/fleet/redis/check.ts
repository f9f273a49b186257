/** Whether a Redis can carry the fleet: tried with what the fleet does, since a Redis that answers may still refuse that. */
import { randomBytes } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import type { FleetRedisOptions } from "../fleet.ts";
import { connect } from "./client.ts";
import { redisError } from "./errors.ts";
import { keysOf } from "./keys.ts";
import { ignoreOutages } from "./outage.ts";
import type { RedisClient } from "./refusals.ts";

/** Writes each type of key that the fleet has, and deletes it. A script runs as a whole, so it leaves nothing behind. */
const EVERY_TYPE = `
local key = KEYS[1]
redis.call("SET", key, "", "PX", 60000, "NX")
redis.call("DEL", key)
redis.call("HSET", key, "a", "1")
redis.call("PEXPIRE", key, 60000)
redis.call("HGETALL", key)
redis.call("DEL", key)
redis.call("ZADD", key, 1, "a")
redis.call("DEL", key)
redis.call("LPUSH", key, "a")
redis.call("DEL", key)
redis.call("XADD", key, "*", "a", "1")
return redis.call("DEL", key)
`;
const WRITE = `
redis.call("SET", KEYS[1], "", "PX", 60000)
return redis.call("DEL", KEYS[1])
`;
/** Of a blocking pop, in seconds. */
const BLOCK_S = 0.01;
/** For all of it. */
const CHECK_MS = 15_000;

/** A key of nobody else. */
function probeKey({ prefix }: FleetRedisOptions): string {
  return keysOf(prefix).probe(randomBytes(6).toString("hex"));
}

/**
 * Resolves if Redis answers and accepts what the fleet sends: scripts that write and delete keys under the prefix, by their text
 * and by their hash, and blocking commands.
 * @returns warnings for the operator, in sentences
 * @throws ReplayportError `redis.…`
 */
export async function checkRedis(options: FleetRedisOptions): Promise<string[]> {
  let first: unknown;
  const note = (error: unknown): void => {
    first ??= error;
  };
  const client = connect(options, "failFast", ignoreOutages(note));
  const late = setTimeout(() => {
    note(new Error(`no answer within ${CHECK_MS / 1000} seconds`));
    client.disconnect();
  }, CHECK_MS);
  try {
    await client.connect();
    // The client ignores a number that doesn't exist, and works in database 0.
    if (client instanceof Redis && options.db !== 0) await client.select(options.db);
    const key = probeKey(options);
    client.defineCommand("probe", { numberOfKeys: 1, lua: EVERY_TYPE });
    const { probe } = client as unknown as { readonly probe: (of: string) => Promise<unknown> };
    for (const _ of ["by its text", "by its hash"]) await probe.call(client, key);
    await client.bzpopmin(key, BLOCK_S);
    await client.xread("BLOCK", 1, "STREAMS", key, "$");
    return warningsFrom(await policyOf(client));
  } catch (error) {
    // The first error says why the connection was closed; the last one only that it was.
    throw redisError(first ?? error, options);
  } finally {
    clearTimeout(late);
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

/** Milliseconds of one write, and the warnings. @throws ReplayportError `redis.…` if Redis doesn't answer or takes no writes */
export async function writeToRedis(
  client: RedisClient,
  options: FleetRedisOptions,
): Promise<{ readonly ms: number; readonly warnings: string[] }> {
  try {
    const began = performance.now();
    await client.eval(WRITE, 1, probeKey(options));
    return { ms: performance.now() - began, warnings: warningsFrom(await policyOf(client)) };
  } catch (error) {
    throw redisError(error, options);
  }
}
