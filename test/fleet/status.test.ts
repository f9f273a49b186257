/** What the fleet says about an export, for people: is it late, what comes next, what was loaded, and by which rules. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { rulesOf } from "../../src/fleet/rules.ts";
import { statusOf } from "../../src/fleet/status.ts";
import type { ExportState } from "../../src/fleet/redis/state.ts";
import { DAY, exportOf, HOUR_MS, never, ONE_HOUR, openWorld, until } from "../support/fleet_fixture.ts";
import { wrong } from "../support/fleet_fakes.ts";

const at = (text: string): Date => new Date(`2026-10-${text}:00Z`);
const loadedUntil = (end: Date | undefined): ExportState => ({
  failuresInRow: 0,
  paused: undefined,
  lastReceipt: undefined,
  lastError: undefined,
  ledger: { due: 0, loadedUntil: end, gaps: [], gapCount: 0, audit: undefined, at: at("05T00:00") },
  ledgerError: undefined,
  failedIntervals: [],
});

suite("whether an export is late", () => {
  const daily = exportOf("daily", {
    schedule: parseSchedule("@daily", "Europe/Berlin"),
    start: at("01T00:00"),
    settleMs: 600_000,
  });
  const of = (end: Date | undefined, now: Date) => statusOf(daily, loadedUntil(end), [], [], now);

  test("an export isn't late while its schedule has no next interval for it", () => {
    // Days of Berlin end at 22:00 UTC in October.
    const status = of(at("04T22:00"), at("05T21:00"));
    assert.equal(status.lagSeconds, 23 * 3600);
    assert.equal(status.lateSeconds, 0);
    assert.deepEqual(status.nextAt, at("05T22:10"));
  });

  test("an export is late from the time at which its first missing interval became due", () => {
    assert.equal(of(at("04T22:00"), at("05T22:09")).lateSeconds, 0);
    assert.equal(of(at("04T22:00"), at("06T00:10")).lateSeconds, 2 * 3600);
    assert.deepEqual(of(at("04T22:00"), at("06T00:10")).nextAt, at("06T22:10"));
  });

  test("an export that has loaded nothing is late by its start, and one that starts later isn't late", () => {
    assert.equal(of(undefined, at("02T00:10")).lateSeconds, 2 * 3600);
    assert.equal(of(undefined, new Date("2026-09-20T00:00:00Z")).lateSeconds, 0);
    assert.deepEqual(of(undefined, new Date("2026-09-20T00:00:00Z")).nextAt, at("01T22:10"));
  });

  test("nobody knows whether an export is late before a scheduler has read its ledger", () => {
    assert.equal(statusOf(daily, undefined, [], [], at("05T00:00")).lateSeconds, undefined);
  });
});

test("what is due ends with the export", () => {
  const ended = exportOf("ended", { end: at("04T00:00") });
  assert.deepEqual(rulesOf(ended, at("05T12:04")).dueUntil, at("04T00:00"));
  assert.deepEqual(rulesOf(ended, at("03T12:04")).dueUntil, at("03T11:00"));
  const schedule = rulesOf(ended, at("05T12:04")).rules.find(({ name }) => name === "Schedule");
  assert.match(schedule?.value ?? "", /from 2026-10-01T00:00Z to 2026-10-04T00:00Z/);
});

test("the rules of an export hold its choices and no secret", () => {
  const definition = exportOf("replays", {
    selection: {
      teams: [2, 7],
      where: [
        { column: "duration", op: "range", min: 5 },
        { column: "country", op: "in", values: ["DE", "FR"] },
      ],
      rules: { include: [], exclude: ["first_url"], hash: ["distinct_id"], stripQuery: [] },
      salt: "hunter2-hunter2-hunter2",
      posthogUrl: "https://eu.posthog.com",
    },
  });
  const rules = rulesOf(definition, at("05T12:04"));
  assert.deepEqual(rules.dueUntil, at("05T11:00"));
  assert.doesNotMatch(JSON.stringify(rules), /hunter2/);
  assert.deepEqual(rules.projects, [
    { team: 2, url: "https://eu.posthog.com/project/2/replay/home" },
    { team: 7, url: "https://eu.posthog.com/project/7/replay/home" },
  ]);
  const values = new Map(rules.rules.map(({ name, value }) => [name, value]));
  assert.equal(values.get("Conditions"), "duration from 5; country is one of DE, FR");
  assert.equal(values.get("Columns hashed"), "distinct_id");
  assert.equal(values.has("Columns added"), false);
  assert.deepEqual(rulesOf(exportOf("all"), at("05T12:04")).projects, []);
});

suite("what was loaded", () => {
  test("live loads are kept for charts, and a run shows where its time went", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.files = [3];
    const { fleet } = await world.open([exportOf("replays", { start: new Date(DAY), sweep: undefined })]);
    const range = { start: new Date("2026-09-30T00:00:00Z"), end: new Date("2026-09-30T02:00:00Z") };
    const request = { export: "replays", range, size: "schedule", createdBy: "test" } as const;
    const planned = await fleet.planBackfill(request, never);
    assert.equal(planned.intervals.length, 2);
    assert.deepEqual(await fleet.backfills(never), [], "a plan starts nothing");
    await fleet.startBackfill(request, never);
    await using _scheduler = await fleet.startScheduler(never);
    await fleet.startWorker(2);
    await world.loaded(13);
    const { recentLoads } = await until(
      "the loads",
      () => fleet.export("replays", never),
      (one) => one.recentLoads.length === 11,
    );
    assert.deepEqual(
      recentLoads.map(({ interval, rows }) => [interval.start.getTime(), rows]),
      Array.from({ length: 11 }, (_, hour) => [new Date(DAY).getTime() + hour * HOUR_MS, 3]),
      "in order, without the backfill's",
    );
    const [run] = await fleet.runs({ limit: 1, states: ["loaded"] }, never);
    assert.ok(run?.times);
    for (const seconds of Object.values(run.times)) assert.ok(seconds >= 0);
    const { receipts, audit } = await fleet.history("replays", { start: range.start, end: new Date(DAY) }, never);
    assert.equal(receipts.length, 2);
    assert.equal(audit, undefined);
  });

  test("an export that left the config has no failures any more", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.beforeCount = async () => {
      throw wrong();
    };
    const both = await world.open([exportOf("stays", ONE_HOUR), exportOf("leaves", ONE_HOUR)]);
    await using _scheduler = await both.fleet.startScheduler(never);
    const worker = await both.fleet.startWorker(2);
    const failed = async (fleet = both.fleet): Promise<string[]> =>
      (await fleet.runs({ limit: 500, states: ["failed"] }, never)).map((run) => run.export).sort();
    await until("both", failed, (names) => new Set(names).size === 2);
    await worker.stop(1_000);
    const { fleet } = await world.open([exportOf("stays", ONE_HOUR)]);
    assert.deepEqual(new Set(await failed(fleet)), new Set(["stays"]));
    assert.deepEqual(
      (await fleet.exports(never)).map((one) => one.export),
      ["stays"],
    );
  });
});
