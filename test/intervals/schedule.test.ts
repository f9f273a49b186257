import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ReplayportError } from "../../src/errors.ts";
import { cut } from "../../src/intervals/due.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { aRange, aSchedule } from "./arbitraries.ts";

const ticks = (text: string, timezone: string, from: string, count: number): string[] => {
  const schedule = parseSchedule(text, timezone);
  const found: string[] = [];
  for (let at = new Date(from); found.length < count;) {
    const next = schedule.next(at);
    assert.ok(next);
    found.push(next.toISOString().slice(0, 16));
    at = next;
  }
  return found;
};

suite("a schedule", () => {
  test("@hourly ticks at each hour, in any time zone and across clock changes", () => {
    assert.deepEqual(ticks("@hourly", "Europe/Berlin", "2026-10-24T23:30:00Z", 4), [
      "2026-10-25T00:00",
      "2026-10-25T01:00",
      "2026-10-25T02:00",
      "2026-10-25T03:00",
    ]);
  });

  test("@daily ticks at local midnight: a day of 25 hours in autumn, of 23 in spring", () => {
    assert.deepEqual(ticks("@daily", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), [
      "2026-10-24T22:00",
      "2026-10-25T23:00",
    ]);
    assert.deepEqual(ticks("@daily", "Europe/Berlin", "2026-03-28T12:00:00Z", 2), [
      "2026-03-28T23:00",
      "2026-03-29T22:00",
    ]);
  });

  test("a tick in a skipped hour comes with the clock change, and one in a repeated hour comes once", () => {
    assert.deepEqual(ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2), [
      "2026-03-29T01:00",
      "2026-03-30T00:30",
    ]);
    assert.deepEqual(ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), [
      "2026-10-25T00:30",
      "2026-10-26T01:30",
    ]);
  });

  test("@weekly begins on Monday, @monthly on the first", () => {
    assert.deepEqual(ticks("@weekly", "UTC", "2026-10-01T00:00:00Z", 2), ["2026-10-05T00:00", "2026-10-12T00:00"]);
    assert.deepEqual(ticks("@monthly", "UTC", "2026-01-31T00:00:00Z", 2), ["2026-02-01T00:00", "2026-03-01T00:00"]);
  });

  test("every 15 minutes ticks four times an hour", () => {
    assert.deepEqual(ticks("every 15 minutes", "UTC", "2026-10-01T00:07:00Z", 2), [
      "2026-10-01T00:15",
      "2026-10-01T00:30",
    ]);
  });

  for (const wrong of [
    "",
    "hourly",
    "@fortnightly",
    "every 7 minutes",
    "every 0 minutes",
    "61 * * * *",
    "* * * *",
    "* * * * * *",
    "0 0 30 2 *",
  ]) {
    test(`"${wrong}" is refused, with what to write instead`, () => {
      assert.throws(
        () => parseSchedule(wrong),
        (error) =>
          error instanceof ReplayportError && error.code === "schedule.invalid" && /@hourly/.test(error.hint ?? ""),
      );
    });
  }

  test("a schedule with an unknown time zone is refused", () => {
    assert.throws(() => parseSchedule("@daily", "Europe/Atlantis"), /not a schedule/);
  });

  test("ticks only move forward, and divide any range without gap or overlap", () => {
    fc.assert(
      fc.property(aSchedule, aRange, (schedule, range) => {
        let at = range.start;
        for (const piece of cut(range, schedule, true)) {
          assert.equal(piece.start.getTime(), at.getTime());
          assert.ok(piece.end > piece.start);
          assert.equal(piece.end.getTime() % 1000, 0);
          at = piece.end;
        }
        assert.equal(at.getTime(), range.end.getTime());
      }),
    );
  });
});
