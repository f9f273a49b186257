/**
 * A worker that is killed at any step of a load: readers see the old batches or the new one, and the next load repairs what
 * is left. Every step is tried: the destination has carried it out, and the worker dies before it gets the answer. That is also what
 * a destination sees of a worker that dies before its next step.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Receipt } from "../../destinations/destination.ts";
import { crashAfter, crashBefore } from "../support/crash.ts";
import { Batches, hours, type TestRow } from "./batches.ts";
import { EVERYTHING, row } from "./context.ts";
import type { Harness, HarnessResult } from "./harness.ts";

const BLOCK_MS = 300_000;

/** How many crashes left the old batches, how many the new one, and how many files of dead attempts readers saw. */
interface Seen {
  old: number;
  new: number;
  dead: number;
  /** A load ended without coming to the step at which it would have crashed. */
  survived: boolean;
}

/** Registers the tests of a destination, one for each block of steps. */
export function crashes(name: string, open: () => Promise<HarnessResult>): void {
  suite(`${name}: a worker that is killed`, async () => {
    const harness = await open();
    const skip = "skip" in harness ? harness.skip : harness.crash ? false : `${name} has no steps to crash at`;
    if (skip !== false || "skip" in harness || !harness.crash) {
      test(`${name}: a worker that is killed leaves whole batches`, { skip }, () => undefined);
      return;
    }
    const seen: Seen = { old: 0, new: 0, dead: 0, survived: false };
    const { steps, block, atLeast } = harness.crash;
    for (let first = 0; first <= steps; first += block) {
      const last = first + block - 1;
      const range = block === 1 ? `step ${first}` : `steps ${first} to ${last}`;
      test(`${name}: a load that is killed after ${range} is there whole or not at all`, { timeout: BLOCK_MS }, (t) =>
        killAtEach(harness, first, last, seen, t.signal),
      );
    }
    test(`${name}: crashes after every step hit both sides of the commit`, () => {
      assert.ok(seen.survived, `a load has more than ${steps} steps; raise them in the harness`);
      for (const side of ["old", "new", "dead"] as const) {
        assert.ok(seen[side] >= (atLeast[side] ?? 0), `${side}: ${JSON.stringify(seen)}`);
      }
    });
  });
}

async function killAtEach(
  harness: Harness,
  first: number,
  last: number,
  seen: Seen,
  signal: AbortSignal,
): Promise<void> {
  // The blocks before have come to the load's end.
  if (seen.survived) return;
  await using batches = await Batches.open();
  await using target = await harness.open();
  assert.ok(target.crashing, "the harness has steps to crash at, but its targets can't crash");
  const { crashing } = target;
  await using healthy = await target.open();
  let version = 1;
  let standing: Receipt[] = [
    await healthy.load(await batches.batch(hours(0), [[row("a", version)]]), signal),
    await healthy.load(await batches.batch(hours(1, 2), [[row("b", version), row("c", version)]]), signal),
  ];
  for (let step = first; step <= last; step += 1) {
    // 1. A batch that covers all that stands; its worker is killed.
    const before = rowsOf(version);
    version += 1;
    const crash = step === 0 ? crashBefore(1) : crashAfter(step);
    const interval = hours(0, 3 + step - first);
    const [a, b, c] = rowsOf(version);
    const batch = await batches.batch(interval, [[a, b], [c]]);
    await using doomed = await crashing.open(crash);
    const end = await doomed.load(batch, signal).catch(() => undefined);
    await crashing.settle?.();
    const where = `killed after step ${step}: ${crash.at}`;

    // 2. Rows and receipts tell the same: all old, or all new.
    const receipts = await Array.fromAsync(healthy.receipts(EVERYTHING, signal));
    const isNew = receipts[0]?.attempt === batch.attempt;
    if (isNew) assert.equal(receipts.length, 1, where);
    else assert.deepEqual(receipts, standing, where);
    assert.deepEqual(await target.rows(), isNew ? rowsOf(version) : before, where);
    assert.deepEqual(
      (await Array.fromAsync(healthy.covered(EVERYTHING, signal))).map((one) => one.interval),
      isNew ? [interval] : standing.map((one) => one.interval),
      where,
    );
    if (end) assert.ok(isNew, `what resolved is there: ${where}`);
    if (crashing.looseRows) {
      assert.deepEqual(
        (await crashing.looseRows()).map(({ session }) => session),
        ["a", "b", "c"],
        where,
      );
    }
    const dead = (await crashing.visibleFiles?.(batch)) ?? 0;
    if (crash.at === undefined) {
      seen.survived = true;
      return;
    }
    seen[isNew ? "new" : "old"] += 1;
    if (!isNew) seen.dead += dead;

    // 3. The next load repairs it.
    version += 1;
    const repair = await healthy.load(await batches.batch(interval, [rowsOf(version)]), signal);
    standing = [repair];
    assert.deepEqual(await target.rows(), rowsOf(version), `repaired, ${where}`);
    if (crashing.looseRows) assert.deepEqual(await crashing.looseRows(), rowsOf(version), `repaired, ${where}`);
    assert.deepEqual(await Array.fromAsync(healthy.receipts(EVERYTHING, signal)), standing, `repaired, ${where}`);
    assert.deepEqual(await target.leftovers(), [], `left after ${where}`);
    await crashing.endSessions?.();
  }
}

function rowsOf(version: number): [TestRow, TestRow, TestRow] {
  return [row("a", version), row("b", version), row("c", version)];
}
