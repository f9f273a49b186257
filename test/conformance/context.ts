/** What one case works in: an empty target, a destination on it, and a maker of batches. */
import assert from "node:assert/strict";
import type { Coverage, Destination, Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import { intervalName, type Interval } from "../../src/intervals/interval.ts";
import { Batches, type TestRow, hours } from "./batches.ts";
import type { Case, Harness, SeenRow, Target } from "./harness.ts";

/** All intervals that the cases use lie in it. */
export const EVERYTHING: Interval = hours(-48, 96);

export interface CaseContext {
  readonly harness: Harness;
  readonly target: Target;
  readonly destination: Destination;
  readonly batches: Batches;
  readonly signal: AbortSignal;
}

export type CaseInContext = Omit<Case, "run"> & { readonly run: (context: CaseContext) => Promise<void> };

/** Opens what the case works in, and closes it however the case ends. */
export function inContext({ run, ...rest }: CaseInContext): Case {
  return {
    ...rest,
    async run(harness, signal) {
      await using batches = await Batches.open();
      await using target = await harness.open();
      await using destination = await target.open();
      await run({ harness, target, destination, batches, signal });
    },
  };
}

/** `row("a", 1)`: session a as of version 1; its value tells the load that it came from. */
export function row(session: string, version: number, value = version * 10): TestRow {
  return { session, version, value };
}

export async function seesRows({ target }: CaseContext, expected: readonly SeenRow[]): Promise<void> {
  assert.deepEqual(await target.rows(), expected, "the rows that a reader sees");
}

export async function leavesNothing({ target }: CaseContext): Promise<void> {
  assert.deepEqual(await target.leftovers(), [], "what was left behind");
}

export async function receiptsOf({ destination, signal }: CaseContext, range = EVERYTHING): Promise<Receipt[]> {
  return await Array.fromAsync(destination.receipts(range, signal));
}

/** The intervals of the ledger, as `receipts` and `covered` give them: both have to say the same. */
export async function ledger(context: CaseContext, range = EVERYTHING): Promise<string[]> {
  const receipts = await receiptsOf(context, range);
  const covered: Coverage[] = await Array.fromAsync(context.destination.covered(range, context.signal));
  assert.deepEqual(
    covered,
    receipts.map(({ interval, readAt, watermark, committedAt }) => ({ interval, readAt, watermark, committedAt })),
    "covered() against receipts()",
  );
  return receipts.map(({ interval }) => intervalName(interval));
}

export async function rejection(work: Promise<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await work;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: `expected a rejection, got ${JSON.stringify(result)}` });
}

/** Rejects unless `work` was rejected with a ReplayportError of this remedy. */
export async function rejectsWith(remedy: "retry" | "give-up", work: Promise<unknown>): Promise<ReplayportError> {
  const error = await rejection(work);
  assert.ok(error instanceof ReplayportError, `not a ReplayportError: ${String(error)}`);
  assert.equal(error.remedy, remedy, `the remedy of: ${error.message}`);
  return error;
}
