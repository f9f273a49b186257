import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { gaps, union } from "../../src/intervals/coverage.ts";
import {
  type BackfillQuestion,
  type Density,
  type Join,
  expectedRows,
  planBackfill,
} from "../../src/intervals/backfill.ts";
import { type Interval, overlaps } from "../../src/intervals/interval.ts";
import { parseSchedule, unitSchedule } from "../../src/intervals/schedule.ts";
import { aRange, aSchedule, someCoverage } from "./arbitraries.ts";

const HOUR = 3_600_000;
const at = (text: string): Date => new Date(`2026-10-${text}:00Z`);
const span = (start: string, end: string): Interval => ({ start: at(start), end: at(end) });
const show = (intervals: readonly Interval[]): string[] =>
  intervals.map(({ start, end }) => `${start.toISOString().slice(8, 16)} ${end.toISOString().slice(8, 16)}`);
const hourly = parseSchedule("@hourly");
const perHour = (range: Interval, rows: number): Density[] => {
  const stretches: Density[] = [];
  for (let ms = range.start.getTime(); ms < range.end.getTime(); ms += HOUR) {
    stretches.push({ interval: { start: new Date(ms), end: new Date(ms + HOUR) }, rows });
  }
  return stretches;
};
const question = (over: Partial<BackfillQuestion>): BackfillQuestion => ({
  range: span("01T00:00", "03T00:00"),
  schedule: hourly,
  settleMs: 0,
  now: at("20T00:00"),
  covered: [],
  force: false,
  join: { kind: "fixed", schedule: unitSchedule("day", "UTC") },
  ...over,
});
const byRows = (maxRows: number, density: Density[], within = unitSchedule("day", "UTC")): Join => ({
  kind: "rows",
  maxRows,
  within,
  density,
});

suite("the plan of a backfill", () => {
  test("a backfill is cut at the requested unit, and at receipts", () => {
    assert.deepEqual(show(planBackfill(question({}))), ["01T00:00 02T00:00", "02T00:00 03T00:00"]);
    const covered = [span("01T05:00", "01T07:00")];
    assert.deepEqual(show(planBackfill(question({ covered }))), [
      "01T00:00 01T05:00",
      "01T07:00 02T00:00",
      "02T00:00 03T00:00",
    ]);
  });

  test("a backfill joins intervals up to the row limit, within a day", () => {
    const range = span("01T00:00", "03T00:00");
    const small = planBackfill(question({ range, join: byRows(1000, perHour(range, 10)) }));
    assert.deepEqual(show(small), ["01T00:00 02T00:00", "02T00:00 03T00:00"]);
    const large = planBackfill(question({ range, join: byRows(100, perHour(range, 30)) }));
    assert.equal(large.length, 16);
    assert.deepEqual(show(large).slice(0, 2), ["01T00:00 01T03:00", "01T03:00 01T06:00"]);
  });

  test("an interval with more rows than one file is not joined", () => {
    const range = span("01T00:00", "01T03:00");
    assert.equal(planBackfill(question({ range, join: byRows(5, perHour(range, 100)) })).length, 3);
  });

  test("empty intervals are joined too, so that they get a receipt", () => {
    assert.deepEqual(show(planBackfill(question({ join: byRows(10, [], unitSchedule("month", "UTC")) }))), [
      "01T00:00 03T00:00",
    ]);
  });

  test("a backfill ends before the first interval that hasn't settled", () => {
    const plan = planBackfill(question({ now: at("01T02:30"), settleMs: HOUR / 4 }));
    assert.deepEqual(show(plan), ["01T00:00 01T02:00"]);
    assert.deepEqual(planBackfill(question({ now: at("01T00:30") })), []);
  });

  test("a forced backfill never cuts a receipt in two", () => {
    const covered = [span("01T12:00", "02T12:00")];
    const range = span("01T18:00", "02T06:00");
    assert.deepEqual(planBackfill(question({ range, covered })), []);
    assert.deepEqual(show(planBackfill(question({ range, covered, force: true }))), ["01T12:00 02T12:00"]);
  });

  test("expected rows of an hour are divided in proportion to the time covered", () => {
    assert.equal(expectedRows(span("01T00:30", "01T02:00"), perHour(span("01T00:00", "01T04:00"), 100)), 150);
  });

  test("expected rows count every hour that overlaps, and no other", () => {
    const from = at("01T00:00").getTime();
    const someStretches = fc
      .array(fc.record({ gap: fc.nat(3), hours: fc.integer({ min: 1, max: 3 }), rows: fc.nat(50) }), { maxLength: 12 })
      .map((items) => {
        let end = from;
        return items.map(({ gap, hours, rows }): Density => {
          const start = end + gap * HOUR;
          end = start + hours * HOUR;
          return { interval: { start: new Date(start), end: new Date(end) }, rows: rows * hours };
        });
      });
    fc.assert(
      fc.property(
        someStretches,
        fc.integer({ min: -5, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (density, skip, hours) => {
          const of = { start: new Date(from + skip * HOUR), end: new Date(from + (skip + hours) * HOUR) };
          let rows = 0;
          for (let hour = of.start.getTime(); hour < of.end.getTime(); hour += HOUR) {
            for (const { interval, rows: held } of density) {
              const inside = interval.start.getTime() <= hour && hour < interval.end.getTime();
              if (inside) rows += held / ((interval.end.getTime() - interval.start.getTime()) / HOUR);
            }
          }
          assert.equal(expectedRows(of, density), rows);
        },
      ),
    );
  });
});

const aJoin: fc.Arbitrary<Join> = fc.oneof(
  fc
    .constantFrom(...(["hour", "day", "week", "month"] as const))
    .map((unit): Join => ({ kind: "fixed", schedule: unitSchedule(unit, "Europe/Berlin") })),
  fc
    .tuple(fc.integer({ min: 1, max: 1000 }), aRange, fc.integer({ min: 0, max: 500 }))
    .map(([maxRows, range, rows]) => byRows(maxRows, perHour(range, rows))),
);

const aQuestion: fc.Arbitrary<BackfillQuestion> = fc
  .record({
    range: aRange,
    schedule: aSchedule,
    settleMs: fc.constantFrom(0, 300_000),
    covered: someCoverage,
    force: fc.boolean(),
    join: aJoin,
    late: fc.integer({ min: -2 * 86_400, max: 86_400 }),
  })
  .map(({ covered, late, ...rest }) => ({
    ...rest,
    covered: covered.map((one) => one.interval),
    now: new Date(rest.range.end.getTime() + late * 1000),
  }));

suite("properties of the plan", () => {
  test("planned intervals are sorted, disjoint and settled", () => {
    fc.assert(
      fc.property(aQuestion, (asked) => {
        const plan = planBackfill(asked);
        for (const [index, one] of plan.entries()) {
          assert.ok(one.start < one.end);
          const next = plan[index + 1];
          if (next) assert.ok(one.end <= next.start);
          if (!asked.force) assert.ok(one.end.getTime() <= asked.now.getTime() - asked.settleMs);
        }
      }),
    );
  });

  test("a backfill without force plans exactly the gaps of a settled range", () => {
    fc.assert(
      fc.property(aQuestion, (asked) => {
        const settled = { ...asked, force: false, now: new Date(asked.range.end.getTime() + asked.settleMs) };
        assert.deepEqual(union(planBackfill(settled)), gaps(asked.range, asked.covered));
      }),
    );
  });

  test("a backfill with force covers the range, and cuts no receipt in two", () => {
    fc.assert(
      fc.property(aQuestion, (asked) => {
        const forced = { ...asked, force: true, now: new Date(asked.range.end.getTime() + asked.settleMs) };
        const plan = planBackfill(forced);
        assert.deepEqual(gaps(asked.range, plan), []);
        for (const receipt of asked.covered) {
          const touching = plan.filter((one) => overlaps(one, receipt));
          assert.ok(touching.length <= 1);
        }
      }),
    );
  });
});
