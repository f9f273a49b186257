/**
 * Convergence (invariant 1): whatever the order, the repeats, the crashes and the lateness, once every interval has a
 * receipt the lake holds exactly one current row per session, equal to the source's aggregate. And on the way there no
 * session that a reader has seen disappears.
 *
 * `RUNS=200 npm test -- convergence` digs deeper; a failure prints the seed and the shortest story that fails.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import fc from "fast-check";
import { embedded, embeddedSkip } from "../harness/embedded.ts";
import { openOptions, replaySource } from "../harness/replay_source.ts";
import { sourceRows } from "./lake_against_source.ts";
import { World, aStory } from "./world.ts";

const RUNS = Number(process.env["RUNS"] ?? 8);

suite("convergence", { skip: embeddedSkip }, () => {
  test("a lake ends equal to its source, and loses no session on the way", { timeout: 900_000 }, async () => {
    await using engine = await embedded();
    await using replays = await replaySource(engine.client, openOptions(engine.url, "posthog"));
    await fc.assert(
      fc.asyncProperty(aStory, async (story) => {
        await replays.truncate();
        const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
        try {
          const world = new World(replays, join(folder, "lake"), join(folder, "stage"));
          for (const event of story) await world.live(event);
          await world.settle();
          assert.deepEqual(await world.lakeRows(), await sourceRows(engine.client, replays.database));
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      }),
      { numRuns: RUNS, endOnFailure: process.env["SHRINK"] === undefined },
    );
  });
});
