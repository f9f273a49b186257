/** Schedules that remember: for any rule and any moments, they tick as the rule does. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { ScheduleCache } from "../../src/fleet/scheduler/schedule_cache.ts";
import { REPLAYS } from "../support/definitions.ts";

const aRule = fc.constantFrom("@hourly", "@daily", "every 15 minutes", "30 2 * * *", "0 0 31 * *");
const aZone = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York");
const aMoment = fc.integer({ min: Date.UTC(2026, 2, 28), max: Date.UTC(2026, 10, 2) });

suite("a schedule that remembers", () => {
  test("a cached schedule gives the same times as its rule, however often it is asked", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(aRule, aZone)), fc.array(aMoment, { maxLength: 5 }), (rules, moments) => {
        const cache = new ScheduleCache();
        for (const [text, zone] of [...rules, ...rules]) {
          const plain = parseSchedule(text, zone);
          const sweep = { schedule: plain, afterMs: 0 };
          const { schedule, sweep: cachedSweep } = cache.wrap({ ...REPLAYS, schedule: plain, sweep });
          assert.deepEqual([schedule.text, schedule.timezone], [text, zone]);
          for (const at of moments) {
            const expected = plain.next(new Date(at));
            assert.deepEqual(schedule.next(new Date(at)), expected);
            assert.deepEqual(cachedSweep?.schedule.next(new Date(at)), expected);
          }
        }
      }),
    );
  });
});
