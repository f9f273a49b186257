import assert from "node:assert/strict";
import { ReplayportError } from "../../../src/errors.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { inWorld, leavesNothing, ledger, rejection, row, seesRows } from "../context.ts";

export const CHECK_CASES: readonly Case[] = [
  inWorld({
    name: "check passes on an empty place and leaves nothing behind",
    async run(world) {
      await world.destination.check(world.signal);
      await leavesNothing(world);
      assert.deepEqual(await ledger(world), []);
      await seesRows(world, []);
    },
  }),
  inWorld({
    name: "check changes nothing of what was loaded",
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const before = await ledger(world);
      await destination.check(signal);
      assert.deepEqual(await ledger(world), before);
      await seesRows(world, [row("a", 1)]);
      await leavesNothing(world);
    },
  }),
  {
    name: "check rejects, with a hint, where a load could not work",
    async run(harness, signal) {
      const broken = await harness.openBroken();
      assert.ok(broken.length > 0, "the harness has a broken destination");
      for (const each of broken) {
        await using destination = each;
        const error = await rejection(destination.check(signal));
        assert.ok(error instanceof ReplayportError, `not a ReplayportError: ${String(error)}`);
        assert.ok(error.hint !== undefined && error.hint.length > 0, `no hint: ${error.message}`);
      }
    },
  },
];
