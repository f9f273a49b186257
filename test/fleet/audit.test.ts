/** Audits by the fleet, with a source that says what the test says, and a destination that never has any rows. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { FleetEvent } from "../../src/fleet/fleet.ts";
import { interval } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { receipt } from "../support/fleet_fakes.ts";
import { exportOf, never, ONE_HOUR, openWorld, until, type World } from "../support/fleet_fixture.ts";

const TEN = interval("2026-10-01T10:00:00Z", "2026-10-01T11:00:00Z");
const READ_AT = new Date("2026-10-01T11:10:00Z");
const DAY = 20_727;
const AUDITED = exportOf("replays", { ...ONE_HOUR, audit: { schedule: parseSchedule("@hourly"), days: 30 } });

/** The source has one session, ingested at half past ten. */
function hasOneSession({ source: fake }: World): void {
  const { model, numbers } = fake.source;
  const ask = (sql: string) => ({ sql, parameters: {} });
  fake.source.model = async (definition, signal) => ({
    ...(await model(definition, signal)),
    audit: { groups: () => ask("groups"), sessions: () => ask("sessions") },
  });
  fake.source.numbers = async (query, purpose, signal) =>
    query.sql === "groups"
      ? [{ day: DAY, bucket: 3, sessions: 1, checksum: 5, listed: 1, all: 1 }]
      : await numbers(query, purpose, signal);
  fake.source.texts = async () => [`${DAY}|${Date.parse("2026-10-01T10:30:00Z") / 1000}|0|5|abc|1|session`];
}

const codes = (events: readonly FleetEvent[]): string[] =>
  events.flatMap((event) => (event.kind === "run.failed" ? [event.error.code] : []));

suite("audits by the fleet", () => {
  test("an hour that an audit finds lacking is loaded again once, though it has a receipt, and is then reported", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    hasOneSession(world);
    world.ledger.receipts.push(receipt("replays", TEN, READ_AT));
    const { fleet, events, kinds } = await world.open([AUDITED]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await world.loaded(1);
    assert.deepEqual(world.ledger.loads, ["replays/20261001T100000Z_20261001T110000Z"]);
    assert.deepEqual(
      kinds("run.audited").map((event) => event.kind === "run.audited" && [event.lacking, event.onlyDestination]),
      [[1, 0]],
    );
    // The next hour is loaded, and the next audit finds the same session lacking.
    world.clock.now = new Date("2026-10-01T13:00:00Z");
    await fleet.resume("replays", "test", never);
    await until(
      "an unrepaired hour",
      () => codes(events),
      (failed) => failed.length > 0,
    );
    assert.deepEqual(codes(events), ["audit.unrepaired"]);
    assert.deepEqual(world.ledger.loads.filter((id) => id.includes("T100000Z_")).length, 1);
    await until(
      "the audit in the status",
      async () => (await fleet.export("replays", never)).lastAudit,
      (last) => last?.unrepaired === 1,
    );
    assert.match((await fleet.export("replays", never)).lastError?.message ?? "", /lacks 1 session/);
    await worker.stop(1_000);
  });

  test("an audit is enqueued once, and not before something is loaded", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    hasOneSession(world);
    const ticker = await world.ticker([AUDITED]);
    const hour = "20261001T100000Z_20261001T110000Z";
    assert.deepEqual(await ticker.tick(), [hour]);
    ticker.scheduler.loaded("replays", { interval: TEN, readAt: world.clock.now, committedAt: world.clock.now });
    const audit = "20260901T110000Z_20261001T110000Z/audit";
    assert.deepEqual(await ticker.tick(), [hour, audit]);
    assert.deepEqual(await ticker.tick(), [hour, audit]);
  });

  test("an audit that somebody else has made is not made again", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    hasOneSession(world);
    world.ledger.receipts.push(receipt("replays", TEN, READ_AT));
    const ticker = await world.ticker([AUDITED]);
    await ticker.tick();
    const text = {
      layout: 1,
      export: "replays",
      readAt: world.clock.now,
      days: [],
      lacking: [],
      unexamined: 0,
    };
    await world.ledger.destination("replays").records.add("audits", JSON.stringify(text), world.clock.now, never);
    const { fleet, kinds } = await world.open([AUDITED]);
    const worker = await fleet.startWorker(1);
    await until(
      "covered",
      () => kinds("run.covered").length,
      (count) => count > 0,
    );
    assert.deepEqual(kinds("run.audited"), []);
    await worker.stop(1_000);
  });
});
