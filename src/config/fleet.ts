/** Redis and the fleet's settings. Only `scheduler`, `worker`, `serve` and the backfills of a fleet need them. */
import { resolve } from "node:path";
import * as z from "zod";
import type { FleetSettings } from "../fleet/fleet.ts";
import { BATCH_RETRY } from "../retry.ts";
import { duration, field, matching, optional, parsed, text } from "./values/fields.ts";
import { DAY_MS, MINUTE_MS } from "./values/units.ts";
import { type RedisAddress, parseRedisUrl, REDIS_URL_PATTERN } from "./values/redis_url.ts";

export const redisSchema = field(
  z.strictObject({
    url: field(
      parsed<RedisAddress>(parseRedisUrl, { pattern: REDIS_URL_PATTERN }),
      "redis://, or rediss:// for TLS, with :password@ and /db; redis+sentinel://host:26379,host:26379/master; " +
        "redis+cluster://host:6379,host:6379.",
      "redis://127.0.0.1:6379",
      "rediss://:${REDIS_PASSWORD}@redis.acme.internal:6380/0",
    ),
    prefix: field(
      matching(/^[A-Za-z0-9._-]{1,40}$/).default("replayport"),
      "The start of every key. Two fleets on one Redis need different ones.",
      "replayport",
    ),
    ca_file: optional(text, "A PEM file with the certificates to trust, relative to this file."),
  }),
  "Redis, for scheduler, workers and backfills. You can flush it at any time: the ledger is in the destination.",
  { url: "${REDIS_URL}" },
);

const several = (fallback: number, most: number, description: string) =>
  z.int().min(1).max(most).default(fallback).describe(description);

export const fleetSchema = z
  .strictObject({
    in_flight: several(4, 64, "Intervals of one export in the queue at once, so that no export starves the others."),
    backfill_in_flight: several(2, 64, "Intervals of one backfill in the queue at once. Live intervals go first."),
    attempts: several(
      BATCH_RETRY.attempts,
      100,
      "Attempts to load one interval, with growing delays, before it counts as failed.",
    ),
    pause_after: several(10, 10_000, "Failed intervals in a row after which an export is paused."),
    retry_after: field(
      duration(1000, DAY_MS).prefault("10m"),
      "When an interval that failed for a temporary reason (an outage) is retried automatically.",
      "10m",
    ),
    takeover: field(
      duration(1000, 60 * MINUTE_MS).prefault("30s"),
      "How long a worker can be silent before another one takes over its batches.",
      "30s",
    ),
  })
  .describe("Settings of scheduler and workers.");

/** @param folder where relative paths start */
export function resolveRedis({ url, prefix, ca_file }: z.output<typeof redisSchema>, folder: string) {
  const caFile = ca_file === undefined ? {} : { caFile: resolve(folder, ca_file) };
  // In braces, so that a Redis Cluster keeps all keys on one node.
  return { ...url, prefix: `{${prefix}}`, ...caFile };
}

/** @param input undefined if the file has no section: then every default */
export function resolveFleet(input: z.output<typeof fleetSchema> | undefined): FleetSettings {
  const given = input ?? fleetSchema.parse({});
  return {
    inFlight: given.in_flight,
    backfillInFlight: given.backfill_in_flight,
    attempts: given.attempts,
    pauseAfter: given.pause_after,
    retryAfterMs: given.retry_after,
    takeoverMs: given.takeover,
  };
}
