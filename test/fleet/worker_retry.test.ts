/** What becomes of an attempt that fails: another one, a failed interval, and never a secret. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { down, wrong } from "../support/fleet_fakes.ts";
import { ONE_HOUR, SETTINGS, exportOf, never, openWorld, runKinds, until } from "../support/fleet_fixture.ts";

suite("an attempt that fails", () => {
  test("an attempt that fails for a passing reason is retried, not before the other side allows it", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    let calls = 0;
    const times: number[] = [];
    world.source.beforeCount = async () => {
      calls += 1;
      times.push(performance.now());
      if (calls < 3) throw down(calls === 1 ? 900 : undefined);
    };
    const { fleet, events, kinds } = await world.open([exportOf("replays", ONE_HOUR)]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "waits",
      () => fleet.runs({ limit: 1 }, never),
      ([run]) => run?.state === "retrying",
    );
    const [waiting] = await fleet.runs({ limit: 1 }, never);
    assert.equal(waiting?.error?.message, "the source is down, says [redacted]");
    await until(
      "loaded",
      () => runKinds(events),
      (names) => names.includes("run.loaded"),
    );
    assert.deepEqual(
      kinds("run.retrying").map((event) => event.kind === "run.retrying" && event.delayMs),
      [900, 1_000],
    );
    assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 890);
    const status = await fleet.export("replays", never);
    assert.deepEqual([status.failuresInRow, status.failedIntervals], [0, []]);
    await worker.stop(1_000);
  });

  test("an attempt whose time is up is retried", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    let commits = 0;
    world.ledger.beforeCommit = async (_batch, signal) => {
      commits += 1;
      if (commits === 1) await once(signal, "abort");
    };
    const { fleet, kinds } = await world.open([{ ...exportOf("replays", ONE_HOUR), attemptMs: 300 }]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await world.loaded(1);
    // Once; more often where this machine is busy.
    const codes = new Set(kinds("run.retrying").map((event) => event.kind === "run.retrying" && event.error.code));
    assert.deepEqual([...codes], ["load.time_limit"]);
    await worker.stop(1_000);
  });

  test("a run that has used its attempts fails, and its interval is due again later", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.beforeCount = async () => {
      throw down();
    };
    const settings = { ...SETTINGS, attempts: 2 };
    const { fleet, kinds } = await world.open([exportOf("replays", ONE_HOUR)], { settings });
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "failed",
      () => kinds("run.failed").length,
      (count) => count === 1,
    );
    const status = await until(
      "failed",
      () => fleet.export("replays", never),
      ({ failedIntervals }) => failedIntervals.length === 1,
    );
    assert.deepEqual(status.failedIntervals[0]?.retryAt, new Date(world.clock.now.getTime() + SETTINGS.retryAfterMs));
    assert.equal(kinds("run.retrying").length, 1);
    world.source.beforeCount = async () => undefined;
    assert.equal(await fleet.retry("replays", never), 1);
    await world.loaded(1);
    await worker.stop(1_000);
  });

  for (const [scheduler, workers] of [
    [1, 2],
    [3, 2],
  ] as const) {
    test(`a worker allowed ${workers} attempts makes ${workers} and records the failure, though the scheduler is configured with ${scheduler}`, async (t) => {
      await using world = await openWorld(t);
      if (!world) return;
      world.source.beforeCount = async () => {
        throw down();
      };
      const definition = exportOf("replays", ONE_HOUR);
      const enqueuer = await world.open([definition], { settings: { ...SETTINGS, attempts: scheduler } });
      const { fleet, kinds } = await world.open([definition], { settings: { ...SETTINGS, attempts: workers } });
      await using _scheduler = await enqueuer.fleet.startScheduler(never);
      const worker = await fleet.startWorker(1);
      const { failuresInRow, failedIntervals } = await until(
        "recorded",
        () => fleet.export("replays", never),
        (status) => status.failedIntervals.length === 1,
      );
      assert.deepEqual([failuresInRow, failedIntervals[0]?.error.code], [1, "source.down"]);
      assert.deepEqual([kinds("run.started").length, kinds("run.retrying").length], [workers, workers - 1]);
      const [run] = await fleet.runs({ limit: 1, states: ["failed"] }, never);
      assert.equal(run?.attempt, workers);
      await worker.stop(1_000);
    });
  }

  test("a final error fails a run at once, and no secret is stored", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.beforeCount = async () => {
      throw wrong();
    };
    const { fleet, kinds } = await world.open([exportOf("replays", ONE_HOUR)]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "failed",
      () => fleet.export("replays", never),
      ({ failedIntervals }) => failedIntervals.length === 1,
    );
    assert.deepEqual([kinds("run.started").length, kinds("run.retrying").length], [1, 0]);
    assert.equal((await fleet.export("replays", never)).failedIntervals[0]?.retryAt, undefined);
    const texts = await Promise.all(
      (await world.keys()).map(async (key) => {
        const name = `${world.prefix}:${key}`;
        const type = await world.server.client.type(name);
        if (type === "hash") return JSON.stringify(await world.server.client.hgetall(name));
        if (type === "list") return JSON.stringify(await world.server.client.lrange(name, 0, -1));
        return type === "stream" ? JSON.stringify(await world.server.client.xrange(name, "-", "+")) : "";
      }),
    );
    assert.ok(!texts.join("").includes("hunter2"));
    assert.ok(texts.join("").includes("the password [redacted] is wrong"));
    await worker.stop(1_000);
  });

  test("an attempt that stages fewer rows than an earlier one fails with load.fewer_rows", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.files = [5];
    let commits = 0;
    world.ledger.beforeCommit = async () => {
      commits += 1;
      if (commits > 1) return;
      world.source.files = [2];
      throw down();
    };
    world.source.beforeCount = async () => undefined;
    const { fleet, kinds } = await world.open([exportOf("replays", ONE_HOUR)]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "ended",
      () => kinds("run.failed").length,
      (count) => count === 1,
    );
    const status = await until(
      "failed",
      () => fleet.export("replays", never),
      ({ failedIntervals }) => failedIntervals.length === 1,
    );
    assert.equal(status.lastError?.code, "load.fewer_rows");
    assert.deepEqual(world.ledger.loads, []);
    await worker.stop(1_000);
  });
});
