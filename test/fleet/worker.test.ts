/** A run from the queue to its end, with a source and a ledger that do what the test says. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { logEvent } from "../../src/cli/fleet_host.ts";
import type { Logger } from "../../src/cli/log.ts";
import { interval } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { Gate, receipt } from "../support/fleet_fakes.ts";
import {
  DAY,
  ONE_HOUR,
  SETTINGS,
  drained,
  exportOf,
  never,
  openWorld,
  runKinds,
  until,
} from "../support/fleet_fixture.ts";

suite("a run", () => {
  test("a run reports each step in order and leaves no job behind", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.files = [3];
    const { fleet, events } = await world.open([exportOf("replays", ONE_HOUR)]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "loaded",
      () => runKinds(events),
      (kinds) => kinds.includes("run.loaded"),
    );
    assert.deepEqual(runKinds(events), ["run.started", "run.stage", "run.stage", "run.loaded"]);
    const loaded = events.find((event) => event.kind === "run.loaded");
    assert.deepEqual(loaded?.kind === "run.loaded" && [loaded.rows, loaded.files], [3, 1]);
    await drained(fleet);
    const [run] = await fleet.runs({ limit: 10 }, never);
    assert.deepEqual([run?.state, run?.rows, run?.attempt, run?.worker], ["loaded", 3, 1, worker.name]);
    assert.equal((await fleet.export("replays", never)).lastReceipt?.rows, 3);
    await worker.stop(1_000);
    const left = (await world.keys()).filter((key) => key.startsWith("batches:"));
    assert.deepEqual(left, ["batches:events", "batches:id", "batches:meta", "batches:stalled-check"]);
    assert.deepEqual(world.logged, []);
  });

  test("a worker logs how many sessions the destination keeps that the source lacks", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.files = [3];
    const open = world.ledger.destination.bind(world.ledger);
    world.ledger.destination = (name) => {
      const destination = open(name);
      const load = destination.load.bind(destination);
      destination.load = async (batch, signal) => ({ ...(await load(batch, signal)), lost: 2 });
      return destination;
    };
    const { fleet, events } = await world.open([exportOf("replays", ONE_HOUR)]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    const loaded = await until(
      "loaded",
      () => events.find((event) => event.kind === "run.loaded"),
      (event) => event !== undefined,
    );
    await worker.stop(1_000);
    const lines: object[] = [];
    const note = (fields: object, text: string): number => lines.push({ ...fields, text });
    logEvent({ info: note, warn: note } as unknown as Logger, loaded ?? assert.fail("nothing was loaded"));
    assert.partialDeepStrictEqual(lines, [
      { text: "loaded", rows: 3 },
      { text: "the source lacks sessions that the destination keeps", export: "replays", sessions: 2 },
    ]);
  });

  test("a run shows its stage while it runs, and is listed by its export", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    world.source.files = [3];
    const { fleet } = await world.open([exportOf("others"), exportOf("replays", ONE_HOUR)]);
    const gate = new Gate();
    world.ledger.beforeCommit = async (batch) => {
      if (batch.export === "replays") await gate.pass();
    };
    await using _scheduler = await fleet.startScheduler(never);
    await until(
      "both queued",
      () => fleet.queue(never),
      ({ waiting }) => waiting === SETTINGS.inFlight + 1,
    );
    const [queued] = await fleet.runs({ limit: 1, export: "replays" }, never);
    assert.deepEqual([queued?.state, queued?.attempt, queued?.worker], ["queued", 0, undefined]);
    const worker = await fleet.startWorker(2);
    const [run] = await until(
      "staged",
      () => fleet.runs({ limit: 1, export: "replays" }, never),
      ([one]) => one?.stage === "staging",
    );
    assert.deepEqual([run?.state, run?.rows, run?.files, run?.attempt, run?.worker], ["running", 3, 1, 1, worker.name]);
    assert.ok(run?.startedAt && run.bytes > 0);
    gate.open();
    await world.loaded(12);
    await worker.stop(1_000);
  });

  test("a run whose interval somebody else has loaded is skipped", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays", ONE_HOUR)]);
    await ticker.tick();
    world.ledger.receipts.push(receipt("replays", interval(DAY, "2026-10-01T12:00:00Z"), world.clock.now));
    const { fleet, events } = await world.open([exportOf("replays", ONE_HOUR)]);
    const worker = await fleet.startWorker(1);
    await until(
      "covered",
      () => runKinds(events),
      (kinds) => kinds.includes("run.covered"),
    );
    assert.deepEqual(world.ledger.loads, []);
    await worker.stop(1_000);
  });

  test("a sweep is loaded although its interval is covered", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const sweep = { schedule: parseSchedule("@daily"), afterMs: 86_400_000 };
    const definition = exportOf("replays", { sweep });
    const day = interval(DAY, "2026-10-02T00:00:00Z");
    world.clock.now = new Date("2026-10-03T00:30:00Z");
    world.ledger.receipts.push(
      receipt("replays", day, new Date("2026-10-02T00:10:00Z")),
      receipt("replays", interval(day.end, "2026-10-03T00:00:00Z"), world.clock.now),
    );
    const { fleet, events } = await world.open([definition]);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await until(
      "loaded",
      () => world.ledger.loads,
      (loads) => loads.length > 0,
    );
    assert.deepEqual(world.ledger.loads, ["replays/20261001T000000Z_20261002T000000Z"]);
    await drained(fleet);
    assert.ok(!runKinds(events).includes("run.covered"));
    await worker.stop(1_000);
  });

  test("a job with an unknown payload is dropped and logged", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const ticker = await world.ticker([exportOf("replays")]);
    const odd = { export: "../../etc", interval: interval(DAY, "2026-10-02T00:00:00Z"), backfill: undefined };
    await ticker.queue.add([{ ...odd, force: false, probe: false }]);
    const { fleet } = await world.open([exportOf("replays")]);
    const worker = await fleet.startWorker(1);
    await until(
      "said",
      () => world.logged,
      (lines) => lines.length > 0,
    );
    assert.match(world.logged[0] ?? "", /isn't a Replayport job/);
    await drained(fleet);
    await worker.stop(1_000);
  });
});
