import assert from "node:assert/strict";
import { intervalName } from "../../../src/intervals/interval.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { inContext, leavesNothing, ledger, receiptsOf, row, seesRows } from "../context.ts";

export const LEDGER_CASES: readonly Case[] = [
  inContext({
    name: "a batch that covers others replaces them in the ledger, and no row is lost",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      await destination.load(await batches.batch(hours(1), [[row("b", 1)]]), signal);
      await destination.load(await batches.batch(hours(5), [[row("c", 1)]]), signal);
      const covering = [[row("a", 2), row("b", 1)]];
      await destination.load(await batches.batch(hours(0, 4), covering), signal);
      assert.deepEqual(await ledger(context), [intervalName(hours(0, 4)), intervalName(hours(5))]);
      await seesRows(context, [row("a", 2), row("b", 1), row("c", 1)]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "batches that touch a covering one, or overlap it in part, keep their receipts",
    async run(context) {
      const { batches, destination, signal } = context;
      for (const interval of [hours(0, 2), hours(3, 2), hours(5)]) {
        await destination.load(await batches.batch(interval, [[row(intervalName(interval), 1)]]), signal);
      }
      await destination.load(await batches.batch(hours(1, 4), []), signal);
      const kept = [hours(0, 2), hours(1, 4), hours(5)];
      assert.deepEqual(await ledger(context), kept.map(intervalName));
    },
  }),
  inContext({
    name: "receipts are listed by start, whatever the order of the loads",
    async run(context) {
      const { batches, destination, signal } = context;
      for (const hour of [7, 2, 11, 0, 5]) {
        await destination.load(await batches.batch(hours(hour), [[row(`s${hour}`, 1)]]), signal);
      }
      assert.deepEqual(
        await ledger(context),
        [0, 2, 5, 7, 11].map((hour) => intervalName(hours(hour))),
      );
    },
  }),
  inContext({
    name: "a range lists the receipts that overlap it, and no others",
    async run(context) {
      const { batches, destination, signal } = context;
      for (const interval of [hours(0), hours(1, 4), hours(5), hours(6)]) {
        await destination.load(await batches.batch(interval, []), signal);
      }
      assert.deepEqual(await ledger(context, hours(2)), [intervalName(hours(1, 4))]);
      assert.deepEqual(await ledger(context, hours(4, 2)), [hours(1, 4), hours(5)].map(intervalName));
      assert.deepEqual(await ledger(context, hours(7, 4)), []);
      assert.deepEqual(await ledger(context, hours(-3, 3)), []);
    },
  }),
  inContext({
    name: "a receipt that claims a read in the future doesn't stop the next load of the batch",
    async run(context) {
      const { batches, destination, signal } = context;
      const inFortyDays = Math.ceil((Date.now() - Date.UTC(2026, 9, 2)) / 60_000) + 40 * 24 * 60;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]], { readMinute: inFortyDays }), signal);
      const receipt = await destination.load(await batches.batch(hours(0), [[row("a", 2)]], { readMinute: 5 }), signal);
      assert.deepEqual(await receiptsOf(context), [receipt]);
      await seesRows(context, [row("a", 2)]);
    },
  }),
  inContext({
    name: "the ledger says when each batch was committed, in the order of the loads",
    async run(context) {
      const { batches, destination, signal } = context;
      const before = Date.now();
      const receipt = await destination.load(await batches.batch(hours(0), []), signal);
      // A store may count whole seconds, by a clock of its own.
      const distance = Math.abs(receipt.committedAt.getTime() - before);
      assert.ok(distance < 60_000, `committed ${distance} ms from now`);
      const again = await destination.load(await batches.batch(hours(0), []), signal);
      assert.ok(again.committedAt >= receipt.committedAt);
      assert.deepEqual(await receiptsOf(context), [again]);
    },
  }),
];
