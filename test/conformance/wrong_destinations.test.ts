/** Every case of the suite is seen to fail, on a destination that breaks the promise which the case is there for. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CASES } from "./cases.ts";
import type { Flaw } from "../support/memory_destination.ts";
import { memoryHarness } from "./memory_harness.ts";
import { WRONG } from "./wrong_destinations.ts";

/** Long enough for any case, short for one that hangs on a wrong destination. */
const CASE_MS = 20_000;

async function failedCases(flaw?: Flaw, only?: readonly string[]): Promise<string[]> {
  const harness = memoryHarness(flaw);
  const failed: string[] = [];
  for (const { name, skip, run } of CASES) {
    if ((only && !only.includes(name)) || skip?.(harness) !== undefined) continue;
    try {
      await run(harness, AbortSignal.timeout(CASE_MS));
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

suite("conformance: wrong destinations", () => {
  test("a destination that keeps every promise passes every case", async () => {
    assert.deepEqual(await failedCases(), []);
  });

  for (const [flaw, expected] of Object.entries(WRONG) as [Flaw, readonly string[]][]) {
    test(`found: ${flaw}`, async () => {
      assert.deepEqual((await failedCases(flaw, expected)).sort(), [...expected].sort());
    });
  }

  test("every conformance case finds at least one flaw", () => {
    const used = new Set(Object.values(WRONG).flat());
    assert.deepEqual(
      CASES.map(({ name }) => name).filter((name) => !used.has(name)),
      [],
    );
  });
});
