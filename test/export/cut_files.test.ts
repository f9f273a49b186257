/** How a batch is cut into files: no key is lost between two parts, and none is in two. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { filesFor, partsBetween } from "../../src/export/cut_files.ts";
import type { Part } from "../../src/models/model.ts";

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
/** As ClickHouse compares: by bytes. */
const holds = ({ from, until }: Part, key: string): boolean =>
  (from === undefined || compare(key, from) >= 0) && (until === undefined || compare(key, until) < 0);

// Of few letters, so that cuts and keys meet; with one that UTF-16 sorts before another while bytes sort it behind.
const aKey = fc.string({ unit: fc.constantFrom("", "0", "a", "\u{ff5e}", "\u{1f600}"), maxLength: 4 });

suite("the parts of a batch", () => {
  test("any key is in exactly one part of a batch, whatever the cuts", () => {
    fc.assert(
      fc.property(fc.array(aKey, { maxLength: 6 }), fc.array(aKey, { minLength: 1, maxLength: 10 }), (cuts, keys) => {
        const parts = partsBetween(cuts);
        for (const key of [...keys, ...cuts]) assert.equal(parts.filter((part) => holds(part, key)).length, 1, key);
        assert.deepEqual(
          parts.map(({ index, of }) => [index, of]),
          parts.map((_, index) => [index, parts.length]),
        );
      }),
    );
  });

  test("every cut above the one before it is used", () => {
    fc.assert(
      fc.property(fc.uniqueArray(aKey, { maxLength: 6 }), (keys) => {
        const cuts = keys.toSorted(compare);
        assert.equal(partsBetween(cuts).length, cuts.length + 1);
      }),
    );
  });

  for (const [sessions, rowsPerFile, files] of [
    [0, 500_000, 0],
    [1, 500_000, 1],
    [500_000, 500_000, 1],
    [524_999, 500_000, 1],
    [530_000, 500_000, 2],
    [1_002_269, 500_000, 2],
    [3, 2, 2],
    [1, 1, 1],
    [100, 1, 100],
  ] as const) {
    test(`${sessions} sessions at ${rowsPerFile} rows per file make ${files} files`, () => {
      assert.equal(filesFor(sessions, rowsPerFile), files);
    });
  }
});
