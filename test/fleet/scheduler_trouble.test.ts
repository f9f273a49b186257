/** A scheduler whose destinations fail or do not answer, and exports that have failed. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Destination } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import { interval, parseIntervalName } from "../../src/intervals/interval.ts";
import { Gate, receipt } from "../support/fleet_fakes.ts";
import { DAY, SETTINGS, type World, exportOf, hours, never, openWorld, until } from "../support/fleet_fixture.ts";

const at = (text: string): Date => new Date(text);
const ERROR = { code: "x", message: "x", hint: undefined, remedy: "retry", at: at("2026-10-01T12:00:00Z") } as const;

/** One export's destination does something else before it says what is covered. */
function before(world: World, exportName: string, work: () => Promise<void>): void {
  const plain = world.ledger.destination.bind(world.ledger);
  world.ledger.destination = (name): Destination => {
    const destination = plain(name);
    if (name !== exportName) return destination;
    return {
      ...destination,
      async *covered(range, signal) {
        await work();
        yield* destination.covered(range, signal);
      },
    };
  };
}

suite("a destination that does not answer", () => {
  test("a destination that doesn't answer keeps no other export waiting, and is read once it does", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const gate = new Gate();
    before(world, "slow", gate.pass);
    const ticker = await world.ticker([exportOf("slow"), exportOf("replays")]);
    const late: string[] = [];
    ticker.scheduler.onLate = (name) => late.push(name);
    const fine = hours(DAY, SETTINGS.inFlight).map((name) => `replays/${name}`);
    assert.deepEqual(await ticker.tick(), fine);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:01:00Z")), fine);
    assert.equal(gate.came, 1, "it is not asked again while it owes an answer");
    gate.open();
    await until(
      "the answer",
      () => late,
      (names) => names.includes("slow"),
    );
    assert.equal((await ticker.tick(at("2026-10-01T12:02:00Z"))).length, 2 * SETTINGS.inFlight);
    assert.deepEqual(ticker.failed, []);
  });

  test("a destination whose ledger can't be read is reported and asked again at the next tick, and its lag follows from the last read", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.ledger.receipts.push(receipt("replays", interval(DAY, "2026-10-01T10:00:00Z"), at("2026-10-01T10:05:00Z")));
    const healthy = await world.ticker([exportOf("replays")]);
    await healthy.tick(at("2026-10-01T10:30:00Z"));
    let isGone = true;
    before(world, "replays", async () => {
      if (isGone) throw new ReplayportError("the bucket is gone", { code: "lake.gone", remedy: "give-up" });
    });
    const ticker = await world.ticker([exportOf("replays")]);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:30:00Z")), []);
    assert.match(ticker.failed.join(), /replays: .*the bucket is gone/);
    const lag = ticker.events.find((event) => event.kind === "lag");
    assert.equal(lag?.kind === "lag" && lag.lagSeconds, 9_000);
    isGone = false;
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:31:00Z")), hours("2026-10-01T10:00:00Z", 2));
  });
});

suite("an export whose last run failed", () => {
  test("an export whose last run failed gets one interval at a time until one is loaded", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    await ticker.state.failed("replays", ERROR, undefined);
    const [first = "", ...others] = hours(DAY, 5);
    assert.deepEqual(await ticker.tick(), [first]);
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:01:00Z")), [first]);
    const loaded = parseIntervalName(first);
    assert.ok(loaded);
    const done = receipt("replays", loaded, world.clock.now);
    world.ledger.receipts.push(done);
    await ticker.state.loaded("replays", loaded, { ...done, silentSince: undefined }, true);
    await ticker.queue.remove((await ticker.queue.names()).map(({ name }) => name));
    assert.deepEqual(await ticker.tick(at("2026-10-01T12:02:00Z")), others);
  });

  test("a failed interval is forgotten when somebody else has loaded it", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const failedIntervals = interval(DAY, "2026-10-01T01:00:00Z");
    const other = interval("2026-10-01T05:00:00Z", "2026-10-01T06:00:00Z");
    for (const one of [failedIntervals, other]) {
      await ticker.state.failed("replays", ERROR, { interval: one, error: ERROR, retryAt: undefined });
    }
    world.ledger.receipts.push(receipt("replays", failedIntervals, world.clock.now));
    await ticker.tick();
    const { fleet } = await world.open([exportOf("replays")]);
    assert.deepEqual(
      (await fleet.export("replays", never)).failedIntervals.map((one) => one.interval),
      [other],
    );
  });
});
