/**
 * Convergence (invariant 1): whatever the order, the repeats, the crashes and the lateness, once every interval has a
 * receipt the destination holds exactly one current row per session, equal to the source's aggregate. And on the way there
 * no session that a reader has seen disappears.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { embedded } from "../support/embedded.ts";
import { openOptions, replaySource } from "../support/replay_source.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { sourceRows } from "../support/replay_rows.ts";
import { DEFINITION, stories, StoryRun } from "./story.ts";

export interface Convergence {
  /** An empty target for each story. */
  readonly open: (definition: ExportDefinition) => Promise<ChaosTarget>;
  /** How many stories to try, unless RUNS says otherwise. */
  readonly runs: number;
  /** A worker is killed at one of this many steps, or after the last. */
  readonly steps: number;
  /** A story has at most this many events. */
  readonly events: number;
}

/** Replays a failure with the SEED and the STORY (fast-check's `path`) that it printed. */
const { RUNS, SEED, STORY, SHRINK } = process.env;
const replay = SEED === undefined ? {} : { seed: Number(SEED), ...(STORY === undefined ? {} : { path: STORY }) };

export async function converges({ open, runs, steps, events }: Convergence): Promise<void> {
  await using engine = await embedded();
  await using replays = await replaySource(engine.client, openOptions(engine.url, "posthog"));
  await fc.assert(
    fc.asyncProperty(stories({ steps, events }), async (story) => {
      await replays.truncate();
      const stage = await mkdtemp(join(tmpdir(), "replayport-test-stage-"));
      try {
        await using target = await open(DEFINITION);
        const run = new StoryRun(replays, target, stage);
        for (const event of story) await run.play(event);
        await run.loadAll();
        const expected = await sourceRows(engine.client, replays.database);
        assert.deepEqual(
          await target.rows(),
          expected.map((row) => target.shown(row)),
        );
      } finally {
        await rm(stage, { recursive: true, force: true });
      }
    }),
    { numRuns: Number(RUNS ?? runs), endOnFailure: SHRINK === undefined, ...replay },
  );
}
