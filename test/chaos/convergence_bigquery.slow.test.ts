/** Convergence of a table of BigQuery: see converges.ts. `RUNS=50 npm test -- convergence_bigquery` digs deeper. */
import { suite, test } from "node:test";
import { bigquerySkip } from "../destinations/bigquery/fixture.ts";
import { embeddedSkip } from "../support/embedded.ts";
import { bigqueryChaosTarget } from "../destinations/bigquery/chaos_target.ts";
import { converges } from "./converges.ts";

const skip = embeddedSkip === false ? await bigquerySkip() : embeddedSkip;

suite("convergence: bigquery", { skip }, () => {
  test(
    "chaos: a BigQuery table ends equal to its source, and no session disappears on the way",
    { timeout: 1_800_000 },
    async () => {
      await converges({ open: bigqueryChaosTarget, runs: 2, steps: 24, chapters: 3, files: false });
    },
  );
});
