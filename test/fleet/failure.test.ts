/** What happens after a failed attempt, without Redis: how often a run is tried, and how long it waits. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, suite, test } from "node:test";
import { runIntervals } from "../../src/export/run_intervals.ts";
import type { FleetEvent } from "../../src/fleet/fleet.ts";
import { type FailureDependencies, handleFailure } from "../../src/fleet/worker/failure.ts";
import { BATCH_RETRY } from "../../src/retry.ts";
import { TEXT_REPLAYS, dependencies, hour } from "../support/definitions.ts";
import { fakeSource } from "../support/fake_source.ts";
import { memoryWarehouse } from "../support/memory_destination.ts";
import { down } from "../support/fleet_fakes.ts";
import { NOON, SETTINGS, never } from "../support/fleet_fixture.ts";

const TASK = {
  id: "replays/x",
  export: "replays",
  config: "same",
  interval: hour(0, 1),
  backfill: undefined,
  audit: false,
};

/** @returns what came of a failure, and the events that it raised */
async function fail(attempt: number, error: Error, probe = false) {
  const events: FleetEvent[] = [];
  const outcome = await handleFailure(
    { ...TASK, force: false, probe },
    {
      attempt,
      queuedAt: NOON,
      startedAt: NOON,
      worker: "w",
      report: () => undefined,
      working: async (work) => await work,
    },
    error,
    {
      ...SETTINGS,
      attempts: BATCH_RETRY.attempts,
      state: { failed: async () => 1, addRun: async () => undefined },
      events: { emit: (event: FleetEvent) => events.push(event) },
      now: () => NOON,
      random: () => 0,
      redact: (text: string) => text,
    } as unknown as FailureDependencies,
    1,
  );
  return { outcome, kinds: events.map(({ kind }) => kind) };
}

/** @returns the delays of `replayport run` between attempts that fail with these errors */
async function delaysOfRun(t: TestContext, errors: readonly Error[]): Promise<number[]> {
  t.mock.method(Math, "random", () => 0);
  const stageRoot = await mkdtemp(join(tmpdir(), "replayport-test-"));
  t.after(async () => await rm(stageRoot, { recursive: true, force: true }));
  const source = fakeSource([1]);
  for (const [index, error] of errors.entries()) source.failAt.set(index + 1, error);
  const delays: number[] = [];
  const options = { covered: [], concurrency: 1, retry: BATCH_RETRY };
  await runIntervals(
    TEXT_REPLAYS,
    [hour(0, 1)],
    options,
    dependencies(source.source, memoryWarehouse().destination("replays"), stageRoot),
    (event) => {
      if (event.kind === "retrying") delays.push(event.delayMs);
    },
    never,
  );
  return delays;
}

suite("a failed attempt", () => {
  for (const [name, errors] of [
    ["without a Retry-After", [down(), down()]],
    ["with a Retry-After that is longer, then shorter, than the back-off", [down(700), down(3)]],
  ] as const) {
    test(`the fleet waits as long as run does between attempts that fail ${name}`, async (t) => {
      const run = await delaysOfRun(t, errors);
      const fleet = await Promise.all(errors.map(async (error, index) => (await fail(index + 1, error)).outcome));
      assert.equal(run.length, errors.length);
      assert.deepEqual(
        fleet.map((outcome) => outcome.kind === "retry" && outcome.delayMs),
        run,
      );
    });
  }

  for (const [probe, attempt, expected] of [
    [false, 4, "run.retrying"],
    [false, 5, "run.failed"],
    [true, 1, "run.failed"],
  ] as const) {
    const what = probe ? "a probe of a paused export" : `attempt ${attempt} of 5`;
    test(`${what} ends with ${expected} when it fails for a reason that may pass`, async () => {
      assert.deepEqual((await fail(attempt, down(), probe)).kinds, [expected]);
    });
  }
});
