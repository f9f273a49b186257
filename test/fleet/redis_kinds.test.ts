/** A fleet over Redis as it is really run: behind TLS, with sentinels that change the master, as a Cluster. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { interval } from "../../src/intervals/interval.ts";
import { checkRedis } from "../../src/fleet/redis/check.ts";
import type { RedisServer } from "../support/redis.ts";
import { clusterRedisFor, sentinelRedisFor, tlsRedisFor } from "../support/redis_kinds.ts";
import { type World, drained, exportOf, never, openWorld, until } from "../support/fleet_fixture.ts";

const LATER = { start: new Date("2026-10-01T11:00:00Z") };

/** Two exports, one of them with a backfill, from due to done. @param meanwhile happens after the third batch */
async function work(world: World, meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
  const { fleet } = await world.open([exportOf("replays"), exportOf("other", LATER)]);
  const scheduler = await fleet.startScheduler(never);
  const worker = await fleet.startWorker(2);
  const range = interval("2026-10-01T00:00:00Z", "2026-10-01T06:00:00Z");
  const { id } = await fleet.startBackfill({ export: "other", range, createdBy: "test" }, never);
  await world.loaded(3);
  await meanwhile();
  await world.loaded(17);
  await drained(fleet);
  assert.equal(new Set(world.ledger.loads).size, 17);
  const health = await fleet.health(never);
  assert.deepEqual([health.redis, health.warnings, health.processes.length], [true, [], 2]);
  assert.ok(["done", "running"].includes((await fleet.backfill(id, never)).state));
  await worker.stop(1_000);
  await scheduler[Symbol.asyncDispose]();
  assert.deepEqual((await fleet.health(never)).processes, []);
}

async function onlyOurs(world: World, server: RedisServer): Promise<void> {
  const foreign = (await server.keys()).filter((key) => !key.startsWith(`${world.prefix}:`));
  assert.deepEqual(foreign, []);
}

suite("Redis behind TLS", () => {
  test("Redis behind TLS works with its certificate, and without it the error says why", async (t) => {
    await using server = await tlsRedisFor(t);
    if (!server) return;
    await using world = await openWorld(t, server);
    if (!world) return;
    await work(world);
    await onlyOurs(world, server);
    const { ca: _, ...untrusted } = server.address;
    await assert.rejects(checkRedis({ ...untrusted, prefix: world.prefix }), (error: unknown) => {
      assert.ok(error instanceof ReplayportError);
      assert.equal(error.code, "redis.certificate");
      assert.match(error.message, /^Redis at rediss:\/\/127\.0\.0\.1:\d+\/0 .*self-signed certificate/);
      assert.match(error.hint ?? "", /redis\.ca_file/);
      return true;
    });
    await assert.rejects(
      checkRedis({ ...server.address, tls: false, prefix: world.prefix }),
      (error: unknown) => error instanceof ReplayportError && /rediss:\/\//.test(error.hint ?? ""),
    );
  });
});

suite("Redis that asks its clients for a certificate", () => {
  test("Redis that asks for a client certificate accepts ours, and without it the error names the keys", async (t) => {
    await using server = await tlsRedisFor(t);
    if (!server) return;
    await server.client.config("SET", "tls-auth-clients", "yes");
    const options = { ...server.address, prefix: server.prefix() };
    await assert.rejects(checkRedis(options), (error: unknown) => {
      assert.ok(error instanceof ReplayportError);
      // Redis closes the connection at once, so its alert may be lost.
      assert.match(error.code, /^redis\.(?:certificate|closed)$/, error.message);
      assert.match(error.hint ?? "", /redis\.cert_file and redis\.key_file/);
      return true;
    });
    const [cert, key] = [await readFile(server.caFile, "utf8"), await readFile(server.keyFile, "utf8")];
    assert.deepEqual(await checkRedis({ ...options, cert, key }), []);
  });
});

suite("Redis with sentinels", () => {
  test("Redis with sentinels continues after its master died and another was elected", async (t) => {
    await using server = await sentinelRedisFor(t);
    if (!server) return;
    await using world = await openWorld(t, server);
    if (!world) return;
    await work(world, async () => {
      await server.killMaster();
      await until(
        "back",
        () => world.warned,
        (lines) => lines.some((line) => line.startsWith("Redis is down")),
      );
    });
    await onlyOurs(world, server);
  });
});

suite("Redis as a Cluster", () => {
  test("a Redis Cluster has all keys of a fleet on one node", async (t) => {
    await using server = await clusterRedisFor(t);
    if (!server) return;
    await using world = await openWorld(t, server);
    if (!world) return;
    await work(world);
    await onlyOurs(world, server);
  });
});
