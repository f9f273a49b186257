/**
 * 1,000 intervals over three workers, which are killed and restarted at random times. `SEED=7 npm test -- thousand` draws other
 * times.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { openSite, committedOnce } from "./fleet_processes.ts";

const EXPORTS = 4;
const HOURS = 250;
const WORKERS = 3;
const SEED = Number(process.env["SEED"] ?? 1);

/** Mulberry32: numbers in [0, 1) that a seed decides. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

suite("a thousand intervals", { skip: clickhouseSkip }, () => {
  test(`a thousand intervals loaded by three workers that are killed at random (seed ${SEED}) give a lake equal to its source`, async (t) => {
    await using site = await openSite(t, { hours: HOURS, exports: EXPORTS, direct: true });
    if (!site) return;
    const random = numbers(SEED);
    site.run(["scheduler"]);
    const start = () => site.run(["worker", "--concurrency", "2"]);
    const workers = Array.from({ length: WORKERS }, start);
    let kills = 0;
    const finished = new AbortController();
    const killing = (async () => {
      for (;;) {
        // Longer than a start takes, so that each has loaded something when it is killed.
        await sleep(2_000 + random() * 4_000, undefined, { signal: finished.signal });
        const victim = Math.floor(random() * WORKERS);
        workers[victim]?.kill("SIGKILL");
        await workers[victim]?.ended();
        workers[victim] = start();
        kills += 1;
      }
    })().catch((error: unknown) => {
      if (!finished.signal.aborted) throw error;
    });
    try {
      await site.complete(600);
    } finally {
      // Otherwise a worker would be started in a folder that is gone, and its error would hide the one that matters.
      finished.abort();
      await killing;
    }
    await site.close();
    t.diagnostic(`${kills} kills`);
    assert.ok(kills >= 3, `only ${kills} kills`);
    assert.ok(committedOnce(await site.manifests()));
  });
});
