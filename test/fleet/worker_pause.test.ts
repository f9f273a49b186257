/** An export that fails again and again is paused, and keeps nobody else waiting. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { down, wrong } from "../support/fleet_fakes.ts";
import { DAY, SETTINGS, drained, exportOf, hours, never, openWorld, until } from "../support/fleet_fixture.ts";

suite("an export that fails", () => {
  test("an export is paused after a number of failures in a row, says why, and continues after resume", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.beforeCount = async () => {
      throw wrong();
    };
    const settings = { ...SETTINGS, pauseAfter: 3 };
    const { fleet, kinds } = await world.open([exportOf("replays")], { settings });
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "paused",
      () => fleet.export("replays", never),
      ({ paused }) => paused !== undefined,
    );
    await drained(fleet);
    const { paused } = await fleet.export("replays", never);
    assert.equal(
      paused?.reason,
      "3 intervals in a row failed, the last with source.password: the password [redacted] is wrong",
    );
    assert.deepEqual([paused?.by, paused?.probeAt, kinds("export.paused").length], ["replayport", undefined, 1]);
    assert.ok(kinds("run.failed").length <= 4, "what was queued is put back, not tried");
    world.source.beforeCount = async () => undefined;
    await fleet.resume("replays", "test", never);
    await world.loaded(11);
    assert.equal(new Set(world.ledger.loads).size, 11);
    await worker.stop(1_000);
  });

  test("an export that an outage paused continues by itself when a probe succeeds", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    let isDown = true;
    world.source.beforeCount = async () => {
      if (isDown) throw down();
    };
    const settings = { ...SETTINGS, attempts: 1, pauseAfter: 2 };
    const { fleet, kinds } = await world.open([exportOf("replays")], { settings });
    const worker = await fleet.startWorker(1);
    const ticker = await world.ticker([exportOf("replays")]);
    const idle = (): Promise<unknown> =>
      until(
        "idle",
        () => fleet.queue(never),
        ({ active, waiting, delayed }) => active + waiting + delayed === 0,
      );
    const later = (minutes: number): Date => new Date(world.clock.now.getTime() + minutes * 60_000);
    await ticker.tick();
    await until(
      "paused",
      () => fleet.export("replays", never),
      ({ paused }) => paused !== undefined,
    );
    await idle();
    await ticker.tick(later(11));
    await idle();
    const { paused } = await fleet.export("replays", never);
    assert.ok(paused?.probeAt && paused.probeAt > world.clock.now, "the probe failed: another one is to come");
    isDown = false;
    await ticker.tick(later(5));
    assert.equal(world.ledger.loads.length, 0);
    await ticker.tick(later(11));
    await until(
      "resumed",
      () => kinds("export.resumed").length,
      (count) => count === 1,
    );
    await idle();
    assert.equal(world.ledger.loads.length, 1);
    await ticker.tick(later(11));
    await idle();
    assert.ok(world.ledger.loads.length > 1);
    await worker.stop(1_000);
  });

  test("an export that fails doesn't starve the others", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.beforeCount = async (name) => {
      if (name === "broken") throw down();
    };
    const exports = [exportOf("broken"), exportOf("fine")];
    const { fleet } = await world.open(exports);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await world.loaded(11);
    assert.deepEqual(
      world.ledger.loads,
      hours(DAY, 11).map((name) => `fine/${name}`),
    );
    await worker.stop(1_000);
  });
});
