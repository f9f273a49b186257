import { suite, test } from "node:test";
import { CASES } from "./cases.ts";
import type { Harness, HarnessResult } from "./harness.ts";

/** One case may take so long, unless a suite says otherwise; a destination that hangs fails it. */
const CASE_MS = 60_000;

/** Registers every case for a destination. Where its harness cannot be had, each case is skipped and says why. */
export function conformance(name: string, open: () => Promise<HarnessResult>, caseMs = CASE_MS): void {
  suite(`conformance: ${name}`, async () => {
    const harness = await open();
    for (const { name: caseName, skip, run } of CASES) {
      const reason = "skip" in harness ? harness.skip : skip?.(harness);
      test(caseName, { skip: reason ?? false, timeout: caseMs }, async ({ signal }) => {
        await run(harness as Harness, signal);
      });
    }
  });
}
