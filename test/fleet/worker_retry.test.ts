/** What becomes of an attempt that fails: another one, a failed interval, and never a secret. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test, type TestContext } from "node:test";
import { REPLAYS } from "../support/definitions.ts";
import { down, wrong } from "../support/fleet_fakes.ts";
import {
  ONE_HOUR,
  SETTINGS,
  type World,
  exportOf,
  never,
  openWorld,
  runKinds,
  until,
} from "../support/fleet_fixture.ts";

/** A scheduler and a worker for one due hour, started after `prepare` has said what fails. */
async function start(
  t: TestContext,
  prepare: (world: World) => void,
  { attemptMs = REPLAYS.attemptMs, scheduler = SETTINGS.attempts, worker: attempts = SETTINGS.attempts } = {},
) {
  const world = await openWorld(t);
  if (!world) return undefined;
  await using stack = new AsyncDisposableStack();
  stack.use(world);
  prepare(world);
  const definition = exportOf("replays", { ...ONE_HOUR, attemptMs });
  const enqueuer = await world.open([definition], { settings: { ...SETTINGS, attempts: scheduler } });
  const opened = await world.open([definition], { settings: { ...SETTINGS, attempts } });
  stack.use(await enqueuer.fleet.startScheduler(never));
  const worker = await opened.fleet.startWorker(1);
  stack.defer(async () => await worker.stop(1_000));
  const kept = stack.move();
  return {
    ...opened,
    world,
    /** Resolves with the export's status when its run has failed for good. */
    failed: async () => {
      // The last that happens to a failed run: by then it's stored.
      await until(
        "run.failed",
        () => opened.kinds("run.failed").length,
        (count) => count === 1,
      );
      return await opened.fleet.export("replays", never);
    },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

/** All that the world has in Redis. */
async function textsOf(world: World): Promise<string> {
  const { server, prefix } = world;
  const texts = await Promise.all(
    (await world.keys()).map(async (key) => {
      const name = `${prefix}:${key}`;
      const type = await server.client.type(name);
      if (type === "hash") return JSON.stringify(await server.client.hgetall(name));
      if (type === "list") return JSON.stringify(await server.client.lrange(name, 0, -1));
      return type === "stream" ? JSON.stringify(await server.client.xrange(name, "-", "+")) : "";
    }),
  );
  return texts.join("");
}

suite("an attempt that fails", () => {
  test("an attempt that fails for a passing reason is retried, not before the other side allows it", async (t) => {
    const times: number[] = [];
    await using started = await start(t, ({ source }) => {
      source.beforeCount = async () => {
        times.push(performance.now());
        if (times.length < 3) throw down(times.length === 1 ? 900 : undefined);
      };
    });
    if (!started) return;
    const { fleet, events, kinds } = started;
    const [waiting] = await until(
      "a run that waits for its next attempt",
      () => fleet.runs({ limit: 1 }, never),
      ([run]) => run?.state === "retrying",
    );
    assert.equal(waiting?.error?.message, "the source is down, says [redacted]");
    await until(
      "run.loaded",
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
  });

  test("an attempt whose time is up is retried", async (t) => {
    let commits = 0;
    await using started = await start(
      t,
      ({ ledger }) => {
        ledger.beforeCommit = async (_batch, signal) => {
          commits += 1;
          if (commits === 1) await once(signal, "abort");
        };
      },
      { attemptMs: 1_500 },
    );
    if (!started) return;
    await started.world.loaded(1);
    // Once; more often where this machine is busy.
    const retries = started.kinds("run.retrying");
    const codes = new Set(retries.map((event) => event.kind === "run.retrying" && event.error.code));
    assert.deepEqual([...codes], ["load.time_limit"]);
  });

  const later = SETTINGS.retryAfterMs;
  const failures = [
    ...[2, 1, 3].map((scheduler) => {
      const name = `a worker allowed 2 attempts makes 2, and the interval is due again later, with a scheduler configured with ${scheduler}`;
      return { name, error: down, scheduler, made: 2, retryAfterMs: later };
    }),
    { name: "a final error fails a run at once", error: wrong, scheduler: 2, made: 1, retryAfterMs: undefined },
  ];
  for (const { name, error, scheduler, made, retryAfterMs } of failures) {
    test(`${name}; no secret is stored`, async (t) => {
      const fail = async (): Promise<never> => {
        throw error();
      };
      await using started = await start(t, (world) => void (world.source.beforeCount = fail), { scheduler, worker: 2 });
      if (!started) return;
      const { world, fleet, kinds, failed } = started;
      const { code, message } = error();
      const { failuresInRow, failedIntervals } = await failed();
      assert.deepEqual([failuresInRow, failedIntervals.length, failedIntervals[0]?.error.code], [1, 1, code]);
      const retryAt = retryAfterMs === undefined ? undefined : new Date(world.clock.now.getTime() + retryAfterMs);
      assert.deepEqual(failedIntervals[0]?.retryAt, retryAt);
      assert.deepEqual([kinds("run.started").length, kinds("run.retrying").length], [made, made - 1]);
      const [run] = await fleet.runs({ limit: 1, states: ["failed"] }, never);
      assert.equal(run?.attempt, made);
      const texts = await textsOf(world);
      assert.ok(!texts.includes("hunter2"));
      assert.ok(texts.includes(message.replace("hunter2", "[redacted]")));
      world.source.beforeCount = async () => undefined;
      assert.equal(await fleet.retry("replays", never), 1);
      await world.loaded(1);
    });
  }
});
