import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { StagedFile } from "../../../destinations/destination.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { hours } from "../batches.ts";
import type { Case } from "../harness.ts";
import { inContext, leavesNothing, ledger, receiptsOf, row, seesRows } from "../context.ts";

/** More than any destination has on their way at a time. */
const SEVERAL_FILES = 7;

export const LOAD_CASES: readonly Case[] = [
  inContext({
    name: "an empty destination has no rows and no receipts",
    async run(context) {
      await seesRows(context, []);
      assert.deepEqual(await ledger(context), []);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "all files of a batch are loaded, and the receipt counts them",
    async run(context) {
      const { batches, destination, signal } = context;
      const batch = await batches.batch(hours(0), [[row("a", 1), row("b", 1)], [row("c", 1)]]);
      const receipt = await destination.load(batch, signal);
      await seesRows(context, [row("a", 1), row("b", 1), row("c", 1)]);
      assert.equal(receipt.rows, 3);
      assert.equal(receipt.files, 2);
      assert.ok(receipt.bytes > 0);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "staged files are released during the load",
    async run(context) {
      const { batches, destination, signal } = context;
      const paths: string[] = [];
      let most = 0;
      const there = (): number => paths.filter((path) => existsSync(path)).length;
      async function* watched(files: AsyncIterable<StagedFile>): AsyncIterable<StagedFile> {
        for await (const file of files) {
          paths.push(file.path);
          yield file;
          most = Math.max(most, there());
        }
      }
      const files = Array.from({ length: SEVERAL_FILES }, (_, index) => [row(`s${index}`, 1)]);
      const receipt = await destination.load(await batches.batch(hours(0), files, { through: watched }), signal);
      assert.equal(receipt.files, SEVERAL_FILES);
      assert.ok(most < SEVERAL_FILES, `${most} files of the batch were there at a time`);
      assert.equal(there(), 0);
    },
  }),
  inContext({
    name: "the receipt that a load returns is the one in the ledger",
    async run(context) {
      const { batches, destination, signal } = context;
      const batch = await batches.batch(hours(0), [[row("a", 1)]]);
      const receipt = await destination.load(batch, signal);
      assert.deepEqual(await receiptsOf(context), [receipt]);
      const { export: exportName, interval, attempt, fingerprint, readAt, watermark, sourceColumns } = batch;
      // Only a lake has folders: test/destinations/lake/folders.test.ts.
      const { folders: _, ...shared } = receipt;
      assert.deepEqual(
        { ...shared, committedAt: undefined, bytes: undefined },
        {
          export: exportName,
          interval,
          attempt,
          fingerprint,
          readAt,
          sourceColumns,
          watermark,
          rows: 1,
          files: 1,
          committedAt: undefined,
          bytes: undefined,
        },
      );
    },
  }),
  inContext({
    name: "another worker sees a batch's receipt",
    async run(context) {
      const { batches, destination, target, signal } = context;
      const receipt = await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      await using other = await target.open();
      assert.deepEqual(await Array.fromAsync(other.receipts(hours(0), signal)), [receipt]);
    },
  }),
  inContext({
    name: "a batch without files has a receipt",
    async run(context) {
      const { batches, destination, signal } = context;
      const receipt = await destination.load(await batches.batch(hours(0), []), signal);
      assert.deepEqual([receipt.rows, receipt.bytes, receipt.files], [0, 0, 0]);
      assert.deepEqual(await ledger(context), [intervalName(hours(0))]);
      await seesRows(context, []);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "a batch that is loaded again has one receipt, and its rows once",
    async run(context) {
      const { batches, destination, signal } = context;
      const rows = [[row("a", 1)], [row("b", 1)]];
      await destination.load(await batches.batch(hours(0), rows), signal);
      const again = await destination.load(await batches.batch(hours(0), rows), signal);
      assert.deepEqual(await receiptsOf(context), [again]);
      await seesRows(context, [row("a", 1), row("b", 1)]);
      await leavesNothing(context);
    },
  }),
  inContext({
    name: "no secret is in the ledger or in the destination's name",
    async run(context) {
      const { batches, destination, target, signal } = context;
      await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), signal);
      const text = `${await target.ledgerText()}\n${destination.name}\n${JSON.stringify(await receiptsOf(context))}`;
      for (const secret of target.secrets) assert.ok(!text.includes(secret), "a secret is in the ledger");
    },
  }),
];
