/** A worker whose Redis refuses to write, or has lost its jobs: what is loaded counts, once, and nobody is blamed for it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ownRedisFor } from "../support/redis.ts";
import { Gate } from "../support/fleet_fakes.ts";
import { ONE_HOUR, SETTINGS, drained, exportOf, never, openWorld, until } from "../support/fleet_fixture.ts";

suite("a run during which Redis", () => {
  test("a run during which Redis is out of memory doesn't count as a failure of the export", async (t) => {
    await using server = await ownRedisFor(t);
    if (!server) return;
    await using world = await openWorld(t, server);
    if (!world) return;
    const settings = { ...SETTINGS, takeoverMs: 1_000 };
    const { fleet, kinds } = await world.open([exportOf("replays", ONE_HOUR)], { settings });
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    world.ledger.beforeCommit = async () => void (await server.client.config("SET", "maxmemory", "1"));
    await until(
      "said",
      () => world.warned,
      (lines) => lines.some((line) => /^Redis refuses .* is out of memory/.test(line)),
    );
    await server.client.config("SET", "maxmemory", "0");
    // The worker waits to record what it has loaded.
    await until(
      "loaded",
      () => kinds("run.loaded").length,
      (count) => count === 1,
    );
    assert.deepEqual([kinds("run.retrying"), kinds("run.failed")], [[], []]);
    await drained(fleet);
    const { failuresInRow, failedIntervals, paused } = await fleet.export("replays", never);
    assert.deepEqual([failuresInRow, failedIntervals, paused, world.ledger.loads.length], [0, [], undefined, 1]);
    await worker.stop(1_000);
  });

  test("a run during which Redis is flushed logs one warning and no error", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const settings = { ...SETTINGS, takeoverMs: 1_000 };
    const { fleet, kinds } = await world.open([exportOf("replays", ONE_HOUR)], { settings });
    const gate = new Gate();
    world.ledger.beforeCommit = gate.pass;
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "runs",
      () => gate.came,
      (count) => count === 1,
    );
    const mine = (await world.server.keys()).filter((key) => key.startsWith(world.prefix));
    await world.server.client.del(...mine);
    await until(
      "told",
      () => world.warned,
      (lines) => lines.length > 0,
    );
    gate.open();
    await until(
      "loaded",
      () => kinds("run.loaded").length,
      (count) => count === 1,
    );
    await worker.stop(1_000);
    assert.match(world.warned.join("\n"), /^replays\/20261001T100000Z_20261001T110000Z: this worker lost the job, .*$/);
    assert.deepEqual(world.logged, []);
  });
});
