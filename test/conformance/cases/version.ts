import assert from "node:assert/strict";
import { intervalName } from "../../../src/intervals/interval.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { inContext, leavesNothing, ledger, row, seesRows } from "../context.ts";

export const VERSION_CASES: readonly Case[] = [
  inContext({
    name: "a newer version of a row replaces an older one",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 1)]]), signal);
      await destination.load(await batches.batch(hours(1), [[row("a", 2)]]), signal);
      await seesRows(context, [row("a", 2), row("b", 1)]);
    },
  }),
  inContext({
    name: "an older interval that is loaded late doesn't put an old row back",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(1), [[row("a", 2)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 1)]]), signal);
      await seesRows(context, [row("a", 2), row("b", 1)]);
    },
  }),
  inContext({
    name: "rows that a reload lacks stay in the destination",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 1)], [row("c", 1)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 2)]]), signal);
      await seesRows(context, [row("a", 2), row("b", 1), row("c", 1)]);
      await destination.load(await batches.batch(hours(0), []), signal);
      await seesRows(context, [row("a", 2), row("b", 1), row("c", 1)]);
      assert.equal((await ledger(context)).length, 1);
      await destination.load(await batches.batch(hours(0), [[row("a", 2), row("b", 3), row("c", 1)]]), signal);
      await seesRows(context, [row("a", 2), row("b", 3), row("c", 1)]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "rows that a covering batch lacks stay in the destination, and so do newer ones",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 5)]]), signal);
      await destination.load(await batches.batch(hours(1), [[row("b", 1), row("c", 1)]]), signal);
      await destination.load(await batches.batch(hours(0, 4), [[row("b", 2)]]), signal);
      await seesRows(context, [row("a", 1), row("b", 5), row("c", 1)]);
      assert.deepEqual(await ledger(context), [intervalName(hours(0, 4))]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "a batch that was read earlier than the loaded one doesn't put an old row back",
    async run(context) {
      const { batches, destination, signal } = context;
      const slow = await batches.batch(hours(0), [[row("a", 1)]]);
      await destination.load(await batches.batch(hours(0), [[row("a", 2)]]), signal);
      // It may reject, since its rows are of no use to anybody; what counts is what readers see.
      await destination.load(slow, signal).catch(() => undefined);
      await seesRows(context, [row("a", 2)]);
      await leavesNothing(context);
    },
  }),
  ...(
    [
      ["weeks later, since the source has dropped its first rows", "2026-09-01 00:00:00", "2026-10-01 00:00:00"],
      ["weeks earlier, since older rows have arrived", "2026-10-01 00:00:00", "2026-09-01 00:00:00"],
    ] as const
  ).map(([what, first, second]) =>
    inContext({
      name: `a session that now starts ${what}, has one row`,
      async run(context) {
        const { batches, destination, signal } = context;
        const end = "2026-10-01 01:00:00";
        const at = (version: number, start: string) => ({ ...row("a", version), start, end });
        const stale = await batches.batch(hours(2), [[at(1, second)]]);
        await destination.load(await batches.batch(hours(0), [[at(2, first), row("b", 1)]]), signal);
        await destination.load(await batches.batch(hours(1), [[at(3, second)]]), signal);
        await seesRows(context, [row("a", 3), row("b", 1)]);
        // Read before both, and loaded last.
        await destination.load(stale, signal);
        await seesRows(context, [row("a", 3), row("b", 1)]);
      },
    }),
  ),
  inContext({
    name: "of two rows with the same version the one that was read later wins",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1, 10)]]), signal);
      await destination.load(await batches.batch(hours(0), [[row("a", 1, 11)]]), signal);
      await seesRows(context, [row("a", 1, 11)]);
      await destination.load(await batches.batch(hours(1), [[row("a", 1, 12)]]), signal);
      await seesRows(context, [row("a", 1, 12)]);
    },
  }),
  inContext({
    name: "a row that was read earlier and arrives later doesn't replace one with the same version",
    async run(context) {
      const { batches, destination, signal } = context;
      const slow = await batches.batch(hours(0), [[row("a", 1, 10)]]);
      await destination.load(await batches.batch(hours(1), [[row("a", 1, 11)]]), signal);
      await destination.load(slow, signal);
      await seesRows(context, [row("a", 1, 11)]);
    },
  }),
];
