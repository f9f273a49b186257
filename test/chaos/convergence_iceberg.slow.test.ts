/** Convergence of an Iceberg table: see converges.ts. `RUNS=50 npm test -- convergence_iceberg` digs deeper. */
import { suite, test } from "node:test";
import { icebergChaosTarget } from "../destinations/iceberg/chaos_target.ts";
import { icebergPlace } from "../destinations/iceberg/harness.ts";
import { embeddedSkip } from "../support/embedded.ts";
import { converges } from "./converges.ts";

const place = embeddedSkip === false ? await icebergPlace() : { skip: embeddedSkip };

suite("convergence: iceberg", { skip: "skip" in place ? place.skip : false }, () => {
  test(
    "chaos: an Iceberg table ends equal to its source, and no session disappears on the way",
    { timeout: 1_800_000 },
    async () => {
      await converges({ open: icebergChaosTarget, runs: 2, steps: 24, chapters: 3, files: false });
    },
  );
});
