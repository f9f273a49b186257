import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { silentSince } from "../../src/export/silence.ts";
import { hour } from "../support/definitions.ts";

/** Receipts of one hour each, with so many rows. */
const hours = (...rows: readonly number[]) => rows.map((count, at) => ({ interval: hour(at, at + 1), rows: count }));
const busy = Array.from({ length: 24 }, () => 3);

suite("an export is silent", () => {
  test("when it reads no rows after 24 batches that all had some", () => {
    assert.deepEqual(silentSince(hours(...busy, 0)), hour(24, 25).start);
  });

  test("for as long as it reads no rows", () => {
    assert.deepEqual(silentSince(hours(0, 1, ...busy, 0, 0, 0)), hour(26, 27).start);
  });

  test("whatever batches of another length held", () => {
    const day = { interval: hour(-24, 0), rows: 0 };
    assert.deepEqual(silentSince([day, ...hours(...busy, 0)]), hour(24, 25).start);
  });
});

suite("an export is not silent", () => {
  for (const [name, rows] of [
    ["when it has no receipts", []],
    ["when its newest batch has rows", [...busy, 0, 1]],
    ["when it is new", [...busy.slice(1), 0]],
    ["when it always read nothing", busy.map(() => 0)],
    ["when one of the 24 batches before was empty", [...busy.slice(1), 0, 3, 0]],
  ] as const) {
    test(name, () => {
      assert.equal(silentSince(hours(...rows)), undefined);
    });
  }
});
