import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { lateness } from "../../src/intervals/lateness.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";

const at = (text: string): Date => new Date(`2026-10-${text}:00Z`);
const of = (schedule: string, end?: Date) => ({
  schedule: parseSchedule(schedule),
  settleMs: 300_000,
  start: at("01T00:00"),
  end,
});

suite("lateness", () => {
  test("an hourly export is late from when its first open interval became due", () => {
    const late = (now: string) => lateness(of("@hourly"), at("01T03:00"), at(now));
    assert.deepEqual(late("01T03:30"), { lateSeconds: 0, nextAt: at("01T04:05") });
    assert.deepEqual(late("01T04:15"), { lateSeconds: 600, nextAt: at("01T05:05") });
    assert.deepEqual(late("01T09:05"), { lateSeconds: 5 * 3600, nextAt: at("01T10:05") });
  });

  test("a daily export isn't late all day, and an export that has loaded nothing is late from its first interval on", () => {
    assert.equal(lateness(of("@daily"), at("01T00:00"), at("01T23:59")).lateSeconds, 0);
    assert.equal(lateness(of("@daily"), undefined, at("02T00:06")).lateSeconds, 60);
  });

  test("an export that starts later isn't late, and its first interval is the next", () => {
    const future = { ...of("@hourly"), start: at("09T00:00") };
    assert.deepEqual(lateness(future, undefined, at("01T00:00")), { lateSeconds: 0, nextAt: at("09T01:05") });
  });

  test("an export that is loaded up to its end is never late again; until then its end is a tick", () => {
    const ending = of("@hourly", at("01T03:30"));
    assert.deepEqual(lateness(ending, at("01T03:30"), at("09T00:00")), { lateSeconds: 0, nextAt: undefined });
    assert.equal(lateness(ending, at("01T03:00"), at("01T03:36")).lateSeconds, 60);
    assert.deepEqual(lateness(ending, at("01T03:00"), at("01T03:10")).nextAt, at("01T03:35"));
  });
});
