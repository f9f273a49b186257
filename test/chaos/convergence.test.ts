/**
 * Convergence (invariant 1) of a lake: see converges.ts. `RUNS=200 npm test -- convergence` digs deeper; a failure prints
 * the seed and the shortest story that fails.
 */
import { suite, test } from "node:test";
import { embeddedSkip } from "../support/embedded.ts";
import { converges } from "./converges.ts";
import { LAKE_STORIES } from "./story.ts";
import { lakeChaosTarget } from "../destinations/lake/chaos_target.ts";

suite("convergence", { skip: embeddedSkip }, () => {
  test(
    "chaos: a lake ends equal to its source, and no session disappears on the way",
    { timeout: 900_000 },
    async () => {
      await converges({ open: lakeChaosTarget, runs: 12, ...LAKE_STORIES });
    },
  );
});
