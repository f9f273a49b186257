/** Random schedules, ranges and receipts; the zones change their clocks in March, April, October and November. */
import fc from "fast-check";
import type { Interval } from "../../src/intervals/interval.ts";
import type { Covered } from "../../src/intervals/watermark.ts";
import { type Schedule, parseSchedule } from "../../src/intervals/schedule.ts";

const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Asia/Kolkata", "Australia/Lord_Howe"];
const RULES = [
  "@hourly",
  "@daily",
  "@weekly",
  "every 5 minutes",
  "every 15 minutes",
  "30 2 * * *",
  "17 */6 * * 1-5",
  "0 0 1 * *",
];

export const aSchedule: fc.Arbitrary<Schedule> = fc
  .tuple(fc.constantFrom(...RULES), fc.constantFrom(...ZONES))
  .map(([rule, zone]) => parseSchedule(rule, zone));

export const aSecond: fc.Arbitrary<Date> = fc
  .integer({ min: Date.UTC(2026, 2, 20) / 1000, max: Date.UTC(2026, 3, 10) / 1000 })
  .map((seconds) => new Date(seconds * 1000));

/** Up to five days around the change of clocks in spring. */
export const aRange: fc.Arbitrary<Interval> = fc
  .tuple(aSecond, fc.integer({ min: 1, max: 5 * 86_400 }))
  .map(([start, seconds]) => ({ start, end: new Date(start.getTime() + seconds * 1000) }));

/** A receipt that was read and committed so many milliseconds after its interval's end. */
export function readLate(interval: Interval, ms: number, watermark?: Date): Covered {
  const at = new Date(interval.end.getTime() + ms);
  return { interval, readAt: at, watermark, committedAt: at };
}

export const someCoverage: fc.Arbitrary<Covered[]> = fc.array(
  fc.tuple(aRange, fc.integer({ min: 0, max: 3 * 86_400 })).map(([interval, late]) => readLate(interval, late * 1000)),
  { maxLength: 12 },
);
