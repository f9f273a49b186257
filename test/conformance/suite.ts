import { suite, test } from "node:test";
import { CASES } from "./cases.ts";
import type { HarnessResult } from "./harness.ts";

/** One case may take so long, unless a suite says otherwise; a destination that hangs fails it. */
const CASE_MS = 60_000;

/** Registers every case for a destination. Without its server, the suite is one skipped test that says why. */
export function conformance(name: string, open: () => Promise<HarnessResult>, caseMs = CASE_MS): void {
  suite(`conformance: ${name}`, async () => {
    const harness = await open();
    if ("skip" in harness) {
      test(`${name}: every promise of the contract`, { skip: harness.skip }, () => undefined);
      return;
    }
    for (const { name: caseName, skip, run } of CASES) {
      const reason = skip?.(harness);
      test(caseName, { skip: reason ?? false, timeout: caseMs }, async ({ signal }) => {
        await run(harness, signal);
      });
    }
  });
}
