import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { gaps, union } from "../../src/intervals/coverage.ts";
import { type DueQuestion, due, isSwept } from "../../src/intervals/due.ts";
import { type Interval, overlaps } from "../../src/intervals/interval.ts";
import { type Covered, valid } from "../../src/intervals/watermark.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { aSchedule, aSecond, readLate, someCoverage } from "./arbitraries.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const hourly = parseSchedule("@hourly");
const sweep = { schedule: parseSchedule("@daily"), afterMs: DAY };

const at = (text: string): Date => new Date(`2026-10-${text}:00Z`);
const show = (intervals: readonly Interval[]): string[] =>
  intervals.map(({ start, end }) => `${start.toISOString().slice(8, 16)} ${end.toISOString().slice(8, 16)}`);
const loaded = (start: string, end: string, committed = end): Covered => ({
  interval: { start: at(start), end: at(end) },
  readAt: at(committed),
  committedAt: at(committed),
});
const question = (over: Partial<DueQuestion>): DueQuestion => ({
  schedule: hourly,
  start: at("01T00:00"),
  settleMs: 300_000,
  quietAfterMs: 3 * HOUR,
  sweep: undefined,
  covered: [],
  now: at("01T03:04"),
  ...over,
});

suite("what is due", () => {
  test("every interval that has ended and settled is due, oldest first", () => {
    assert.deepEqual(show(due(question({}))), ["01T00:00 01T01:00", "01T01:00 01T02:00"]);
    assert.deepEqual(show(due(question({ now: at("01T03:05") }))).at(-1), "01T02:00 01T03:00");
  });

  test("nothing is due before the export's start, even if that is in the future", () => {
    assert.deepEqual(due(question({ start: at("02T00:00") })), []);
  });

  test("a start in the middle of an interval makes a short first one", () => {
    assert.deepEqual(show(due(question({ start: at("01T00:20"), now: at("01T02:10") }))), [
      "01T00:20 01T01:00",
      "01T01:00 01T02:00",
    ]);
  });

  test("receipts cover time: a gap between them is due, whatever schedule made them", () => {
    const covered = [loaded("01T00:00", "01T00:30"), loaded("01T02:00", "01T03:00")];
    assert.deepEqual(show(due(question({ covered }))), ["01T00:30 01T01:00", "01T01:00 01T02:00"]);
  });

  test("a schedule that changed from hourly to daily loads the rest of the day once", () => {
    const covered = [loaded("01T00:00", "01T05:00")];
    const daily = question({ schedule: parseSchedule("@daily"), covered, now: at("02T01:00") });
    assert.deepEqual(show(due(daily)), ["01T05:00 02T00:00"]);
  });

  test("nothing is due after the export's end, which closes its last interval, also for the sweep", () => {
    const ending = { end: at("01T01:30"), now: at("01T06:00") };
    assert.deepEqual(show(due(question(ending))), ["01T00:00 01T01:00", "01T01:00 01T01:30"]);
    assert.deepEqual(show(due(question({ ...ending, now: at("01T01:34") }))), ["01T00:00 01T01:00"]);
    assert.deepEqual(show(due(question({ ...ending, sweep, now: at("03T06:00") }))), ["01T00:00 01T01:30"]);
    const covered = [loaded("01T00:00", "01T01:30", "03T06:00")];
    assert.deepEqual(due(question({ ...ending, sweep, covered, now: at("09T00:00") })), []);
  });

  test("a batch longer than an interval covers all intervals in it", () => {
    assert.deepEqual(due(question({ covered: [loaded("01T00:00", "01T03:00")] })), []);
  });

  test("a limit keeps the oldest intervals", () => {
    assert.deepEqual(show(due(question({ limit: 1 }))), ["01T00:00 01T01:00"]);
  });

  test("a clock that jumps back by minutes asks for nothing twice", () => {
    const covered = [loaded("01T00:00", "01T03:00", "01T03:05")];
    assert.deepEqual(due(question({ covered, now: at("01T02:57") })), []);
  });

  test("an interval that was read before its end is due", () => {
    const covered = [loaded("01T00:00", "01T01:00", "01T00:59")];
    assert.deepEqual(show(due(question({ covered, now: at("01T01:05") }))), ["01T00:00 01T01:00"]);
  });

  test("an interval that was committed before its end is due, whenever it says that it was read", () => {
    const covered = [{ ...loaded("01T00:00", "01T01:00", "01T00:10"), readAt: at("05T00:00") }];
    assert.deepEqual(show(due(question({ covered, now: at("01T01:05") }))), ["01T00:00 01T01:00"]);
  });

  test("an interval whose receipt is from the future is due when it has ended", () => {
    const covered = [loaded("01T00:00", "01T01:00", "05T00:00")];
    assert.deepEqual(show(due(question({ covered, now: at("01T01:05") }))), ["01T00:00 01T01:00"]);
  });

  test("time that somebody else is loading is neither due nor swept", () => {
    const reserved = [{ start: at("01T00:00"), end: at("01T02:00") }];
    assert.deepEqual(show(due(question({ reserved, now: at("01T03:05") }))), ["01T02:00 01T03:00"]);
    assert.deepEqual(due(question({ reserved, sweep: { ...sweep, afterMs: HOUR }, now: at("01T02:59") })), []);
  });
});

suite("a sweep", () => {
  test("a sweep reads a whole day again once it is due, in place of its hours", () => {
    const covered = Array.from({ length: 24 }, (_, hour) => {
      const start = at("01T00:00").getTime() + hour * HOUR;
      return readLate({ start: new Date(start), end: new Date(start + HOUR) }, 400_000);
    });
    const next = loaded("02T00:00", "02T23:00", "02T23:10");
    assert.deepEqual(due(question({ sweep, covered: [...covered, next], now: at("02T23:59") })), []);
    assert.deepEqual(show(due(question({ sweep, covered: [...covered, next], now: at("03T00:00") }))), [
      "01T00:00 02T00:00",
    ]);
  });

  test("a sweep is not due after any read that was late enough", () => {
    const covered = [loaded("01T00:00", "02T00:00", "03T00:00"), loaded("02T00:00", "03T00:00", "03T00:10")];
    assert.deepEqual(due(question({ sweep, covered, now: at("03T00:30") })), []);
    assert.ok(isSwept(covered[0] as Covered, sweep));
    assert.ok(!isSwept(covered[1] as Covered, sweep));
  });

  test("after an outage of days, whole days are due as days and the rest as hours", () => {
    const late = due(question({ sweep, now: at("04T02:30") }));
    assert.deepEqual(show(late).slice(0, 3), ["01T00:00 02T00:00", "02T00:00 03T00:00", "03T00:00 03T01:00"]);
    assert.equal(late.length, 2 + 26);
  });
});

const aQuestion: fc.Arbitrary<DueQuestion> = fc
  .record({
    schedule: aSchedule,
    start: aSecond,
    age: fc.integer({ min: 0, max: 6 * 86_400 }),
    settleMs: fc.constantFrom(0, 300_000, HOUR),
    quietAfterMs: fc.constantFrom(0, 3 * HOUR),
    sweep: fc.option(fc.record({ schedule: aSchedule, afterMs: fc.constantFrom(2 * HOUR, DAY) }), { nil: undefined }),
    covered: someCoverage,
  })
  .map(({ age, ...rest }) => ({ ...rest, now: new Date(rest.start.getTime() + age * 1000) }));

suite("properties of what is due", () => {
  test("due intervals are sorted, disjoint, settled, and after the start", () => {
    fc.assert(
      fc.property(aQuestion, (asked) => {
        const found = due(asked);
        for (const [index, one] of found.entries()) {
          assert.ok(one.start >= asked.start);
          assert.ok(
            one.end.getTime() <= asked.now.getTime() - asked.settleMs ||
              asked.settleMs > (asked.sweep?.afterMs ?? Infinity),
          );
          const next = found[index + 1];
          if (next) assert.ok(one.end <= next.start && !overlaps(one, next));
        }
      }),
    );
  });

  test("without sweeps nothing that is covered is due again", () => {
    fc.assert(
      fc.property(aQuestion, (asked) => {
        for (const one of due({ ...asked, sweep: undefined })) {
          assert.ok(valid(asked.covered, asked.now).every((receipt) => !overlaps(receipt.interval, one)));
        }
      }),
    );
  });

  test("loading what is due leaves nothing due, and no gap up to the last tick", () => {
    fc.assert(
      fc.property(aQuestion, (asked) => {
        // Twice: an hour that is loaded late counts as swept, and may leave a strip of a window before it to be swept.
        let covered = asked.covered;
        for (let round = 0; round < 2; round += 1) {
          const fresh = due({ ...asked, covered }).map((interval) => ({
            interval,
            readAt: asked.now,
            committedAt: asked.now,
          }));
          covered = [...covered, ...fresh];
        }
        assert.deepEqual(due({ ...asked, covered }), []);
        const last = union(covered.map((one) => one.interval)).at(-1)?.end;
        const settled = new Date(asked.now.getTime() - asked.settleMs);
        if (!last || last <= asked.start) return;
        const open = gaps(
          { start: asked.start, end: last < settled ? last : settled },
          covered.map((one) => one.interval),
        );
        // What is open waits for its tick: no tick lies in it.
        for (const gap of open) {
          const tick = asked.schedule.next(gap.start);
          assert.ok(
            tick === undefined || tick > settled,
            `open with a tick in it: ${gap.start.toISOString()} ${gap.end.toISOString()}`,
          );
        }
      }),
    );
  });

  test("running often loads the same time as running once at the end", () => {
    fc.assert(
      fc.property(aQuestion, fc.array(fc.nat({ max: 6 * 86_400 }), { maxLength: 8 }), (asked, moments) => {
        const plain = { ...asked, sweep: undefined, covered: [] };
        let covered: Covered[] = [];
        const times = moments
          .map((seconds) => asked.start.getTime() + seconds * 1000)
          .filter((ms) => ms <= asked.now.getTime())
          .sort((a, b) => a - b);
        for (const ms of [...times, asked.now.getTime()]) {
          const now = new Date(ms);
          covered = [
            ...covered,
            ...due({ ...plain, covered, now }).map((interval) => ({ interval, readAt: now, committedAt: now })),
          ];
        }
        const once = due(plain);
        assert.deepEqual(union(covered.map((one) => one.interval)), union(once));
        assert.equal(covered.length, once.length);
      }),
    );
  });

  test("a limit gives the beginning of the unlimited result", () => {
    fc.assert(
      fc.property(aQuestion, fc.integer({ min: 1, max: 5 }), (asked, limit) => {
        assert.deepEqual(due({ ...asked, limit }), due(asked).slice(0, limit));
      }),
    );
  });

  test("an hour in which an audit found rows lacking is due again, until it was read since", () => {
    const lacking = [{ interval: { start: at("01T01:00"), end: at("01T02:00") }, foundAt: at("01T03:30") }];
    const covered = [loaded("01T00:00", "01T03:00", "01T03:10")];
    const now = at("01T03:40");
    assert.deepEqual(show(due(question({ covered, lacking, now }))), ["01T01:00 01T02:00"]);
    const again = [...covered, loaded("01T01:00", "01T02:00", "01T03:35")];
    assert.deepEqual(due(question({ covered: again, lacking, now })), []);
    assert.deepEqual(due(question({ covered: [loaded("01T00:00", "01T03:00", "01T03:35")], lacking, now })), []);
  });

  test("of time that was swept the sweep's whole window is due again, as far as one receipt covers it", () => {
    const lacking = [{ interval: { start: at("02T05:00"), end: at("02T06:00") }, foundAt: at("20T00:00") }];
    const covered = [loaded("01T00:00", "05T00:00", "10T00:00")];
    const asked = question({ sweep, covered, lacking, now: at("05T00:01") });
    assert.deepEqual(show(due({ ...asked, now: at("20T00:01") })).slice(0, 1), ["02T00:00 03T00:00"]);
  });

  test("whatever audits found, time that was read since or that they did not name stays covered", () => {
    fc.assert(
      fc.property(aSchedule, someCoverage, aSecond, aSecond, (schedule, covered, found, from) => {
        const now = at("30T00:00");
        const interval = { start: from, end: new Date(from.getTime() + HOUR) };
        const asked = question({ schedule, covered, now, quietAfterMs: 1e12 });
        const before = due(asked);
        // Most are due either way: comparing each with each would take minutes.
        const starts = new Set(before.map(({ start }) => start.getTime()));
        const lacking = [{ interval, foundAt: found }];
        for (const one of due({ ...asked, lacking })) {
          const isNew = !starts.has(one.start.getTime()) && !before.some((other) => overlaps(one, other));
          if (isNew) assert.ok(covered.some((receipt) => overlaps(receipt.interval, one) && receipt.readAt < found));
        }
      }),
    );
  });
});
