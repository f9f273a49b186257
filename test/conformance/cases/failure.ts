import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import type { StagedFile } from "../../../destinations/destination.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { failsAfter, gateAfter } from "../interrupted.ts";
import { inWorld, leavesNothing, ledger, receiptsOf, rejection, row, seesRows } from "../context.ts";

const THREE = [[row("a", 2)], [row("b", 2)], [row("c", 2)]];

export const FAILURE_CASES: readonly Case[] = [
  inWorld({
    name: "where the files fail midway, nothing is visible and nothing is left",
    async run(world) {
      const { batches, destination, signal } = world;
      const before = await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const failure = new Error("the source has failed");
      const batch = await batches.batch(hours(0), THREE, { through: failsAfter(2, failure) });
      assert.equal(await rejection(destination.load(batch, signal)), failure);
      await seesRows(world, [row("a", 1)]);
      assert.deepEqual(await receiptsOf(world), [before]);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "where the files fail after the last one, nothing is visible and nothing is left",
    async run(world) {
      const { batches, destination, signal } = world;
      const failure = new Error("the count is not right");
      const batch = await batches.batch(hours(0), THREE, { through: failsAfter(3, failure) });
      assert.equal(await rejection(destination.load(batch, signal)), failure);
      await seesRows(world, []);
      assert.deepEqual(await ledger(world), []);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "an abort midway rejects with its reason, and nothing is visible or left",
    async run(world) {
      const { batches, destination } = world;
      const gate = gateAfter(2);
      const abort = new AbortController();
      const reason = new Error("the worker is to stop");
      const loading = destination.load(await batches.batch(hours(0), THREE, { through: gate.through }), abort.signal);
      await Promise.race([gate.reached, loading]);
      abort.abort(reason);
      assert.equal(await rejection(loading), reason);
      gate.open();
      await seesRows(world, []);
      assert.deepEqual(await ledger(world), []);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "nothing of a load is visible before its end",
    async run(world) {
      const { batches, destination, signal } = world;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const gate = gateAfter(2);
      const loading = destination.load(await batches.batch(hours(0), THREE, { through: gate.through }), signal);
      await Promise.race([gate.reached, loading]);
      await seesRows(world, [row("a", 1)]);
      assert.equal((await receiptsOf(world))[0]?.rows, 1);
      gate.open();
      await loading;
      await seesRows(world, [row("a", 2), row("b", 2), row("c", 2)]);
      assert.equal((await receiptsOf(world))[0]?.rows, 3);
    },
  }),
  inWorld({
    name: "a staged file that was cut on the local disk is refused",
    async run(world) {
      const { batches, destination, signal } = world;
      async function* cut(files: AsyncIterable<StagedFile>): AsyncIterable<StagedFile> {
        for await (const file of files) {
          await truncate(file.path, Math.floor(file.bytes / 2));
          yield file;
        }
      }
      await rejection(destination.load(await batches.batch(hours(0), [[row("a", 1)]], { through: cut }), signal));
      await seesRows(world, []);
      assert.deepEqual(await ledger(world), []);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "a file with other rows than were staged is refused",
    skip: ({ countsRows }) =>
      countsRows ? undefined : "this destination does not look into files; the stage counts them",
    async run(world) {
      const { batches, destination, signal } = world;
      async function* miscounted(files: AsyncIterable<StagedFile>): AsyncIterable<StagedFile> {
        for await (const file of files) yield { ...file, rows: file.rows + 4 };
      }
      const batch = await batches.batch(hours(0), [[row("a", 1)]], { through: miscounted });
      await rejection(destination.load(batch, signal));
      await seesRows(world, []);
      assert.deepEqual(await ledger(world), []);
      await leavesNothing(world);
    },
  }),
  inWorld({
    name: "what a dead attempt left is removed by the next load of the batch",
    async run(world) {
      const { batches, destination, target, signal } = world;
      await using dead = await target.open();
      const gate = gateAfter(2);
      const abort = new AbortController();
      // It sleeps for ever, as far as anybody can tell.
      const dying = dead.load(await batches.batch(hours(0), THREE, { through: gate.through }), abort.signal);
      dying.catch(() => undefined);
      await Promise.race([gate.reached, dying]);
      await destination.load(await batches.batch(hours(0), [[row("a", 3)]]), signal);
      await seesRows(world, [row("a", 3)]);
      await leavesNothing(world);
      abort.abort(new Error("the case is over"));
      await rejection(dying);
      await seesRows(world, [row("a", 3)]);
    },
  }),
];
