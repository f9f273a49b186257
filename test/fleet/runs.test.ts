/** What is remembered of runs that ended. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { interval } from "../../src/intervals/interval.ts";
import type { Run } from "../../src/fleet/fleet.ts";
import { RUNS_KEPT } from "../../src/fleet/redis/state.ts";
import { exportOf, openWorld } from "../support/fleet_fixture.ts";

const HOUR = interval("2026-10-01T10:00:00Z", "2026-10-01T11:00:00Z");

function ended(state: Run["state"], second: number): Run {
  const at = new Date(HOUR.end.getTime() + second * 1000);
  const facts = { attempt: 1, queuedAt: at, startedAt: at, finishedAt: at, worker: "w", rows: 0, bytes: 0, files: 0 };
  const nothing = {
    backfill: undefined,
    nextAttemptAt: undefined,
    stage: undefined,
    times: undefined,
    error: undefined,
  };
  return { id: `replays/${state}/${second}`, export: "replays", interval: HOUR, state, ...facts, ...nothing };
}

suite("runs that ended", () => {
  test("finished runs are listed newest first, and a failure outlasts any number of loads", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    const { state } = await world.ticker([exportOf("replays")]);
    await state.addRun(ended("loaded", 0));
    await state.addRun(ended("failed", 1));
    for (let second = 2; second < RUNS_KEPT + 50; second += 1) await state.addRun(ended("loaded", second));
    await state.addRun(ended("failed", RUNS_KEPT + 50));
    const runs = await state.runs();
    assert.equal(runs.length, RUNS_KEPT + 2);
    assert.equal(runs[0]?.id, `replays/failed/${RUNS_KEPT + 50}`);
    assert.equal(runs.at(-1)?.id, "replays/failed/1");
    assert.ok(!runs.some(({ id }) => id === "replays/loaded/0"));
  });
});
