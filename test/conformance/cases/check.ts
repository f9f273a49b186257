import assert from "node:assert/strict";
import { ReplayportError } from "../../../src/errors.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { inContext, leavesNothing, ledger, rejection, row, seesRows } from "../context.ts";

export const CHECK_CASES: readonly Case[] = [
  inContext({
    name: "a check passes on an empty destination and leaves nothing behind",
    async run(context) {
      await context.destination.check(context.signal);
      await leavesNothing(context);
      assert.deepEqual(await ledger(context), []);
      await seesRows(context, []);
    },
  }),
  inContext({
    name: "a check changes nothing of what was loaded",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const before = await ledger(context);
      await destination.check(signal);
      assert.deepEqual(await ledger(context), before);
      await seesRows(context, [row("a", 1)]);
      await leavesNothing(context);
    },
  }),
  {
    name: "a check rejects with a hint if a load couldn't work",
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
