import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { gaps } from "../../src/intervals/coverage.ts";
import { type DueQuestion, due } from "../../src/intervals/due.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { type Covered, isOpen, standing } from "../../src/intervals/watermark.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const QUIET = 3 * HOUR;
const START = Date.UTC(2026, 9, 1);
const at = (hours: number): Date => new Date(START + hours * HOUR);

/** An interval of hours that was read, and how far the source was then. */
function read(from: number, to: number, when: number, watermark: number | undefined): Covered {
  const seen = watermark === undefined ? undefined : at(watermark);
  return { interval: { start: at(from), end: at(to) }, readAt: at(when), watermark: seen, committedAt: at(when) };
}

/** The starts of the intervals that are due again at that hour. */
function again(covered: readonly Covered[], now: number, quiet = QUIET): number[] {
  const kept = standing(covered, quiet, at(now));
  return covered.filter((one) => !kept.includes(one)).map(({ interval }) => (interval.start.getTime() - START) / HOUR);
}

suite("an interval that was read before the source had shown a row at its end", () => {
  test("is not due again while the source is silent", () => {
    const covered = [read(0, 1, 1.1, 0.5), read(1, 2, 2.1, 0.5), read(2, 3, 3.1, 0.5)];
    assert.deepEqual(again(covered, 3.9), []);
  });

  test("is due again once a later read has shown a later row", () => {
    const covered = [read(0, 1, 1.1, 0.5), read(1, 2, 2.1, 1.9)];
    assert.deepEqual(again(covered, 2.2), [0]);
  });

  test("is not due again once it was read behind that row", () => {
    const covered = [read(0, 1, 2.2, 1.9), read(1, 2, 2.1, 1.9)];
    assert.deepEqual(again(covered, 2.3), []);
  });

  test("is not due again while the rows that come are of earlier hours", () => {
    const covered = [read(0, 1, 1.1, 0.5), read(5, 6, 6.1, 0.5), read(6, 7, 7.1, 4.5)];
    assert.deepEqual(again(covered, 7.2), [0]);
  });

  test("is due again after an outage of days, however late it was read", () => {
    const covered = [read(0, 24, 60, 10), read(60, 66, 66.1, 65.9)];
    assert.deepEqual(again(covered, 66.2), [0]);
  });

  test("is due again after quiet_after where nothing was read since", () => {
    const covered = [read(0, 24, 24.1, 23.5)];
    assert.deepEqual(again(covered, 26.9), []);
    assert.deepEqual(again(covered, 27), [0]);
    assert.deepEqual(again([read(0, 24, 27, 23.5)], 27.5), []);
  });

  test("is never due again for quiet_after alone where it is 0", () => {
    assert.deepEqual(again([read(0, 24, 24.1, 23.5)], 400, 0), []);
  });

  test("is due again where the source showed no row at all and then has some", () => {
    const empty = Number(new Date(0)) - START;
    const covered = [read(0, 1, 1.1, empty / HOUR), read(1, 2, 2.1, 1.9)];
    assert.deepEqual(again(covered, 2.2), [0]);
  });
});

test("an interval counts as read once the source has shown a row at its end, and not a second before it", () => {
  const end = 1;
  const second = 1 / 3600;
  assert.deepEqual(
    [end - second, end, end + second].map((seen) => isOpen(read(0, end, 1.1, seen))),
    [true, false, false],
  );
});

test("a lake that was restored with old times is read as it was", () => {
  const one = { ...read(0, 1, 1.1, 1.05), committedAt: new Date(0) };
  assert.deepEqual(again([one], 1.2), []);
  assert.deepEqual(again([{ ...one, watermark: undefined }], 1.2), [0]);
});

test("an interval without a watermark, of a user's SELECT or an earlier version, is never due again", () => {
  assert.deepEqual(again([read(0, 1, 1.1, undefined), read(1, 2, 2.1, 2.05)], 400), []);
});

/** A source whose rows become visible late: all of an hour at once, `lateHours` after the hour. */
interface Installation {
  /** By hour: whether it has sessions, and how late they become visible. */
  readonly hours: readonly { readonly busy: boolean; readonly lateHours: number }[];
  readonly schedule: string;
  readonly daily: boolean;
}

const anInstallation: fc.Arbitrary<Installation> = fc.record({
  hours: fc.array(fc.record({ busy: fc.boolean(), lateHours: fc.constantFrom(0, 0, 0, 1, 5, 30) }), {
    minLength: 1,
    maxLength: 60,
  }),
  schedule: fc.constantFrom("@hourly", "every 15 minutes", "0 */6 * * *", "@daily"),
  daily: fc.boolean(),
});

/** When the last row of each busy hour becomes visible, and its `_timestamp`. */
function rowsOf({ hours }: Installation): { readonly stamp: number; readonly visible: number }[] {
  let behind = START;
  return hours.flatMap(({ busy, lateHours }, hour) => {
    if (!busy) return [];
    const stamp = START + (hour + 0.9) * HOUR;
    // The consumer reads Kafka in order.
    behind = Math.max(behind, stamp + lateHours * HOUR);
    return [{ stamp, visible: behind }];
  });
}

interface Outcome {
  readonly covered: readonly Covered[];
  /** How many intervals were loaded. */
  readonly loads: number;
  /** `_timestamp`s that a read has found. */
  readonly found: ReadonlySet<number>;
}

/** Asks every `stepMs` until `until`, and loads what is due until nothing is. */
function live(installation: Installation, stepMs: number, until: number): Outcome {
  const rows = rowsOf(installation);
  const sweep = installation.daily ? { schedule: parseSchedule("@daily"), afterMs: 24 * HOUR } : undefined;
  const asked: Omit<DueQuestion, "covered" | "now"> = {
    schedule: parseSchedule(installation.schedule),
    start: at(0),
    settleMs: 5 * MINUTE,
    quietAfterMs: QUIET,
    sweep,
  };
  let covered: Covered[] = [];
  let loads = 0;
  const found = new Set<number>();
  const load = (interval: Interval, now: number): void => {
    const visible = rows.filter((row) => row.visible <= now);
    const watermark = new Date(Math.max(0, ...visible.map(({ stamp }) => stamp)));
    for (const { stamp } of visible)
      if (stamp >= interval.start.getTime() && stamp < interval.end.getTime()) found.add(stamp);
    // A longer batch replaces shorter ones.
    covered = covered.filter((one) => one.interval.start < interval.start || one.interval.end > interval.end);
    covered.push({ interval, readAt: new Date(now), watermark, committedAt: new Date(now) });
    loads += 1;
  };
  for (let time = START; time <= until; time += stepMs) {
    let now = time;
    for (let round = 0; round < 10; round += 1) {
      const next = due({ ...asked, covered, now: new Date(now) });
      if (next.length === 0) break;
      assert.ok(round < 9, "what is due does not end");
      for (const interval of next) {
        now += 1;
        load(interval, now);
      }
    }
  }
  return { covered, loads, found };
}

suite("properties of reading again", () => {
  const end = START + 130 * HOUR;

  test("every row that became visible before the source showed its interval's end is found, by nobody's help", () => {
    fc.assert(
      fc.property(anInstallation, (installation) => {
        const last = START + 100 * HOUR;
        const busy = { ...installation, hours: [...installation.hours, { busy: true, lateHours: 0 }] };
        const { found } = live(busy, 30 * MINUTE, end);
        for (const { stamp, visible } of rowsOf(busy)) if (visible < last) assert.ok(found.has(stamp));
      }),
      { numRuns: 15 },
    );
  });

  test("an installation that stays silent reads each interval twice at most, and its sweeps", () => {
    fc.assert(
      fc.property(anInstallation, (installation) => {
        const silent = { ...installation, hours: [] };
        const { covered, loads } = live(silent, 30 * MINUTE, end);
        assert.ok(covered.every(isOpen));
        const intervals =
          live(silent, 130 * HOUR, START).loads + 130 * (installation.schedule.startsWith("every") ? 4 : 1);
        assert.ok(loads <= 2 * intervals + 6, `${loads} loads`);
      }),
      { numRuns: 10 },
    );
  });

  test("freshness does not depend on the watermark: what has ended and settled has been read", () => {
    fc.assert(
      fc.property(anInstallation, (installation) => {
        const { covered } = live(installation, 30 * MINUTE, end);
        const open = gaps(
          { start: at(0), end: new Date(end - 24 * HOUR) },
          covered.map(({ interval }) => interval),
        );
        assert.deepEqual(open, []);
      }),
      { numRuns: 10 },
    );
  });
});
