import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { KeyValue } from "../../../destinations/keys/encode.ts";
import { type KeyRows, Supersession } from "../../../destinations/keys/supersession.ts";
import { compareReadings } from "../../../src/models/reading_order.ts";

interface Row {
  readonly key: string;
  readonly version: bigint | null;
  readonly exportedAt: bigint | null;
}

const column = (...values: KeyValue[]) => ({ kind: "values", values }) as const;
const oneRow = (key: readonly KeyValue[], order: readonly KeyValue[]): KeyRows => ({
  key: key.map((value) => column(value)),
  order: order.map((value) => column(value)),
  rows: 1,
});
const rowsOf = (row: Row): KeyRows => oneRow([7n, Buffer.from(row.key)], [row.version, row.exportedAt]);

function judge(files: readonly (readonly Row[])[], batch: readonly Row[], capacity = 4) {
  const supersession = new Supersession(capacity);
  for (const file of files) {
    for (const row of file) supersession.add(rowsOf(row));
    supersession.endFile();
  }
  for (const row of batch) supersession.meet(rowsOf(row));
  return supersession.close();
}

const row = (key: string, version: bigint | null, exportedAt: bigint | null = 0n): Row => ({
  key,
  version,
  exportedAt,
});
const rows = fc.array(
  fc.record({
    key: fc.constantFrom("a", "b", "c", "d", "äö", ""),
    version: fc.option(fc.bigInt({ min: -3n, max: 3n })),
    exportedAt: fc.option(fc.bigInt({ min: 0n, max: 2n })),
  }),
  { maxLength: 8 },
);

/** For each key, its highest place. */
function current(files: readonly (readonly Row[])[]): Map<string, Row> {
  const highest = new Map<string, Row>();
  for (const one of files.flat()) {
    const old = highest.get(one.key);
    if (!old || compareReadings(one, old) > 0) highest.set(one.key, one);
  }
  return highest;
}

suite("supersession by key", () => {
  test("a file goes if the batch has each of its rows with an equal or higher place", () => {
    const files = [[row("a", 1n), row("b", 1n)], [row("c", 1n)]];
    const batch = [row("a", 2n), row("b", 1n), row("c", 1n, 5n)];
    assert.deepEqual(judge(files, batch), [
      { lost: 0, stays: false },
      { lost: 0, stays: false },
    ]);
  });

  test("a file stays if the batch lacks a row of it, and says how many", () => {
    assert.deepEqual(judge([[row("a", 1n), row("b", 1n), row("c", 1n)]], [row("a", 2n)]), [{ lost: 2, stays: true }]);
  });

  test("a file stays if a row of it is newer than the batch's, and nothing is lost", () => {
    assert.deepEqual(judge([[row("a", 3n)]], [row("a", 2n)]), [{ lost: 0, stays: true }]);
  });

  test("of two files with the same row that the batch lacks, the one that was read later stays", () => {
    assert.deepEqual(judge([[row("a", 1n)], [row("a", 1n)]], []), [
      { lost: 0, stays: false },
      { lost: 1, stays: true },
    ]);
  });

  test("a version that is a text is compared by its bytes, and wins against a number", () => {
    const text = (version: string): KeyValue[] => [Buffer.from(version), 0n];
    const stays = (old: KeyValue[], now: KeyValue[]): boolean | undefined => {
      const supersession = new Supersession(1);
      supersession.add(oneRow([1n], old));
      supersession.endFile();
      supersession.meet(oneRow([1n], now));
      return supersession.close()[0]?.stays;
    };
    assert.equal(stays(text("0a"), text("0b")), false);
    assert.equal(stays(text("0b"), text("0a")), true);
    assert.equal(stays(text("0a"), text("0a")), false);
    assert.equal(stays([2n ** 62n, 0n], text("0a")), false);
    assert.equal(stays(text("0a"), [2n ** 62n, 0n]), true);
    // Longer texts can't be compared: the file stays.
    assert.equal(stays(text("a".repeat(33)), text("b".repeat(33))), true);
  });

  test("keys of several columns differ where their values meet at another place", () => {
    const supersession = new Supersession(1);
    supersession.add(oneRow([Buffer.from("ab"), Buffer.from("c")], []));
    supersession.endFile();
    supersession.meet(oneRow([Buffer.from("a"), Buffer.from("bc")], []));
    assert.deepEqual(supersession.close(), [{ lost: 1, stays: true }]);
  });

  test("property: the highest place of no key falls, and what is said to be lost is lost", () => {
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 4 }), rows, (files, batch) => {
        const remains = judge(files, batch);
        const staying = files.filter((_, index) => remains[index]?.stays);
        const before = current([...files, batch]);
        const after = current([...staying, batch]);
        assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
        for (const [key, old] of before) {
          const now = after.get(key);
          assert.ok(now && compareReadings(now, old) === 0, `${key} fell`);
        }
        const inBatch = new Set(batch.map(({ key }) => key));
        const lost = new Set(files.flat().flatMap(({ key }) => (inBatch.has(key) ? [] : [key])));
        if (lost.size === 0)
          assert.equal(
            remains.reduce((sum, one) => sum + one.lost, 0),
            0,
          );
        else assert.ok(remains.reduce((sum, one) => sum + one.lost, 0) >= lost.size);
      }),
      { numRuns: 500 },
    );
  });

  test("many rows are found again, and no others", () => {
    const many = (from: number): Row[] => Array.from({ length: 50_000 }, (_, at) => row(`session-${from + at}`, 1n));
    assert.deepEqual(judge([many(0)], many(0), 100), [{ lost: 0, stays: false }]);
    assert.deepEqual(judge([many(0)], many(20_000), 50_000), [{ lost: 20_000, stays: true }]);
  });
});
