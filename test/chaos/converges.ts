/**
 * Convergence (invariants 0 and 1): whatever the order, the repeats, the crashes, the lateness and what the source drops or
 * hides for a while, once everything that is due is loaded, and what an audit finds, the destination holds exactly one
 * current row per session. It's equal to the source's aggregate, or fuller where the source has lost rows. And on the way
 * no reader sees a session disappear, twice, or older than before.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { embedded } from "../support/embedded.ts";
import { openOptions, replaySource } from "../support/replay_source.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { sourceRows } from "../support/replay_rows.ts";
import { stories, type Story, type StoryShape } from "./story.ts";
import { DEFINITION, StoryRun } from "./story_run.ts";

export interface Chaos extends StoryShape {
  /** An empty target for each story. */
  readonly open: (definition: ExportDefinition) => Promise<ChaosTarget>;
}

export interface Convergence extends AsyncDisposable {
  readonly property: fc.IAsyncPropertyWithHooks<[Story]>;
  /** How often each thing has happened in the story that was played last. */
  readonly counts: Map<string, number>;
}

export async function convergence({ open, ...shape }: Chaos): Promise<Convergence> {
  await using stack = new AsyncDisposableStack();
  const engine = stack.use(await embedded());
  const replays = stack.use(await replaySource(engine.client, openOptions(engine.url, "posthog")));
  const opened = stack.move();
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const play = async ({ setup, events }: Story): Promise<void> => {
    counts.clear();
    await replays.truncate();
    const stage = await mkdtemp(join(tmpdir(), "replayport-test-stage-"));
    try {
      await using target = await open(DEFINITION);
      const run = new StoryRun(replays, target, setup, stage, count);
      for (const event of events) await run.play(event);
      await run.end(async () => await sourceRows(engine.client, replays.database));
    } finally {
      await rm(stage, { recursive: true, force: true });
    }
  };
  return {
    property: fc.asyncProperty(stories(shape), play),
    counts,
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

/** Replays a failure with the SEED and the STORY (fast-check's `path`) that it printed. */
const { RUNS, SEED, STORY, SHRINK } = process.env;
/** The suite tells the same stories each time, so that it fails for a change; `npm run chaos` tells others. */
const replay = { seed: Number(SEED ?? 20261126), ...(STORY === undefined ? {} : { path: STORY }) };

/** @param runs how many stories to try, unless RUNS says otherwise */
export async function converges({ runs, ...chaos }: Chaos & { readonly runs: number }): Promise<void> {
  await using opened = await convergence(chaos);
  await fc.assert(opened.property, {
    numRuns: Number(RUNS ?? runs),
    endOnFailure: SHRINK === undefined,
    ...replay,
  });
}
