/** A worker that stops, and two live attempts of one batch. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { Gate } from "../support/fleet_fakes.ts";
import {
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

suite("a worker that stops", () => {
  test("a worker that stops lets a batch finish within its grace", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet, events } = await world.open([exportOf("replays", ONE_HOUR)]);
    const gate = new Gate();
    world.ledger.beforeCommit = gate.pass;
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "runs",
      () => gate.came,
      (count) => count === 1,
    );
    const stopped = worker.stop(10_000);
    gate.open();
    await stopped;
    assert.equal(world.ledger.loads.length, 1);
    assert.ok(runKinds(events).includes("run.loaded"));
  });

  test("a worker that stops releases a batch after the grace to another worker, which is no failure", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    // Nobody takes a batch over in this test.
    const settings = { ...SETTINGS, takeoverMs: 600_000 };
    const { fleet, events } = await world.open([exportOf("replays", ONE_HOUR)], { settings });
    let first = true;
    world.ledger.beforeCommit = async (_batch, signal) => {
      if (!first) return;
      first = false;
      await once(signal, "abort");
    };
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "runs",
      () => first,
      (isFirst) => !isFirst,
    );
    const other = await world.open([exportOf("replays", ONE_HOUR)], { settings });
    const began = performance.now();
    await worker.stop(200);
    assert.ok(performance.now() - began < 3_000);
    assert.ok(runKinds(events).includes("run.released"));
    const second = await other.fleet.startWorker(1);
    await world.loaded(1);
    await until(
      "told",
      () => other.kinds("run.loaded"),
      (kinds) => kinds.length === 1,
    );
    const [loaded] = other.kinds("run.loaded");
    assert.equal(loaded?.kind === "run.loaded" && loaded.attempt, 1);
    assert.equal((await fleet.export("replays", never)).failuresInRow, 0);
    await second.stop(1_000);
  });

  test("a worker that stops ends in time although a load ignores its abort", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", ONE_HOUR)]);
    const gate = new Gate();
    world.ledger.beforeCommit = gate.pass;
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "runs",
      () => gate.came,
      (count) => count === 1,
    );
    const began = performance.now();
    await worker.stop(100);
    assert.ok(performance.now() - began < 11_000);
    gate.open();
  });
});

suite("two live attempts of one batch", () => {
  test("a stalled job that another worker takes over does no harm", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const settings = { ...SETTINGS, takeoverMs: 1_000 };
    const definition = exportOf("replays", ONE_HOUR);
    const { fleet, events } = await world.open([definition], { settings });
    const gate = new Gate();
    let begun = 0;
    world.ledger.beforeCommit = async () => {
      begun += 1;
      if (begun === 1) await gate.pass();
    };
    const ticker = await world.ticker([definition]);
    await ticker.tick();
    const slow = await fleet.startWorker(1);
    await until(
      "the first attempt",
      () => begun,
      (count) => count === 1,
    );
    // As if the first worker's machine slept: its lock is gone, it goes on.
    const lock = `${world.prefix}:batches:replays/${hours("2026-10-01T10:00:00Z", 1)[0]}:lock`;
    await world.server.client.set(lock, "somebody else");
    await world.server.client.pexpire(lock, 1);
    const other = await world.open([definition], { settings });
    const quick = await other.fleet.startWorker(1);
    await until(
      "the second attempt",
      () => begun,
      (count) => count === 2,
      10,
    );
    await until(
      "loaded",
      () => runKinds(other.events),
      (kinds) => kinds.includes("run.loaded"),
    );
    gate.open();
    await until(
      "the first ends too",
      () => runKinds(events).length,
      (count) => count >= 3,
    );
    await drained(fleet);
    assert.equal(world.ledger.of("replays").length, 1);
    assert.deepEqual(await ticker.tick(new Date(world.clock.now.getTime() + 60_000)), []);
    await slow.stop(1_000);
    await quick.stop(1_000);
  });

  test("a batch whose workers die one after the other is recorded as failed", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const settings = { ...SETTINGS, takeoverMs: 1_000 };
    const definition = exportOf("replays", ONE_HOUR);
    const one = await world.open([definition], { settings });
    const gate = new Gate();
    world.ledger.beforeCommit = gate.pass;
    const ticker = await world.ticker([definition]);
    await ticker.tick();
    const victim = await one.fleet.startWorker(1);
    await until(
      "runs",
      () => gate.came,
      (count) => count === 1,
    );
    // As if this one were the eleventh to die.
    const job = `${world.prefix}:batches:replays/${hours("2026-10-01T10:00:00Z", 1)[0]}`;
    await world.server.client.hset(job, "stc", "10");
    await world.server.client.set(`${job}:lock`, "somebody else", "PX", 1);
    const other = await world.open([definition], { settings });
    const survivor = await other.fleet.startWorker(1);
    const [failed] = await until(
      "given up",
      () => other.kinds("run.failed"),
      (events) => events.length === 1,
    );
    assert.equal(failed?.kind === "run.failed" && failed.error.code, "fleet.stalled");
    const { failedIntervals } = await other.fleet.export("replays", never);
    assert.deepEqual(failedIntervals[0]?.retryAt, new Date(world.clock.now.getTime() + SETTINGS.retryAfterMs));
    assert.equal(gate.came, 1, "nobody tried it again");
    gate.open();
    await victim.stop(1_000);
    await survivor.stop(1_000);
  });

  test("a batch keeps its lock for as long as its load takes", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const settings = { ...SETTINGS, takeoverMs: 1_000 };
    const definition = exportOf("replays", ONE_HOUR);
    const one = await world.open([definition], { settings });
    const other = await world.open([definition], { settings });
    const gate = new Gate();
    world.ledger.beforeCommit = gate.pass;
    await using _scheduler = await one.fleet.startScheduler(never);
    const workers = [await one.fleet.startWorker(1), await other.fleet.startWorker(1)];
    await until(
      "runs",
      () => gate.came,
      (count) => count === 1,
    );
    const began = performance.now();
    await until(
      "four lock times pass",
      () => performance.now() - began,
      (ms) => ms > 4_000,
    );
    assert.equal(gate.came, 1, "nobody took it over");
    gate.open();
    await world.loaded(1);
    await Promise.all(workers.map((worker) => worker.stop(1_000)));
  });
});
