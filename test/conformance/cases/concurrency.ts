import assert from "node:assert/strict";
import type { Destination } from "../../../destinations/destination.ts";
import { hours, type TestRow } from "../batches.ts";
import type { Case } from "../harness.ts";
import { gateAfter } from "../interrupted.ts";
import { inContext, leavesNothing, receiptsOf, rejectsWith, row, seesRows, type CaseContext } from "../context.ts";

/** A load of the first hour that stands still after its first file, until it is told to go on. */
async function standingLoad({ batches, signal }: CaseContext, destination: Destination, files: readonly TestRow[][]) {
  const gate = gateAfter(1);
  const slow = destination.load(await batches.batch(hours(0), files, { through: gate.through }), signal);
  // Met by the case; until then it is not unhandled.
  slow.catch(() => undefined);
  await Promise.race([gate.reached, slow]);
  return { slow, goOn: gate.open };
}

export const CONCURRENCY_CASES: readonly Case[] = [
  inContext({
    name: "of two live attempts the slower one loses, with the remedy retry, and changes nothing",
    async run(context) {
      const { batches, destination, target, signal } = context;
      await using other = await target.open();
      const { slow, goOn } = await standingLoad(context, other, [[row("a", 1)], [row("b", 1)]]);
      const receipt = await destination.load(await batches.batch(hours(0), [[row("a", 2)], [row("b", 2)]]), signal);
      goOn();
      await rejectsWith("retry", slow);
      await seesRows(context, [row("a", 2), row("b", 2)]);
      assert.deepEqual(await receiptsOf(context), [receipt]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "of two attempts that commit at once exactly one wins",
    async run(context) {
      const { batches, destination, target, signal } = context;
      await using other = await target.open();
      const [one, two] = [gateAfter(1), gateAfter(1)];
      const batch = { readMinute: 30 };
      const loads = [
        destination.load(
          await batches.batch(hours(0), [[row("a", 1, 11)]], { ...batch, through: one.through }),
          signal,
        ),
        other.load(await batches.batch(hours(0), [[row("a", 1, 12)]], { ...batch, through: two.through }), signal),
      ];
      const settled = Promise.allSettled(loads);
      await Promise.race([Promise.all([one.reached, two.reached]), settled]);
      one.open();
      two.open();
      const outcomes = await settled;
      const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      assert.equal(won.length, 1, "one attempt wins");
      for (const [index, { status }] of outcomes.entries()) {
        if (status === "rejected") await rejectsWith("retry", loads[index] ?? Promise.resolve());
      }
      await seesRows(context, [row("a", 1, outcomes[0]?.status === "fulfilled" ? 11 : 12)]);
      assert.deepEqual(await receiptsOf(context), won);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "an attempt that lost succeeds when it is repeated",
    async run(context) {
      const { batches, destination, target, signal } = context;
      await using other = await target.open();
      const { slow, goOn } = await standingLoad(context, other, [[row("a", 1)]]);
      await destination.load(await batches.batch(hours(0), [[row("a", 2)]]), signal);
      goOn();
      await rejectsWith("retry", slow);
      const receipt = await other.load(await batches.batch(hours(0), [[row("a", 3)]]), signal);
      await seesRows(context, [row("a", 3)]);
      assert.deepEqual(await receiptsOf(context), [receipt]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "loads of different intervals don't disturb each other",
    async run(context) {
      const { batches, destination, target, signal } = context;
      await using other = await target.open();
      const { slow, goOn } = await standingLoad(context, other, [[row("a", 1)]]);
      await destination.load(await batches.batch(hours(1), [[row("b", 1)]]), signal);
      goOn();
      await slow;
      await seesRows(context, [row("a", 1), row("b", 1)]);
      assert.equal((await receiptsOf(context)).length, 2);
      await leavesNothing(context);
    },
  }),
];
