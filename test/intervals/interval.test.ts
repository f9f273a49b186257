import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { firstUncovered, gaps, union } from "../../src/intervals/coverage.ts";
import {
  compactTime,
  contains,
  interval,
  intervalName,
  overlaps,
  parseIntervalName,
} from "../../src/intervals/interval.ts";
import { aRange, aSecond, someCoverage } from "./arbitraries.ts";

suite("an interval", () => {
  test("an interval must not be empty, reversed, or have a fraction of a second", () => {
    assert.throws(() => interval("2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z"), /not a data interval/);
    assert.throws(() => interval("2026-10-02", "2026-10-01"), /not a data interval/);
    assert.throws(() => interval("2026-10-01T00:00:00.5Z", "2026-10-02"), /not a data interval/);
    assert.throws(() => interval("soon", "later"), /not a data interval/);
  });

  test("an interval's name can be parsed, and sorts by time", () => {
    fc.assert(
      fc.property(aRange, aRange, (one, other) => {
        assert.deepEqual(parseIntervalName(intervalName(one)), one);
        if (one.start < other.start) assert.ok(intervalName(one) < intervalName(other));
      }),
    );
  });

  for (const wrong of [
    "",
    "20261001T000000Z",
    "20261001T000000Z_20261001T000000Z",
    "20261301T000000Z_20261401T000000Z",
    "20261001T000000Z_20261002T000000Z_x",
  ]) {
    test(`"${wrong}" is no name of an interval`, () => assert.equal(parseIntervalName(wrong), undefined));
  }

  test("adjacent intervals don't overlap, because the end is excluded", () => {
    const noon = new Date("2026-10-01T12:00:00Z");
    const before = interval("2026-10-01T00:00:00Z", noon);
    const after = interval(noon, "2026-10-02T00:00:00Z");
    assert.ok(!overlaps(before, after));
    assert.ok(contains(before, before));
    assert.equal(compactTime(noon), "20261001T120000Z");
  });
});

suite("sets of time", () => {
  test("gaps and covered time together are exactly the range", () => {
    fc.assert(
      fc.property(aRange, someCoverage, (range, receipts) => {
        const covered = receipts.map((one) => one.interval);
        const open = gaps(range, covered);
        for (const gap of open) assert.ok(covered.every((one) => !overlaps(one, gap)));
        const inside = covered.filter((one) => overlaps(one, range));
        const joined = union([...open, ...inside]);
        assert.ok(joined.some((one) => contains(one, range)));
      }),
    );
  });

  test("a union joins adjacent intervals and keeps their total", () => {
    fc.assert(
      fc.property(someCoverage, (receipts) => {
        const joined = union(receipts.map((one) => one.interval));
        for (const [index, one] of joined.entries()) {
          const next = joined[index + 1];
          if (next) assert.ok(one.end < next.start);
        }
        for (const { interval: one } of receipts) assert.ok(joined.some((whole) => contains(whole, one)));
      }),
    );
  });

  test("everything before the first uncovered time is covered, and that time isn't", () => {
    fc.assert(
      fc.property(aSecond, someCoverage, (from, receipts) => {
        const covered = receipts.map((one) => one.interval);
        const until = firstUncovered(from, covered);
        assert.ok(covered.every((one) => !(one.start <= until && until < one.end)));
        if (until > from) assert.deepEqual(gaps({ start: from, end: until }, covered), []);
      }),
    );
  });
});
