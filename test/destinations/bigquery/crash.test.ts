/** A worker that dies after any of its requests: readers see the old or the new, and the next load repairs. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { hours } from "../../conformance/batches.ts";
import { row } from "../../conformance/context.ts";
import type { Fault } from "../../support/fault_proxy.ts";
import { bigquerySkip, diesAt, openBigQueryWorld } from "./fixture.ts";

const skip = await bigquerySkip();

for (const [what, fault] of [
  ["after", { kind: "cut-answer" }],
  ["before", { kind: "cut-request" }],
] as const satisfies readonly (readonly [string, Fault])[]) {
  suite(`bigquery: a crash ${what} each request`, { skip }, () => {
    test("nothing half, nothing lost, nothing left", { timeout: 300_000 }, async ({ signal }) => {
      await using world = await openBigQueryWorld();
      await using healthy = world.healthy();
      let value = 1;
      let standing = await healthy.load(await world.batches.batch(hours(0), [[row("a", 1)], [row("b", 1)]]), signal);
      let step = 1;
      for (; ; step += 1) {
        const before = value;
        value += 1;
        const abort = new AbortController();
        let died = false;
        // Dead, it neither waits nor cleans up: its signal is aborted and none of its requests comes through.
        const onDeath = (): void => {
          died = true;
          setImmediate(() => abort.abort(new Error("killed")));
        };
        world.proxy.decide(diesAt(step, fault, onDeath));
        await using doomed = world.open();
        const batch = await world.batches.batch(hours(0), [[row("a", value)], [row("b", value)]]);
        const end = await doomed.load(batch, abort.signal).then(
          (receipt) => receipt,
          () => undefined,
        );
        await world.server.layer.idle();

        const [rows, receipts] = [await world.rows(), await world.receipts()];
        assert.equal(receipts.length, 1, `one receipt, died at ${step}`);
        const isNew = receipts[0]?.attempt === batch.attempt;
        const seen = isNew ? value : before;
        assert.deepEqual(rows, [row("a", seen), row("b", seen)], `rows and receipt agree, died at ${step}`);
        if (!isNew) assert.deepEqual(receipts, [standing], `the old receipt stands, died at ${step}`);
        if (end) assert.ok(isNew, "what resolved is there");
        if (!died) break;

        value += 1;
        const repair = await world.batches.batch(hours(0), [[row("a", value)], [row("b", value)]]);
        standing = await healthy.load(repair, signal);
        assert.deepEqual(await world.rows(), [row("a", value), row("b", value)], `repaired, died at ${step}`);
        assert.deepEqual(await world.receipts(), [standing]);
        assert.deepEqual(await world.leftovers(), [], `nothing is left, died at ${step}`);
      }
      assert.ok(step > 15, `a load has more than ${step} steps`);
    });
  });
}
