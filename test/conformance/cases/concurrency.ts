import assert from "node:assert/strict";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { gateAfter } from "../interrupted.ts";
import { inWorld, leavesNothing, receiptsOf, rejectsWith, row, seesRows } from "../world.ts";

export const CONCURRENCY_CASES: readonly Case[] = [
  inWorld({
    name: "of two live attempts the one that was overtaken loses, with the remedy retry, and changes nothing",
    async run(world) {
      const { batches, destination, target, signal } = world;
      await using other = await target.open();
      const gate = gateAfter(1);
      const files = [[row("a", 1)], [row("b", 1)]];
      const slow = other.load(await batches.batch(hours(0), files, { through: gate.through }), signal);
      // Met below; until then it is not unhandled.
      slow.catch(() => undefined);
      await Promise.race([gate.reached, slow]);
      const receipt = await destination.load(await batches.batch(hours(0), [[row("a", 2)], [row("b", 2)]]), signal);
      gate.open();
      await rejectsWith("retry", slow);
      await seesRows(world, [row("a", 2), row("b", 2)]);
      assert.deepEqual(await receiptsOf(world), [receipt]);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "of two attempts that commit at once exactly one wins",
    async run(world) {
      const { batches, destination, target, signal } = world;
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
      await seesRows(world, [row("a", 1, outcomes[0]?.status === "fulfilled" ? 11 : 12)]);
      assert.deepEqual(await receiptsOf(world), won);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "an attempt that lost goes through when it is made again",
    async run(world) {
      const { batches, destination, target, signal } = world;
      await using other = await target.open();
      const gate = gateAfter(1);
      const slow = other.load(await batches.batch(hours(0), [[row("a", 1)]], { through: gate.through }), signal);
      slow.catch(() => undefined);
      await Promise.race([gate.reached, slow]);
      await destination.load(await batches.batch(hours(0), [[row("a", 2)]]), signal);
      gate.open();
      await rejectsWith("retry", slow);
      const receipt = await other.load(await batches.batch(hours(0), [[row("a", 3)]]), signal);
      await seesRows(world, [row("a", 3)]);
      assert.deepEqual(await receiptsOf(world), [receipt]);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "loads of different intervals do not disturb each other",
    async run(world) {
      const { batches, destination, target, signal } = world;
      await using other = await target.open();
      const gate = gateAfter(1);
      const slow = other.load(await batches.batch(hours(0), [[row("a", 1)]], { through: gate.through }), signal);
      slow.catch(() => undefined);
      await Promise.race([gate.reached, slow]);
      await destination.load(await batches.batch(hours(1), [[row("b", 1)]]), signal);
      gate.open();
      await slow;
      await seesRows(world, [row("a", 1), row("b", 1)]);
      assert.equal((await receiptsOf(world)).length, 2);
      await leavesNothing(world);
    },
  }),
];
