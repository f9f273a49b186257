import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Coverage, Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import { refuseGoneColumns } from "../../src/export/gone_columns.ts";
import { overlaps } from "../../src/intervals/interval.ts";
import { hour } from "../support/definitions.ts";
import { memoryWarehouse } from "../support/memory_destination.ts";

const signal = AbortSignal.timeout(60_000);

interface Had {
  readonly at: number;
  readonly committed: number;
  readonly columns: readonly string[] | undefined;
}

/** Whether a load of the hour `at` is refused, and how many times the ledger was asked. */
async function refused(
  receipts: readonly Had[],
  now: {
    readonly at: number;
    readonly has: readonly string[];
    readonly complete?: boolean;
    readonly accept?: string[];
  },
): Promise<{ readonly message: string | undefined; readonly asked: number }> {
  let asked = 0;
  const all = receipts.map(({ at, committed, columns }) => ({
    interval: hour(at, at + 1),
    committedAt: hour(committed, committed + 1).start,
    sourceColumns: columns,
  })) as (Coverage & Pick<Receipt, "sourceColumns">)[];
  const destination = {
    ...memoryWarehouse().destination("replays"),
    receipts: async function* receiptsOf(range: { start: Date; end: Date }) {
      asked += 1;
      for (const one of all) if (overlaps(one.interval, range)) yield one as Receipt;
    },
  };
  const { at, has, complete = false, accept = [] } = now;
  const message = await refuseGoneColumns(
    { name: "replays", acceptMissingColumns: accept },
    { sourceColumns: has, complete },
    destination,
    hour(at, at + 1),
    all,
    signal,
  ).then(
    () => undefined,
    (error: unknown) => {
      assert.ok(error instanceof ReplayportError && error.remedy === "give-up");
      assert.equal(error.code, "source.columns_gone");
      assert.match(error.hint ?? "", /accept_missing_columns/);
      return error.message;
    },
  );
  return { message, asked };
}

suite("columns that are gone", () => {
  test("a column that the newest receipt had is named", async () => {
    const { message } = await refused(
      [
        { at: 1, committed: 9, columns: ["a", "b", "c"] },
        { at: 2, committed: 3, columns: ["a"] },
      ],
      { at: 5, has: ["a"] },
    );
    assert.match(message ?? "", /no longer has b, c,/);
  });

  test("a column that only older receipts had doesn't stop a new interval, but a reload of theirs", async () => {
    const receipts = [
      { at: 1, committed: 2, columns: ["a", "b"] },
      { at: 2, committed: 3, columns: ["a"] },
    ];
    assert.equal((await refused(receipts, { at: 5, has: ["a"] })).message, undefined);
    assert.match((await refused(receipts, { at: 1, has: ["a"] })).message ?? "", /no longer has b,/);
  });

  test("accepted columns, first loads and receipts of 0.1.0 pass", async () => {
    const receipts = [{ at: 1, committed: 2, columns: ["a", "b"] }];
    assert.equal((await refused(receipts, { at: 1, has: ["a"], accept: ["b"] })).message, undefined);
    assert.equal((await refused([], { at: 1, has: ["a"] })).message, undefined);
    assert.equal(
      (await refused([{ at: 1, committed: 2, columns: undefined }], { at: 1, has: ["a"] })).message,
      undefined,
    );
  });

  test("the ledger isn't read while the source has every column", async () => {
    const receipts = [{ at: 1, committed: 2, columns: ["a", "b"] }];
    assert.equal((await refused(receipts, { at: 1, has: ["a", "b"], complete: true })).asked, 0);
  });
});
