/** Connections: what is refused and how it is said, where the keys lie, and a Redis that is away for a while. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { suite, test, type TestContext } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { checkRedis, warningsFrom } from "../../src/fleet/redis/check.ts";
import { redisName } from "../../src/fleet/redis/errors.ts";
import type { FleetRedisOptions } from "../../src/fleet/fleet.ts";
import { connectFleet } from "../../src/fleet/redis_fleet.ts";
import type { FleetOptions } from "../../src/fleet/resources.ts";
import { ownRedisFor } from "../support/redis.ts";
import { SETTINGS, drained, exportOf, never, openWorld, until } from "../support/fleet_fixture.ts";

const single = (port: number, rest: Partial<FleetRedisOptions> = {}): FleetRedisOptions => ({
  kind: "single",
  hosts: [{ host: "127.0.0.1", port }],
  tls: false,
  db: 0,
  prefix: "{test}",
  ...rest,
});

const refused = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ReplayportError);
  assert.equal(error.code, code);
  assert.match(error.message, text);
  assert.ok(error.hint && !`${error.message}${error.hint}`.includes("hunter2"));
  return true;
};

/** A scheduler and a worker on a Redis that the test may kill; eleven hours are due. */
async function start(t: TestContext, concurrency: number, settings = SETTINGS) {
  await using stack = new AsyncDisposableStack();
  const server = await ownRedisFor(t);
  if (!server) return undefined;
  stack.use(server);
  const world = await openWorld(t, server);
  if (!world) return undefined;
  stack.use(world);
  const { fleet } = await world.open([exportOf("replays")], { settings });
  const scheduler = stack.use(await fleet.startScheduler(never));
  const worker = await fleet.startWorker(concurrency);
  const kept = stack.move();
  return { server, world, fleet, worker, scheduler, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

suite("what is refused, and what is said", () => {
  test("a Redis that is down is refused with its address", async () => {
    await assert.rejects(
      checkRedis(single(1, { password: "hunter2" })),
      refused("redis.unreachable", /redis:\/\/127\.0\.0\.1:1\/0 can't be reached: .*ECONNREFUSED/),
    );
  });

  test("a start that waits for a Redis that doesn't answer ends when it is stopped", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const stopped = new Error("stopped");
    const stop = new AbortController();
    const sockets: Socket[] = [];
    silent.on("connection", (socket) => {
      sockets.push(socket.on("error", () => undefined));
      stop.abort(stopped);
    });
    const { port } = silent.address() as AddressInfo;
    const options = { redis: single(port) } as FleetOptions;
    await assert.rejects(connectFleet(options, stop.signal), (error) => error === stopped);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test("a missing or wrong Redis password or user is refused, and the right one is accepted", async (t) => {
    await using server = await ownRedisFor(t, { settings: ["--requirepass", "open sesame/@:"] });
    if (!server) return;
    await assert.rejects(checkRedis(single(server.port)), refused("redis.password", /requires a password/));
    await assert.rejects(
      checkRedis(single(server.port, { password: "hunter2" })),
      refused("redis.password", /refused the password/),
    );
    await assert.rejects(
      checkRedis(single(server.port, { username: "bob", password: "hunter2" })),
      refused("redis.password", /refused the password/),
    );
    assert.deepEqual(await checkRedis(single(server.port, { password: "open sesame/@:" })), []);
  });

  test("a Redis database that doesn't exist is refused", async (t) => {
    await using server = await ownRedisFor(t, { settings: ["--databases", "2"] });
    if (!server) return;
    assert.deepEqual(await checkRedis(single(server.port, { db: 1 })), []);
    await assert.rejects(checkRedis(single(server.port, { db: 9 })), refused("redis.db", /\/9 has no such database/));
  });

  test("Redis with missing TLS, sentinels or cluster nodes is refused within seconds", async (t) => {
    await using server = await ownRedisFor(t);
    if (!server) return;
    const began = performance.now();
    await assert.rejects(checkRedis(single(server.port, { tls: true })), refused("redis.unreachable", /rediss:/));
    const hosts = [{ host: "127.0.0.1", port: 1 }];
    await assert.rejects(
      checkRedis(single(1, { kind: "sentinel", master: "mymaster", hosts })),
      refused("redis.unreachable", /redis\+sentinel:/),
    );
    await assert.rejects(
      checkRedis(single(1, { kind: "cluster", hosts })),
      refused("redis.unreachable", /redis\+cluster:/),
    );
    assert.ok(performance.now() - began < 20_000);
  });

  test("a maxmemory-policy that may drop jobs is a warning", async (t) => {
    await using server = await ownRedisFor(t, { settings: ["--maxmemory-policy", "allkeys-lru"] });
    if (!server) return;
    const [warning = ""] = await checkRedis(single(server.port));
    assert.match(warning, /maxmemory-policy is allkeys-lru.*noeviction/);
    assert.deepEqual([warningsFrom("noeviction"), warningsFrom(undefined)], [[], []]);
    await using world = await openWorld(t, server);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays")]);
    assert.deepEqual([world.warned, (await fleet.health(never)).warnings], [[warning], [warning]]);
  });

  test("the name of a Redis contains no secret", () => {
    const options = single(6379, { username: "bob", password: "hunter2", db: 3 });
    assert.equal(redisName(options), "redis://127.0.0.1:6379/3");
  });
});

suite("keys", () => {
  test("all keys in Redis begin with the prefix, and a finished run leaves none", async (t) => {
    await using started = await start(t, 2);
    if (!started) return;
    const { server, world, fleet, worker, scheduler } = started;
    await world.loaded(11);
    await drained(fleet);
    await worker.stop(1_000);
    await scheduler[Symbol.asyncDispose]();
    const all = await server.keys();
    assert.deepEqual(
      all.filter((key) => !key.startsWith(`${world.prefix}:`)),
      [],
    );
    assert.deepEqual(
      all.map((key) => key.slice(world.prefix.length + 1)),
      [
        "batches:events",
        "batches:id",
        "batches:meta",
        "batches:stalled-check",
        "export:replays@here",
        "loads:replays@here",
        "runs:other",
      ],
    );
  });
});

suite("Redis is down", () => {
  test("workers and scheduler wait while Redis is down, and continue when it is back, empty", async (t) => {
    await using started = await start(t, 2, { ...SETTINGS, takeoverMs: 2_000 });
    if (!started) return;
    const { server, world, fleet, worker } = started;
    world.ledger.beforeCommit = async () => {
      if (world.ledger.loads.length >= 5) await server.kill();
    };
    await until(
      "away",
      () => world.warned,
      (lines) => lines.some((line) => line.includes("Redis is down")),
    );
    const health = await fleet.health(never);
    assert.equal(health.redis, false);
    assert.match(health.problem ?? "", /can't be reached/);
    await assert.rejects(fleet.queue(never), refused("redis.unreachable", /can't be reached/));
    world.ledger.beforeCommit = async () => undefined;
    await server.restart();
    await until(
      "back",
      () => fleet.health(never),
      ({ redis }) => redis,
    );
    await until(
      "loaded",
      () => new Set(world.ledger.loads).size,
      (count) => count === 11,
      40,
    );
    assert.equal(world.ledger.receipts.length, 11);
    assert.equal(world.warned.filter((line) => line.includes("Redis is down")).length, 1, "once for the process");
    await worker.stop(1_000);
  });

  test("worker and scheduler stop in time while Redis is down", async (t) => {
    await using started = await start(t, 1);
    if (!started) return;
    const { server, world, fleet, worker, scheduler } = started;
    await world.loaded(11);
    // A batch that Redis still has to record would wait for it, and the process with it.
    await drained(fleet);
    await server.kill();
    const began = performance.now();
    await worker.stop(100);
    await scheduler[Symbol.asyncDispose]();
    assert.ok(performance.now() - began < 15_000);
  });
});
