/** Convergence of a table of Snowflake: see converges.ts. `RUNS=50 npm test -- convergence_snowflake` digs deeper. */
import { suite, test } from "node:test";
import { skip as snowflakeSkip } from "../destinations/snowflake/fixture.ts";
import { embeddedSkip } from "../support/embedded.ts";
import { converges } from "./converges.ts";
import { snowflakeChaosTarget } from "../destinations/snowflake/chaos_target.ts";

const skip = embeddedSkip === false ? snowflakeSkip : embeddedSkip;

suite("convergence: snowflake", { skip }, () => {
  test(
    "chaos: a Snowflake table ends equal to its source, and no session disappears on the way",
    { timeout: 1_800_000 },
    async () => {
      await converges({ open: snowflakeChaosTarget, runs: 2, steps: 26, chapters: 3, files: false });
    },
  );
});
