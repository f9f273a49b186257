import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import type { StagedFile } from "../../../destinations/destination.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { failsAfter, gateAfter } from "../interrupted.ts";
import { inContext, leavesNothing, ledger, receiptsOf, rejection, row, seesRows } from "../context.ts";

const THREE = [[row("a", 2)], [row("b", 2)], [row("c", 2)]];

export const FAILURE_CASES: readonly Case[] = [
  inContext({
    name: "if the files fail midway, nothing is visible and nothing is left behind",
    async run(context) {
      const { batches, destination, signal } = context;
      const before = await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const failure = new Error("the source has failed");
      const batch = await batches.batch(hours(0), THREE, { through: failsAfter(2, failure) });
      assert.equal(await rejection(destination.load(batch, signal)), failure);
      await seesRows(context, [row("a", 1)]);
      assert.deepEqual(await receiptsOf(context), [before]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "if the files fail after the last one, nothing is visible and nothing is left behind",
    async run(context) {
      const { batches, destination, signal } = context;
      const failure = new Error("the count is not right");
      const batch = await batches.batch(hours(0), THREE, { through: failsAfter(3, failure) });
      assert.equal(await rejection(destination.load(batch, signal)), failure);
      await seesRows(context, []);
      assert.deepEqual(await ledger(context), []);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "an abort in the middle of a load rejects with its reason, and nothing is visible or left behind",
    async run(context) {
      const { batches, destination } = context;
      const gate = gateAfter(2);
      const abort = new AbortController();
      const reason = new Error("the worker is to stop");
      const loading = destination.load(await batches.batch(hours(0), THREE, { through: gate.through }), abort.signal);
      await Promise.race([gate.reached, loading]);
      abort.abort(reason);
      assert.equal(await rejection(loading), reason);
      gate.open();
      await seesRows(context, []);
      assert.deepEqual(await ledger(context), []);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "no part of a load is visible before its end",
    async run(context) {
      const { batches, destination, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const gate = gateAfter(2);
      const loading = destination.load(await batches.batch(hours(0), THREE, { through: gate.through }), signal);
      await Promise.race([gate.reached, loading]);
      await seesRows(context, [row("a", 1)]);
      assert.equal((await receiptsOf(context))[0]?.rows, 1);
      gate.open();
      await loading;
      await seesRows(context, [row("a", 2), row("b", 2), row("c", 2)]);
      assert.equal((await receiptsOf(context))[0]?.rows, 3);
    },
  }),
  inContext({
    name: "a staged file that was truncated on the local disk is refused",
    async run(context) {
      const { batches, destination, signal } = context;
      async function* cut(files: AsyncIterable<StagedFile>): AsyncIterable<StagedFile> {
        for await (const file of files) {
          await truncate(file.path, Math.floor(file.bytes / 2));
          yield file;
        }
      }
      await rejection(destination.load(await batches.batch(hours(0), [[row("a", 1)]], { through: cut }), signal));
      await seesRows(context, []);
      assert.deepEqual(await ledger(context), []);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "a file with another row count than was staged is refused",
    skip: ({ countsRows }) =>
      countsRows ? undefined : "this destination does not look into files; the stage counts them",
    async run(context) {
      const { batches, destination, signal } = context;
      async function* miscounted(files: AsyncIterable<StagedFile>): AsyncIterable<StagedFile> {
        for await (const file of files) yield { ...file, rows: file.rows + 4 };
      }
      const batch = await batches.batch(hours(0), [[row("a", 1)]], { through: miscounted });
      await rejection(destination.load(batch, signal));
      await seesRows(context, []);
      assert.deepEqual(await ledger(context), []);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "the next load of a batch removes what a dead attempt left",
    async run(context) {
      const { batches, destination, target, signal } = context;
      await using dead = await target.open();
      const gate = gateAfter(2);
      const abort = new AbortController();
      // It sleeps for ever, as far as anybody can tell.
      const dying = dead.load(await batches.batch(hours(0), THREE, { through: gate.through }), abort.signal);
      dying.catch(() => undefined);
      await Promise.race([gate.reached, dying]);
      await destination.load(await batches.batch(hours(0), [[row("a", 3)]]), signal);
      await seesRows(context, [row("a", 3)]);
      await leavesNothing(context);
      abort.abort(new Error("the case is over"));
      await rejection(dying);
      await seesRows(context, [row("a", 3)]);
    },
  }),
];
