/** Backfills: their limit, progress, cancel and retry, what overlaps, and a Redis that forgets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { interval, intervalName } from "../../src/intervals/interval.ts";
import type { Backfill, BackfillRequest } from "../../src/fleet/fleet.ts";
import { requeueLost } from "../../src/fleet/backfills/backfills.ts";
import { Gate, receipt } from "../support/fleet_fakes.ts";
import {
  SETTINGS,
  type WorldFleet,
  drained,
  exportOf,
  hours,
  never,
  openWorld,
  until,
} from "../support/fleet_fixture.ts";

const DAY = "2026-10-01T00:00:00Z";
const TEN = interval(DAY, "2026-10-01T10:00:00Z");
const request = (rest: Partial<BackfillRequest> = {}): BackfillRequest => ({
  export: "replays",
  range: TEN,
  createdBy: "test",
  ...rest,
});
/** Far in the future, so that nothing is live. */
const LATER = { start: new Date("2027-01-01T00:00:00Z") };

const end = (fleet: WorldFleet["fleet"], id: string): Promise<Backfill> =>
  until(
    "the end",
    () => fleet.backfill(id, never),
    ({ state }) => state !== "running",
  );

const code = (expected: string) => (error: unknown) => error instanceof ReplayportError && error.code === expected;

suite("a backfill", () => {
  test("a backfill loads its range, oldest first, with progress and without a scheduler", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.files = [2];
    // A batch that is taken over after it was loaded would have a second run, which finds it covered.
    const settings = { ...SETTINGS, takeoverMs: 600_000 };
    const { fleet } = await world.open([exportOf("replays", LATER)], { settings });
    const started = await fleet.startBackfill(request(), never);
    assert.deepEqual(
      [started.state, started.total, started.running, started.open, started.done, started.etaSeconds],
      ["running", 10, SETTINGS.backfillInFlight, 8, 0, undefined],
    );
    const worker = await fleet.startWorker(1);
    const done = await end(fleet, started.id);
    assert.deepEqual([done.state, done.done, done.open, done.running, done.rows], ["done", 10, 0, 0, 20]);
    assert.ok(done.finishedAt && done.bytes > 0);
    assert.deepEqual(
      world.ledger.loads,
      hours(DAY, 10).map((name) => `replays/${name}`),
    );
    assert.deepEqual(
      (await fleet.backfills(never)).map(({ id }) => id),
      [started.id],
    );
    const runs = await fleet.runs({ limit: 500, backfill: started.id }, never);
    assert.deepEqual(
      runs.map(({ state }) => state),
      Array.from({ length: 10 }, () => "loaded"),
    );
    await worker.stop(1_000);
  });

  test("a backfill estimates how long it will take from its pace so far", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    const gate = new Gate();
    world.ledger.beforeCommit = async (batch) => {
      if (world.ledger.loads.length === 4 && batch.export === "replays") await gate.pass();
    };
    const { id } = await fleet.startBackfill(request(), never);
    const worker = await fleet.startWorker(1);
    await until(
      "four are done, the fifth waits",
      () => fleet.backfill(id, never),
      ({ done }) => done === 4 && gate.came === 1,
    );
    world.clock.now = new Date(world.clock.now.getTime() + 120_000);
    const { etaSeconds, open, running, failed } = await fleet.backfill(id, never);
    assert.deepEqual([etaSeconds, open + running, failed], [180, 6, 0]);
    gate.open();
    assert.equal((await end(fleet, id)).etaSeconds, undefined);
    await worker.stop(1_000);
  });

  test("a backfill never has more jobs in the queue than its limit", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    let running = 0;
    let most = 0;
    world.ledger.beforeCommit = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    const { id } = await fleet.startBackfill(request({ inFlight: 3 }), never);
    const worker = await fleet.startWorker(8);
    await end(fleet, id);
    assert.ok(most <= 3, `${most} at once`);
    await worker.stop(1_000);
  });

  test("a backfill with nothing to do is done at once and reserves no range", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.ledger.receipts.push(receipt("replays", TEN, world.clock.now));
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    for (let again = 0; again < 2; again += 1) {
      const { state, total, finishedAt } = await fleet.startBackfill(request(), never);
      assert.deepEqual([state, total, finishedAt !== undefined], ["done", 0, true]);
    }
  });

  test("a forced backfill loads again what is loaded", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    for (const one of hours(DAY, 10)) {
      const [start = "", stop = ""] = one
        .split("_")
        .map((text) => text.replace(/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/, "$1-$2-$3T$4:$5:$6Z"));
      world.ledger.receipts.push(receipt("replays", interval(start, stop), world.clock.now));
    }
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    const { id } = await fleet.startBackfill(request({ force: true }), never);
    const worker = await fleet.startWorker(2);
    const { done } = await end(fleet, id);
    assert.deepEqual([done, world.ledger.loads.length], [10, 10]);
    await worker.stop(1_000);
  });

  test("a backfill that overlaps a running one of its export is refused with the other's id", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER), exportOf("other", LATER)]);
    const { id } = await fleet.startBackfill(request(), never);
    await assert.rejects(
      fleet.startBackfill(request({ range: interval("2026-10-01T09:00:00Z", "2026-10-01T11:00:00Z") }), never),
      (error: unknown) => code("backfill.overlap")(error) && (error as Error).message.includes(id),
    );
    await fleet.startBackfill(request({ export: "other" }), never);
    await fleet.startBackfill(request({ range: interval(TEN.end, "2026-10-01T11:00:00Z") }), never);
    // Two at the very same time: one of them wins.
    await fleet.cancelBackfill(id, never);
    const both = await Promise.allSettled([
      fleet.startBackfill(request(), never),
      fleet.startBackfill(request(), never),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });

  test("a backfill that can't be planned is refused", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    await assert.rejects(fleet.startBackfill(request({ inFlight: 0 }), never), code("backfill.invalid"));
    await assert.rejects(fleet.startBackfill(request({ export: "no" }), never), code("fleet.unknown_export"));
    await assert.rejects(fleet.backfill("nonesuch", never), code("backfill.unknown"));
    await assert.rejects(fleet.cancelBackfill("nonesuch", never), code("backfill.unknown"));
  });

  test("a backfill's intervals wait for live ones", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays", { start: new Date("2026-10-01T10:00:00Z") });
    const { fleet } = await world.open([definition]);
    const { id } = await fleet.startBackfill(request(), never);
    const ticker = await world.ticker([definition]);
    const queued = await ticker.tick();
    assert.deepEqual(queued, [
      ...hours("2026-10-01T10:00:00Z", 1),
      ...hours(DAY, SETTINGS.backfillInFlight).map((name) => `${name}/${id}`),
    ]);
    const worker = await fleet.startWorker(1);
    await end(fleet, id);
    assert.equal(world.ledger.loads[0], `replays/${hours("2026-10-01T10:00:00Z", 1)[0]}`);
    await worker.stop(1_000);
  });

  test("a backfill waits while its export is paused, then continues", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    const { id } = await fleet.startBackfill(request(), never);
    await fleet.pause("replays", "maintenance", "test", never);
    const worker = await fleet.startWorker(1);
    const waiting = await until(
      "put back",
      () => fleet.backfill(id, never),
      ({ open }) => open === 10,
    );
    assert.equal(waiting.state, "running");
    await fleet.resume("replays", "test", never);
    assert.equal((await end(fleet, id)).done, 10);
    await worker.stop(1_000);
  });
});

suite("a backfill that is cancelled", () => {
  test("cancelling a backfill drops what waits, aborts what runs and keeps what is loaded", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet, kinds } = await world.open([exportOf("replays", LATER)]);
    world.ledger.beforeCommit = async (batch, signal) => {
      if (intervalName(batch.interval) !== hours(DAY, 1)[0]) await once(signal, "abort");
    };
    const { id } = await fleet.startBackfill(request(), never);
    const worker = await fleet.startWorker(1);
    await until(
      "the second runs",
      () => kinds("run.started").length,
      (count) => count === 2,
    );
    const { state, done, cancelled } = await fleet.cancelBackfill(id, never);
    assert.deepEqual([state, done, cancelled], ["cancelled", 1, 9]);
    await until(
      "aborted",
      () => kinds("run.cancelled").length,
      (count) => count === 1,
      5,
    );
    await drained(fleet);
    assert.equal(world.ledger.loads.length, 1);
    assert.equal((await fleet.cancelBackfill(id, never)).state, "cancelled");
    await assert.rejects(fleet.retryBackfill(id, never), code("backfill.cancelled"));
    await fleet.startBackfill(request(), never);
    await worker.stop(1_000);
  });
});

suite("a backfill in which something fails", () => {
  test("a backfill with a failure ends as failed with the reason, and is done after a retry", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    let broken = true;
    world.ledger.beforeCommit = async (batch) => {
      if (broken && [hours(DAY, 4)[3], hours(DAY, 8)[7]].includes(intervalName(batch.interval))) {
        throw new ReplayportError("no space on hunter2", { code: "lake.full", remedy: "give-up", hint: "Make room." });
      }
    };
    const { id } = await fleet.startBackfill(request(), never);
    const worker = await fleet.startWorker(2);
    const failed = await end(fleet, id);
    assert.deepEqual([failed.state, failed.done, failed.failed], ["failed", 8, 2]);
    assert.deepEqual(
      failed.failures.map((one) => [intervalName(one.interval), one.error.message, one.error.hint]),
      [hours(DAY, 4)[3], hours(DAY, 8)[7]].map((name) => [name, "no space on [redacted]", "Make room."]),
    );
    broken = false;
    assert.equal((await fleet.retryBackfill(id, never)).state, "running");
    const done = await end(fleet, id);
    assert.deepEqual([done.state, done.done, done.failed, world.ledger.loads.length], ["done", 10, 0, 10]);
    await worker.stop(1_000);
  });
});

suite("an outage in the middle of a backfill", () => {
  test("a backfill retries what failed in an outage by itself, but not what failed for good", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays", LATER);
    const { fleet } = await world.open([definition], { settings: { ...SETTINGS, attempts: 1 } });
    const [passing, final] = [hours(DAY, 4)[3], hours(DAY, 8)[7]];
    let tries = 0;
    world.ledger.beforeCommit = async (batch) => {
      const name = intervalName(batch.interval);
      if (name === passing) tries += 1;
      if (name === passing && tries === 1) {
        throw new ReplayportError("away", { code: "store.unreachable", remedy: "retry", hint: "Wait." });
      }
      if (name === final)
        throw new ReplayportError("full", { code: "lake.full", remedy: "give-up", hint: "Make room." });
    };
    const { id } = await fleet.startBackfill(request(), never);
    const worker = await fleet.startWorker(2);
    const failed = await end(fleet, id);
    assert.deepEqual([failed.state, failed.done, failed.failed], ["failed", 8, 2]);

    const ticker = await world.ticker([definition]);
    await ticker.tick(new Date(world.clock.now.getTime() + SETTINGS.retryAfterMs - 1000));
    assert.equal((await fleet.backfill(id, never)).state, "failed");
    await ticker.tick(new Date(world.clock.now.getTime() + 2000));
    const healed = await until(
      "healed",
      () => fleet.backfill(id, never),
      // The interval is done before the backfill has ended.
      ({ done, state }) => done === 9 && state !== "running",
    );
    assert.deepEqual([healed.state, healed.failed, tries], ["failed", 1, 2]);
    assert.equal(healed.failures[0]?.error.code, "lake.full");

    await ticker.tick(new Date(world.clock.now.getTime() + 10 * SETTINGS.retryAfterMs));
    assert.deepEqual([(await fleet.backfill(id, never)).state, world.ledger.loads.length], ["failed", 9]);
    await worker.stop(1_000);
  });

  test("a backfill doesn't retry a range that another backfill has reserved since", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays", LATER);
    const { fleet } = await world.open([definition], { settings: { ...SETTINGS, attempts: 1 } });
    world.ledger.beforeCommit = () =>
      Promise.reject(new ReplayportError("away", { code: "store.unreachable", remedy: "retry", hint: "Wait." }));
    const { id } = await fleet.startBackfill(request(), never);
    const worker = await fleet.startWorker(2);
    assert.equal((await end(fleet, id)).failed, 10);
    await worker.stop(1_000);
    const other = await fleet.startBackfill(request(), never);
    const ticker = await world.ticker([definition]);
    await ticker.tick(new Date(world.clock.now.getTime() + 2 * SETTINGS.retryAfterMs));
    assert.equal((await fleet.backfill(id, never)).state, "failed");
    assert.equal((await fleet.backfill(other.id, never)).state, "running");
  });
});

suite("Redis forgets", () => {
  test("if Redis is flushed during a backfill, the scheduler enqueues what the ledger lacks and nothing is loaded twice", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays");
    const { fleet } = await world.open([definition]);
    await using _scheduler = await fleet.startScheduler(never);
    let flushed = false;
    const seen: string[] = [];
    world.ledger.beforeCommit = async (batch) => {
      seen.push(intervalName(batch.interval));
      if (flushed || world.ledger.loads.length < 4) return;
      flushed = true;
      const all = (await world.server.keys()).filter((key) => key.startsWith(world.prefix));
      await world.server.client.del(...all);
    };
    const { id } = await fleet.startBackfill(request(), never);
    const worker = await fleet.startWorker(1);
    await until("flushed", () => flushed, Boolean);
    await assert.rejects(
      until(
        "forgotten",
        () => fleet.backfill(id, never),
        () => false,
        0.1,
      ),
      code("backfill.unknown"),
    );
    // What the scheduler does each minute.
    const ticker = await world.ticker([definition]);
    await ticker.tick(new Date(world.clock.now.getTime() + 60_000));
    await until(
      "loaded",
      () => new Set(world.ledger.loads).size,
      (count) => count === 11,
    );
    await drained(fleet);
    assert.deepEqual(
      [...new Set(world.ledger.loads)].sort(),
      hours(DAY, 11).map((name) => `replays/${name}`),
    );
    assert.ok(world.ledger.loads.length <= 12, "at most the one that ran is loaded twice");
    assert.equal(world.ledger.receipts.length, 11);
    await worker.stop(1_000);
  });

  test("if only a job is lost from Redis, its interval is enqueued again", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays", LATER);
    const { fleet } = await world.open([definition]);
    const { id } = await fleet.startBackfill(request(), never);
    const ticker = await world.ticker([definition]);
    const jobs = (await ticker.queue.names()).map(({ name }) => name);
    await ticker.queue.remove(jobs.slice(0, 1));
    // Somebody may be about to add the job.
    await requeueLost(id, () => ticker.queue.names(), ticker.backfills);
    assert.equal((await fleet.backfill(id, never)).open, 8);
    world.clock.now = new Date(world.clock.now.getTime() + 11_000);
    await requeueLost(id, () => ticker.queue.names(), ticker.backfills);
    const { open, running } = await fleet.backfill(id, never);
    assert.deepEqual([open, running], [9, 1]);
    const worker = await fleet.startWorker(1);
    assert.equal((await end(fleet, id)).done, 10);
    await worker.stop(1_000);
  });
});
