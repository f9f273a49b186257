/** A worker that stops, and two live attempts of one batch. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test, type TestContext } from "node:test";
import { Gate } from "../support/fleet_fakes.ts";
import { type OwnRedis, ownRedisFor } from "../support/redis.ts";
import {
  IDENTITY,
  ONE_HOUR,
  SETTINGS,
  drained,
  exportOf,
  hours,
  never,
  openWorld,
  runKinds,
  until,
} from "../support/fleet_fixture.ts";

/** One due hour, whose first load waits before its commit for the gate and, with `heedsAbort`, for its abort. */
async function openPaused(t: TestContext, { takeoverMs = SETTINGS.takeoverMs, heedsAbort = false } = {}) {
  const world = await openWorld(t);
  if (!world) return undefined;
  await using stack = new AsyncDisposableStack();
  stack.use(world);
  const definition = exportOf("replays", ONE_HOUR);
  /** Another process of the same fleet. */
  const another = async () => await world.open([definition], { settings: { ...SETTINGS, takeoverMs } });
  const gate = new Gate();
  let begun = 0;
  world.ledger.beforeCommit = async (_batch, signal) => {
    begun += 1;
    if (begun === 1) await Promise.race([gate.pass(), ...(heedsAbort ? [once(signal, "abort")] : [])]);
  };
  const opened = await another();
  const ticker = await world.ticker([definition]);
  await ticker.tick();
  const worker = await opened.fleet.startWorker(1);
  await until(
    "the first load at its commit",
    () => begun,
    (count) => count === 1,
  );
  const kept = stack.move();
  return {
    ...opened,
    world,
    gate,
    worker,
    ticker,
    job: `${world.prefix}:batches:replays@${IDENTITY.config}/${hours("2026-10-01T10:00:00Z", 1)[0]}`,
    begun: () => begun,
    another,
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

suite("a worker that stops", () => {
  test("a worker that stops lets a batch finish within its grace", async (t) => {
    await using paused = await openPaused(t);
    if (!paused) return;
    const { world, gate, worker, events } = paused;
    const stopped = worker.stop(10_000);
    gate.open();
    await stopped;
    assert.equal(world.ledger.loads.length, 1);
    assert.ok(runKinds(events).includes("run.loaded"));
  });

  test("a worker that stops releases a batch after the grace to another worker, which is no failure", async (t) => {
    // No batch of this test is taken over.
    await using paused = await openPaused(t, { takeoverMs: 600_000, heedsAbort: true });
    if (!paused) return;
    const { world, fleet, worker, events } = paused;
    const other = await paused.another();
    const began = performance.now();
    await worker.stop(200);
    assert.ok(performance.now() - began < 3_000);
    assert.ok(runKinds(events).includes("run.released"));
    await other.fleet.startWorker(1);
    await world.loaded(1);
    const [loaded] = await until(
      "run.loaded",
      () => other.kinds("run.loaded"),
      (kinds) => kinds.length === 1,
    );
    assert.equal(loaded?.kind === "run.loaded" && loaded.attempt, 1);
    assert.equal((await fleet.export("replays", never)).failuresInRow, 0);
  });

  test("a worker that stops ends in time although a load ignores its abort", async (t) => {
    await using paused = await openPaused(t);
    if (!paused) return;
    const began = performance.now();
    await paused.worker.stop(100);
    assert.ok(performance.now() - began < 11_000);
    paused.gate.open();
  });
});

/** What may happen to Redis while a batch has to be recorded there. Each returns what ends it. */
const TROUBLE: Readonly<Record<string, (redis: OwnRedis) => Promise<() => Promise<unknown>>>> = {
  "is gone": async (redis) => {
    await redis.kill();
    return async () => await redis.restart();
  },
  "no longer answers": async (redis) => {
    const pid = await redis.pid();
    process.kill(pid, "SIGSTOP");
    return async () => await Promise.resolve(process.kill(pid, "SIGCONT"));
  },
  "refuses to write": async (redis) => {
    await redis.client.config("SET", "maxmemory", "1");
    return async () => await redis.client.config("SET", "maxmemory", "0");
  },
};

suite("a worker that stops while a batch waits for Redis", () => {
  for (const [what, makeTrouble] of Object.entries(TROUBLE)) {
    test(`a worker that stops ends after its grace although a batch waits for a Redis that ${what}`, async (t) => {
      await using server = await ownRedisFor(t);
      if (!server) return;
      await using world = await openWorld(t, server);
      if (!world) return;
      const { fleet } = await world.open([exportOf("replays", ONE_HOUR)]);
      const gate = new Gate();
      world.ledger.beforeCommit = gate.pass;
      const ticker = await world.ticker([exportOf("replays", ONE_HOUR)]);
      await ticker.tick();
      const worker = await fleet.startWorker(1);
      await until(
        "the load at its commit",
        () => gate.came,
        (count) => count === 1,
      );
      const mend = await makeTrouble(server);
      try {
        gate.open();
        await until(
          "the batch, loaded",
          () => world.ledger.loads.length,
          (count) => count === 1,
        );
        const began = performance.now();
        await worker.stop(100);
        // A load that ignores its abort gets eight seconds. This one has ended.
        const took = performance.now() - began;
        assert.ok(took < 6_000, `${took} ms`);
      } finally {
        await mend();
      }
    });
  }
});

suite("two live attempts of one batch", () => {
  test("a stalled job that another worker takes over does no harm", async (t) => {
    await using paused = await openPaused(t, { takeoverMs: 1_000 });
    if (!paused) return;
    const { world, fleet, gate, events, ticker, job } = paused;
    // As if the first worker's machine slept: its lock is gone, and it continues later.
    await world.server.client.set(`${job}:lock`, "somebody else", "PX", 1);
    const other = await paused.another();
    const quick = await other.fleet.startWorker(1);
    await until("the second attempt", paused.begun, (count) => count === 2, 10);
    await until(
      "the second attempt's run.loaded",
      () => runKinds(other.events),
      (kinds) => kinds.includes("run.loaded"),
    );
    gate.open();
    await until(
      "the end of the first attempt",
      () => runKinds(events).length,
      (count) => count >= 3,
    );
    await drained(fleet);
    assert.equal(world.ledger.of("replays").length, 1);
    assert.deepEqual(await ticker.tick(new Date(world.clock.now.getTime() + 60_000)), []);
    await paused.worker.stop(1_000);
    await quick.stop(1_000);
  });

  test("a batch whose workers die one after the other is recorded as failed", async (t) => {
    await using paused = await openPaused(t, { takeoverMs: 1_000 });
    if (!paused) return;
    const { world, gate, job } = paused;
    // As if this worker were the eleventh to die.
    await world.server.client.hset(job, "stc", "10");
    await world.server.client.set(`${job}:lock`, "somebody else", "PX", 1);
    const other = await paused.another();
    const survivor = await other.fleet.startWorker(1);
    const [failed] = await until(
      "run.failed",
      () => other.kinds("run.failed"),
      (events) => events.length === 1,
    );
    assert.equal(failed?.kind === "run.failed" && failed.error.code, "fleet.stalled");
    const { failedIntervals } = await other.fleet.export("replays", never);
    assert.deepEqual(failedIntervals[0]?.retryAt, new Date(world.clock.now.getTime() + SETTINGS.retryAfterMs));
    assert.equal(paused.begun(), 1, "nobody tried it again");
    gate.open();
    await paused.worker.stop(1_000);
    await survivor.stop(1_000);
  });

  test("a batch keeps its lock for as long as its load takes", async (t) => {
    await using paused = await openPaused(t, { takeoverMs: 1_000 });
    if (!paused) return;
    const { world, fleet, gate } = paused;
    await using _scheduler = await fleet.startScheduler(never);
    const other = await (await paused.another()).fleet.startWorker(1);
    const began = performance.now();
    await until(
      "four lock times pass",
      () => performance.now() - began,
      (ms) => ms > 4_000,
    );
    assert.equal(paused.begun(), 1, "nobody took it over");
    gate.open();
    await world.loaded(1);
    await Promise.all([paused.worker, other].map((worker) => worker.stop(1_000)));
  });
});
