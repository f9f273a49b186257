/** Redis and the fleet's settings. Only `scheduler`, `worker`, `serve` and the backfills of a fleet need them. */
import { resolve } from "node:path";
import * as z from "zod";
import type { FleetSettings } from "../fleet/fleet.ts";
import { BATCH_RETRY } from "../retry.ts";
import type { Report } from "./problems/problems.ts";
import { duration, field, matching, optional, parsed, SECRET, text } from "./values/fields.ts";
import { DAY_MS, MINUTE_MS } from "./values/units.ts";
import { type RedisAddress, parseRedisUrl, REDIS_URL_PATTERN } from "./values/redis_url.ts";

export const redisSchema = field(
  z.strictObject({
    url: field(
      parsed<RedisAddress>(parseRedisUrl, { pattern: REDIS_URL_PATTERN }),
      "redis://, or rediss:// for TLS, with /db; redis+sentinel://host:26379,host:26379/master; " +
        "redis+cluster://host:6379,host:6379.",
      "redis://127.0.0.1:6379",
      "rediss://redis.acme.internal:6380/0",
    ),
    username: optional(text, "Redis' user, if it isn't the default one.", "replayport"),
    password: optional(
      text.meta(SECRET),
      "Its password, as it is. In redis.url it would have to be encoded: @ : / ? # % as %40 %3A %2F %3F %23 %25.",
      "${REDIS_PASSWORD}",
    ),
    prefix: field(
      matching(/^[A-Za-z0-9._-]{1,40}$/).default("replayport"),
      "The start of every key. Two fleets on one Redis need different ones.",
      "replayport",
    ),
    ca_file: optional(text, "A PEM file with the certificates to trust, relative to this file."),
    cert_file: optional(
      text,
      "A PEM file with the certificate that Redis asks its clients for, relative to this file.",
    ),
    key_file: optional(text, "A PEM file with the private key of cert_file, relative to this file."),
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
export function resolveRedis(given: z.output<typeof redisSchema>, folder: string) {
  const { url, prefix, username, password, ca_file, cert_file, key_file } = given;
  const path = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(folder, file);
  return {
    ...url,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    // In braces, so that a Redis Cluster keeps all keys on one node.
    prefix: `{${prefix}}`,
    files: { ca_file: path(ca_file), cert_file: path(cert_file), key_file: path(key_file) },
  };
}

/** What the keys say together. */
export function checkRedisKeys({ url, ...keys }: z.output<typeof redisSchema>, report: Report): void {
  for (const key of ["username", "password"] as const) {
    if (keys[key] === undefined || url[key] === undefined) continue;
    report.add(["redis", key], "is in redis.url as well", "Keep one of them; the key needs no encoding.");
  }
  for (const [key, other] of [
    ["cert_file", "key_file"],
    ["key_file", "cert_file"],
  ] as const) {
    if (keys[key] !== undefined && keys[other] === undefined) {
      report.add(["redis", key], `needs ${other} beside it`, `Write ${other}, or remove ${key}.`);
    }
  }
  for (const key of ["ca_file", "cert_file", "key_file"] as const) {
    if (keys[key] === undefined || url.tls) continue;
    report.add(["redis", key], "is for TLS, and redis.url is without", "Write rediss:// (with two s) in redis.url.");
  }
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
