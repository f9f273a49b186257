/** The scheduler alone: no worker, a clock that the test sets, and ticks when the test says so. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { interval, intervalName, parseIntervalName } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { parseJobId } from "../../src/fleet/redis/jobs.ts";
import { startBackfill } from "../../src/fleet/backfills/backfills.ts";
import { receipt } from "../support/fleet_fakes.ts";
import {
  ONE_HOUR,
  SETTINGS,
  type Ticker,
  type World,
  exportOf,
  hours,
  never,
  openWorld,
} from "../support/fleet_fixture.ts";

const at = (text: string): Date => new Date(text);
const DAY = "2026-10-01T00:00:00Z";

/** As if a worker had loaded what is in the queue. */
async function loadAll(world: World, ticker: Ticker): Promise<string[]> {
  const { waiting } = await ticker.queue.jobs(500);
  const loaded: string[] = [];
  for (const job of waiting) {
    const { export: exportName, interval: range } = parseJobId(String(job.id)) ?? {};
    if (exportName === undefined || !range) continue;
    world.ledger.receipts.push(receipt(exportName, range, world.clock.now));
    ticker.scheduler.loaded(exportName, receipt(exportName, range, world.clock.now));
    await job.remove();
    loaded.push(intervalName(range));
  }
  return loaded;
}

suite("a tick", () => {
  test("a tick enqueues the oldest intervals once, as many as the limit allows", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const first = hours(DAY, SETTINGS.inFlight);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:00:00Z")), first);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:01:00Z")), first);
    assert.equal(ticker.events.filter(({ kind }) => kind === "enqueued").length, SETTINGS.inFlight);
  });

  test("a tick asks no destination if nothing is due or the queue is full", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.ledger.receipts.push(receipt("replays", interval(DAY, "2026-10-01T11:00:00Z"), at("2026-10-01T12:00:00Z")));
    const ticker = await world.ticker([exportOf("replays")]);
    await ticker.tick(at("2026-10-01T12:00:00Z"));
    assert.equal(world.ledger.asked, 1, "once at the start");
    for (let minute = 0; minute < 60; minute += 1) {
      await ticker.tick(new Date(at("2026-10-01T12:00:00Z").getTime() + minute * 60_000 + 1000));
      const due = minute >= 5;
      assert.equal(world.ledger.asked, due ? 2 : 1, `minute ${minute}`);
    }
  });

  test("a tick reads the range again before it enqueues, since somebody else may have loaded it", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays", ONE_HOUR)]);
    assert.deepEqual(await ticker.tick(at("2026-10-01T10:30:00Z")), []);
    const [first = "", second = ""] = hours("2026-10-01T10:00:00Z", 2);
    const loaded = parseIntervalName(first);
    assert.ok(loaded);
    world.ledger.receipts.push(receipt("replays", loaded, at("2026-10-01T11:06:00Z")));
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:06:00Z")), [second]);
    assert.equal(world.ledger.asked, 2);
  });

  test("ticks read a destination's ledger at most once a minute, however fast its intervals are loaded", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const loaded = await run(world, ticker, [at("2026-10-01T12:00:00Z")]);
    assert.deepEqual(loaded, hours(DAY, 11));
    assert.equal(world.ledger.asked, 1);
  });

  test("a tick reports the lag and stores what it saw for others", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.ledger.receipts.push(receipt("replays", interval(DAY, "2026-10-01T02:00:00Z"), world.clock.now));
    world.ledger.receipts.push(
      receipt("replays", interval("2026-10-01T03:00:00Z", "2026-10-01T11:00:00Z"), world.clock.now),
    );
    const ticker = await world.ticker([exportOf("replays")]);
    await ticker.tick(at("2026-10-01T12:00:00Z"));
    const lag = ticker.events.find((event) => event.kind === "lag");
    assert.deepEqual(lag?.kind === "lag" && [lag.lagSeconds, lag.due, lag.gaps], [36_000, 1, 1]);
    const { fleet } = await world.open([exportOf("replays")]);
    const status = await fleet.export("replays", never);
    assert.deepEqual(status.gaps, [interval("2026-10-01T02:00:00Z", "2026-10-01T03:00:00Z")]);
    assert.deepEqual([status.due, status.gapCount, status.lagSeconds], [1, 1, 36_000]);
    assert.deepEqual(status.loadedUntil, at("2026-10-01T02:00:00Z"));
  });

  test("an export whose destination doesn't answer keeps no other export waiting", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const broken = { ...world.ledger.destination("broken") };
    // oxlint-disable-next-line require-yield -- it fails before it could.
    broken.covered = async function* covered() {
      throw new ReplayportError("the bucket is gone", { code: "lake.gone", remedy: "give-up" });
    };
    const fine = world.ledger.destination.bind(world.ledger);
    world.ledger.destination = (name) => (name === "broken" ? broken : fine(name));
    const ticker = await world.ticker([exportOf("broken"), exportOf("replays")]);
    assert.deepEqual(
      await ticker.tick(),
      hours(DAY, 4).map((name) => `replays/${name}`),
    );
    assert.match(ticker.failed.join(), /broken: .*the bucket is gone/);
    world.ledger.destination = fine;
    assert.equal((await ticker.tick(at("2026-10-01T12:01:00Z"))).length, 8, "it is tried again at each tick");
  });
});

suite("two schedulers", () => {
  test("two schedulers at the same time enqueue everything once", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const one = await world.ticker([exportOf("replays")]);
    const other = await world.ticker([exportOf("replays")]);
    await Promise.all([one.tick(), other.tick(), one.tick(), other.tick()]);
    const { waiting, active, delayed } = await one.queue.jobs(500);
    assert.equal(waiting.length + active.length + delayed.length, SETTINGS.inFlight);
    assert.deepEqual(await other.tick(), hours(DAY, 4));
  });

  test("of two schedulers one with outdated state loads nothing again", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const one = await world.ticker([exportOf("replays")]);
    const other = await world.ticker([exportOf("replays")]);
    await one.tick();
    const loaded = await loadAll(world, one);
    assert.equal(loaded.length, 4);
    assert.deepEqual(await other.tick(at("2026-10-01T12:02:00Z")), hours("2026-10-01T04:00:00Z", 4).slice(0, 4));
  });
});

/** Ticks and loads until nothing is due; the intervals in the order in which they were enqueued. */
async function run(world: World, ticker: Ticker, times: readonly Date[]): Promise<string[]> {
  const loaded: string[] = [];
  for (const time of times) {
    for (let again = 0; again < 30; again += 1) {
      // The brake on one interval counts by this clock.
      if ((await ticker.tick(new Date(time.getTime() + again))).length === 0) break;
      loaded.push(...(await loadAll(world, ticker)));
    }
  }
  return loaded;
}

suite("clocks", () => {
  test("a scheduler that was down for a day catches up once, in order", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const before = await world.ticker([exportOf("replays")]);
    const first = await run(world, before, [at("2026-10-01T06:30:00Z")]);
    const after = await world.ticker([exportOf("replays")]);
    const second = await run(world, after, [at("2026-10-02T06:30:00Z")]);
    assert.deepEqual([...first, ...second], hours(DAY, 30));
  });

  test("a clock that differs from the source's enqueues nothing, and says so", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    world.clock.source = at("2026-10-01T08:00:00Z");
    assert.deepEqual(await ticker.tick(at("2026-10-05T08:00:00Z")), []);
    assert.match(ticker.failed.join(), /^replays: .*ahead of the clock of/);
    world.clock.source = at("2026-10-05T08:00:00Z");
    assert.notDeepEqual(await ticker.tick(at("2026-10-05T08:01:00Z")), []);
  });

  test("a clock that is ahead of the source's by less than half of settle waits for the source", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    world.clock.source = at("2026-10-01T01:04:00Z");
    assert.deepEqual(await ticker.tick(at("2026-10-01T01:05:00Z")), []);
    assert.deepEqual(ticker.failed, []);
    world.clock.source = undefined;
    assert.deepEqual(await ticker.tick(at("2026-10-01T01:06:00Z")), hours(DAY, 1));
  });

  test("a clock that is set back by minutes and forward again loads nothing twice, and skips nothing", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const times = ["05:10", "05:02", "05:07", "05:11", "09:10", "09:01", "09:11"];
    const loaded = await run(
      world,
      ticker,
      times.map((time) => at(`2026-10-01T${time}:00Z`)),
    );
    assert.deepEqual(loaded, hours(DAY, 9));
  });

  for (const [name, from, until, count] of [
    ["forward", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23],
    ["back", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25],
  ] as const) {
    test(`the day on which Berlin's clocks go ${name} is tiled by its hours, and by one day`, async (t) => {
      await using world = await openWorld(t);
      if (!world) return;
      const start = at(from);
      const hourly = exportOf("replays", { start, schedule: parseSchedule("0 * * * *", "Europe/Berlin") });
      const ticker = await world.ticker([hourly]);
      const minutes = Array.from({ length: 27 }, (_, hour) => new Date(start.getTime() + hour * 3_600_000 + 360_000));
      const loaded = (await run(world, ticker, minutes)).map((text) => parseIntervalName(text));
      const within = loaded.filter((one) => one && one.end <= at(until));
      for (const [index, one] of within.entries()) {
        assert.deepEqual(one?.start, within[index - 1]?.end ?? start, "no gap, no overlap");
      }
      assert.deepEqual(within.at(-1)?.end, at(until));
      assert.ok(within.length === count || within.length === 24, `${within.length} pieces`);
      world.ledger.receipts.length = 0;
      const daily = exportOf("replays", { start, schedule: parseSchedule("@daily", "Europe/Berlin") });
      const days = await world.ticker([daily]);
      assert.deepEqual(
        (await run(world, days, [new Date(at(until).getTime() + 600_000)])).map((text) => parseIntervalName(text)),
        [{ start, end: at(until) }],
      );
    });
  }
});

suite("what is left alone", () => {
  test("a tick leaves an interval that failed for good alone until its retry time", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const [first = "", ...others] = hours(DAY, 5);
    const failedIntervals = parseIntervalName(first);
    assert.ok(failedIntervals);
    const error = { code: "x", message: "x", hint: undefined, remedy: "retry", at: world.clock.now } as const;
    await ticker.state.failed("replays", error, {
      interval: failedIntervals,
      error,
      retryAt: at("2026-10-01T12:10:00Z"),
    });
    assert.deepEqual(
      await ticker.tick(at("2026-10-01T12:00:00Z")),
      others.slice(0, 1),
      "one at a time after a failure",
    );
    await loadAll(world, ticker);
    assert.ok(!(await ticker.tick(at("2026-10-01T12:09:00Z"))).includes(first));
    await loadAll(world, ticker);
    assert.deepEqual((await ticker.tick(at("2026-10-01T12:10:00Z")))[0], first);
  });

  test("a tick leaves a paused export alone except for one probe at its time", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const since = at("2026-10-01T12:00:00Z");
    await ticker.state.pause("replays", {
      reason: "down",
      since,
      by: "replayport",
      probeAt: at("2026-10-01T12:10:00Z"),
    });
    assert.deepEqual(await ticker.tick(since), []);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:09:59Z")), []);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:10:00Z")), hours(DAY, 1));
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:20:00Z")), hours(DAY, 1), "never more than one");
    const { waiting } = await ticker.queue.jobs(10);
    assert.deepEqual(
      waiting.map(({ data }) => (data as { probe?: boolean }).probe),
      [true],
    );
  });

  test("a tick leaves the range of a running backfill alone and enqueues the rest first", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const definition = exportOf("replays");
    const ticker = await world.ticker([definition]);
    const range = interval(DAY, "2026-10-01T09:00:00Z");
    const plan = async () =>
      hours(DAY, 9)
        .map((text) => parseIntervalName(text))
        .filter((one) => one !== undefined);
    const request = { export: "replays", range, createdBy: "test" };
    const { id } = await startBackfill(definition, request, plan, ticker.backfills, never);
    const queued = await ticker.tick(at("2026-10-01T12:06:00Z"));
    assert.deepEqual(queued, [
      ...hours("2026-10-01T09:00:00Z", 3),
      ...hours(DAY, SETTINGS.backfillInFlight).map((name) => `${name}/${id}`),
    ]);
  });
});

suite("sweeps", () => {
  const sweep = { schedule: parseSchedule("@daily"), afterMs: 86_400_000 };

  test("sweeps are enqueued although their intervals are covered", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    for (const text of hours(DAY, 40)) {
      const one = parseIntervalName(text);
      if (one) world.ledger.receipts.push(receipt("replays", one, new Date(one.end.getTime() + 360_000)));
    }
    const ticker = await world.ticker([exportOf("replays", { sweep })]);
    assert.deepEqual(await ticker.tick(at("2026-10-02T16:00:00Z")), [], "too early");
    const due = await ticker.tick(at("2026-10-03T00:01:00Z"));
    assert.equal(due[0], "20261001T000000Z_20261002T000000Z");
  });
});
