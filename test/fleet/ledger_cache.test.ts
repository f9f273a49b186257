import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { Coverage, Destination } from "../../destinations/destination.ts";
import { due } from "../../src/intervals/due.ts";
import { overlaps } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { compact, Ledgers } from "../../src/fleet/scheduler/ledger_cache.ts";
import { REPLAYS } from "../support/definitions.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2026, 9, 1);
const never = new AbortController().signal;
const at = (hours: number): Date => new Date(START + hours * HOUR);
const sweep = { schedule: parseSchedule("@daily"), afterMs: 24 * HOUR };
const hourly = { schedule: parseSchedule("@hourly"), start: at(0), settleMs: HOUR / 2, quietAfterMs: 3 * HOUR };

/** Read so many hours after the start; with a watermark up to there. */
function receipt(from: number, to: number, read: number, watermark?: number): Coverage {
  const seen = watermark === undefined ? undefined : at(watermark);
  return { interval: { start: at(from), end: at(to) }, readAt: at(read), watermark: seen, committedAt: at(read) };
}

/** Of whole hours of four days, read up to three days late, by a source that is up to three hours behind. */
const someReceipt = fc
  .tuple(
    fc.integer({ min: 0, max: 95 }),
    fc.constantFrom(1, 1, 1, 2, 24),
    fc.constantFrom(-0.2, 0.1, 0.5, 1, 5, 23.9, 24, 24.5, 60),
    fc.option(fc.constantFrom(0, 0.05, 1, 3, 10, 30), { nil: undefined, freq: 3 }),
  )
  .map(([from, hours, late, behind]) => {
    const read = from + hours + late;
    return receipt(from, from + hours, read, behind === undefined ? undefined : read - behind);
  });

suite("a ledger in memory", () => {
  test("has the same due as the receipts that it was made of", () => {
    const question = fc.record({
      covered: fc.array(someReceipt, { maxLength: 60 }),
      now: fc.integer({ min: 180, max: 260 }),
      audited: fc.option(fc.integer({ min: 0, max: 180 }), { nil: undefined }),
      lacking: fc.array(fc.integer({ min: 0, max: 95 }), { maxLength: 3 }),
      isSwept: fc.boolean(),
    });
    fc.assert(
      fc.property(question, ({ covered, now, audited, lacking, isSwept }) => {
        const found = audited === undefined || isSwept ? [] : lacking;
        const rest = {
          ...hourly,
          sweep: isSwept ? sweep : undefined,
          now: at(now),
          lacking: found.map((hour) => ({
            interval: { start: at(hour), end: at(hour + 1) },
            foundAt: at(audited ?? 0),
          })),
        };
        const joined = compact(covered, rest.sweep, audited === undefined ? undefined : at(audited));
        assert.deepEqual(due({ ...rest, covered: joined }), due({ ...rest, covered }));
      }),
      { numRuns: 500 },
    );
  });

  test("is two entries for a month of swept days and of hours that wait for their sweep", () => {
    const days = Array.from({ length: 29 }, (_, day) => receipt(24 * day, 24 * day + 24, 24 * day + 48.1));
    const hours = Array.from({ length: 24 * 2 }, (_, hour) => receipt(696 + hour, 697 + hour, 697.1 + hour));
    const joined = compact([...hours, ...days], sweep);
    assert.deepEqual(
      joined.map(({ interval }) => interval),
      [
        { start: at(0), end: at(696) },
        { start: at(696), end: at(744) },
      ],
    );
    const swept = compact([...joined, receipt(696, 720, 744.1)], sweep);
    assert.equal(swept.length, 2, "a sweep doesn't cut what waits for another one");
  });

  test("doesn't join receipts of a replica that was behind, which would hide from an open interval that its rows may have come", () => {
    const covered = [receipt(0, 1, 5, 5), receipt(1, 2, 7, 2.2), receipt(2, 3, 4, 2.5)];
    const question = { ...hourly, quietAfterMs: 300 * HOUR, sweep: undefined, now: at(7.1) };
    assert.deepEqual(due({ ...question, covered: compact(covered, undefined) }), due({ ...question, covered }));
  });

  test("misses again what somebody has removed from the middle of an entry", async () => {
    const definition = { ...REPLAYS, sweep };
    let kept = Array.from({ length: 10 }, (_, hour) => receipt(hour, hour + 1, hour + 1.1));
    const destination: Pick<Destination, "covered"> = {
      covered: async function* within(range) {
        for (const one of kept) if (overlaps(one.interval, range)) yield one;
      },
    };
    const ledgers = new Ledgers();
    await ledgers.readAll(definition, destination as Destination, at(11), never);
    assert.equal(ledgers.get(definition.name)?.length, 1);
    kept = kept.filter((_, hour) => hour !== 5);
    await ledgers.readRange(definition, destination as Destination, { start: at(4), end: at(12) }, at(12), never);
    assert.deepEqual(
      ledgers.get(definition.name)?.map(({ interval }) => interval),
      [
        { start: at(0), end: at(5) },
        { start: at(6), end: at(10) },
      ],
    );
  });
});
