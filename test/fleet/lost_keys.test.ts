/** A Redis that drops single keys, as it does with an eviction policy: the receipts decide, and everything is loaded. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { interval } from "../../src/intervals/interval.ts";
import {
  DAY,
  SETTINGS,
  exportOf,
  hours,
  never,
  openWorld,
  type Ticker,
  until,
  type World,
} from "../support/fleet_fixture.ts";

/** Far in the future, so that nothing is live. */
const LATER = { start: new Date("2027-01-01T00:00:00Z") };
const TEN = interval(DAY, "2026-10-01T10:00:00Z");
const ELEVEN = hours(DAY, 11).map((name) => `replays/${name}`);
const settings = { ...SETTINGS, takeoverMs: 1_000 };

const evict = async (world: World, kind: RegExp): Promise<number> => {
  const keys = (await world.keys()).filter((key) => kind.test(key)).map((key) => `${world.prefix}:${key}`);
  return keys.length === 0 ? 0 : await world.server.client.del(...keys);
};

/** What schedulers do each minute. */
async function minutes(world: World, ticker: Ticker, isOver: () => Promise<boolean> | boolean): Promise<void> {
  await until(
    "it is over",
    async () => {
      await ticker.tick(new Date(world.clock.now.getTime() + 60_000));
      return await isOver();
    },
    Boolean,
    30,
  );
}

suite("while a backfill runs, Redis drops", () => {
  for (const [what, kind] of [
    ["its open intervals", /^open:/],
    ["its running intervals", /^running:/],
    ["both", /^(?:open|running):/],
    ["its reservation", /^backfilling:/],
    ["the list of backfills", /^backfills$/],
    ["the queue's list of backfill jobs", /^batches:(?:prioritized|wait|marker)$/],
    ["the queue's list of running jobs", /^batches:active$/],
    ["the jobs", /^batches:replays@/],
    ["the queue's settings and counters", /^batches:(?:meta|id|pc|events)$/],
    ["all but the backfill's record", /^(?!backfill:)/],
  ] as const) {
    for (const force of [false, true]) {
      test(`a${force ? " forced" : ""} backfill is done only when all is loaded, if Redis drops ${what}`, async (t) => {
        await using world = await openWorld(t);
        if (!world) return;
        const definition = exportOf("replays", LATER);
        const { fleet } = await world.open([definition], { settings });
        let dropped = 0;
        world.ledger.beforeCommit = async () => {
          if (world.ledger.loads.length >= 2 && dropped === 0) dropped = await evict(world, kind);
        };
        const { id } = await fleet.startBackfill({ export: "replays", range: TEN, createdBy: "test", force }, never);
        const worker = await fleet.startWorker(1);
        const ticker = await world.ticker([definition]);
        await minutes(world, ticker, async () => (await fleet.backfill(id, never)).state !== "running");
        assert.ok(dropped > 0, "it had such a key");
        const { state, done, total, failed } = await fleet.backfill(id, never);
        assert.deepEqual([state, done, total, failed], ["done", 10, 10, 0]);
        assert.deepEqual(
          [...new Set(world.ledger.loads)].sort(),
          hours(DAY, 10).map((name) => `replays/${name}`),
        );
        await worker.stop(1_000);
      });
    }
  }

  test("a range whose backfill Redis has lost is loaded by the schedule, and the loss is said once", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays");
    const { fleet } = await world.open([definition], { settings });
    await fleet.startBackfill({ export: "replays", range: TEN, createdBy: "test" }, never);
    assert.equal(await evict(world, /^backfill:/), 1);
    const worker = await fleet.startWorker(1);
    const ticker = await world.ticker([definition]);
    await minutes(world, ticker, () => ELEVEN.every((batch) => world.ledger.loads.includes(batch)));
    assert.deepEqual(
      ticker.failed
        .filter((line) => line.includes("backfill"))
        .map((line) => line.replace(/backfill \w+$/, "backfill")),
      ["replays: ReplayportError: Redis has lost the record of backfill"],
    );
    await worker.stop(1_000);
  });

  test("a failed backfill whose failures Redis has lost loads what lacks a receipt when it is retried", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays", LATER);
    const { fleet } = await world.open([definition], { settings: { ...settings, attempts: 1 } });
    world.ledger.beforeCommit = () => Promise.reject(new Error("broken"));
    const { id } = await fleet.startBackfill({ export: "replays", range: TEN, createdBy: "test" }, never);
    const worker = await fleet.startWorker(1);
    await until(
      "failed",
      () => fleet.backfill(id, never),
      ({ state }) => state === "failed",
    );
    world.ledger.beforeCommit = () => Promise.resolve();
    await fleet.resume("replays", "test", never);
    assert.equal(await evict(world, /^failed:/), 1);
    await fleet.retryBackfill(id, never);
    const { done, total } = await until(
      "done",
      () => fleet.backfill(id, never),
      ({ state }) => state === "done",
    );
    assert.deepEqual([done, total, world.ledger.receipts.length], [10, 10, 10]);
    await worker.stop(1_000);
  });
});

suite("while live intervals are loaded, Redis drops", () => {
  for (const [what, kind] of [
    ["the list of jobs that wait", /^batches:(?:wait|marker)$/],
    ["the list of running jobs", /^batches:active$/],
    ["the jobs", /^batches:replays@/],
    ["what it knows about the export", /^(?:export|failed_intervals):/],
    ["everything", /./],
  ] as const) {
    test(`every interval is loaded and none fails, if Redis drops ${what}`, async (t) => {
      await using world = await openWorld(t);
      if (!world) return;
      const definition = exportOf("replays");
      const { fleet, kinds } = await world.open([definition], { settings });
      let dropped = 0;
      world.ledger.beforeCommit = async () => {
        if (world.ledger.loads.length >= 2 && dropped === 0) dropped = await evict(world, kind);
      };
      const ticker = await world.ticker([definition]);
      await ticker.tick();
      const worker = await fleet.startWorker(1);
      await minutes(world, ticker, () => ELEVEN.every((batch) => world.ledger.loads.includes(batch)));
      assert.ok(dropped > 0, "it had such a key");
      assert.deepEqual(kinds("run.failed"), []);
      assert.deepEqual((await fleet.export("replays", never)).failedIntervals, []);
      await worker.stop(1_000);
    });
  }
});
