import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { clickhouseTime, isTimezone, parseTime, startOfDate } from "../../src/config/values/times.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";

const at = (text: string, timezone = "UTC"): string => {
  const moment = parseTime(text, timezone);
  assert.ok("value" in moment, `${text} was refused`);
  return moment.value.at.toISOString().replace(".000Z", "Z");
};

suite("a date is midnight in its zone", () => {
  for (const [date, timezone, expected, why] of [
    ["2026-10-01", "UTC", "2026-10-01T00:00:00Z", "no offset"],
    ["2026-10-01", "Europe/Berlin", "2026-09-30T22:00:00Z", "summer"],
    ["2026-12-01", "Europe/Berlin", "2026-11-30T23:00:00Z", "winter"],
    ["2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "the clock goes forward later that day"],
    ["2026-03-30", "Europe/Berlin", "2026-03-29T22:00:00Z", "the day after"],
    ["2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", "the clock goes back later that day"],
    ["2026-10-26", "Europe/Berlin", "2026-10-25T23:00:00Z", "the day after"],
    ["2026-10-01", "Asia/Kolkata", "2026-09-30T18:30:00Z", "half an hour"],
    ["2026-10-01", "Asia/Kathmandu", "2026-09-30T18:15:00Z", "a quarter of an hour"],
    ["2026-10-01", "Pacific/Kiritimati", "2026-09-30T10:00:00Z", "14 hours ahead"],
    ["2026-10-01", "Pacific/Pago_Pago", "2026-10-01T11:00:00Z", "11 hours behind"],
    ["2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z", "the clock passes over midnight: the day begins at one"],
    ["2026-09-06", "America/Santiago", "2026-09-06T04:00:00Z", "the clock passes over midnight: the day begins at one"],
    ["2024-02-29", "UTC", "2024-02-29T00:00:00Z", "a leap day"],
  ] as const) {
    test(`${date} in ${timezone}: ${why}`, () => assert.equal(at(date, timezone), expected));
  }

  test("a date always begins at a tick of @daily", () => {
    const zones = ["UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana", "America/St_Johns", "Australia/Lord_Howe"];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.date({ min: new Date("2020-01-02"), max: new Date("2030-01-01"), noInvalidDate: true }),
        (timezone, day) => {
          const date = day.toISOString().slice(0, 10);
          const start = startOfDate(date, timezone);
          assert.deepEqual(parseSchedule("@daily", timezone).next(new Date(start.getTime() - 1)), start);
          const local = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short" });
          assert.equal(local.format(start), date);
        },
      ),
      { numRuns: 200 },
    );
  });
});

suite("timestamps", () => {
  for (const [text, expected] of [
    ["2026-10-01T06:00:00Z", "2026-10-01T06:00:00Z"],
    ["2026-10-01 06:00Z", "2026-10-01T06:00:00Z"],
    ["2026-10-01T08:00:00+02:00", "2026-10-01T06:00:00Z"],
    ["2026-10-01 08:00:00 +0200", "2026-10-01T06:00:00Z"],
    ["2026-10-01t00:30:00-05:30", "2026-10-01T06:00:00Z"],
  ] as const) {
    test(text, () => assert.equal(at(text, "Asia/Tokyo"), expected));
  }
  for (const text of [
    "2026-10-01T06:00:00",
    "2026-10-01T24:00:00Z",
    "2026-10-01T06:60:00Z",
    "2026-02-29",
    "2026-02-30T00:00:00Z",
    "2026-00-01",
    "26-10-01",
    "2026-10-1",
    "2026-10-01T06:00:00+15:00",
    "2026-10-01T06:00:00.1234567Z",
    "1790000000",
    "",
  ]) {
    test(`"${text}" is none`, () => assert.ok("problem" in parseTime(text, "UTC")));
  }

  test("a timestamp keeps its microseconds for ClickHouse", () => {
    for (const [text, expected] of [
      ["2026-10-01T06:00:00.000001Z", "2026-10-01 06:00:00.000001"],
      ["2026-10-01T08:00:00.5+02:00", "2026-10-01 06:00:00.500000"],
      ["2026-10-01", "2026-10-01 00:00:00.000000"],
    ] as const) {
      const moment = parseTime(text, "UTC");
      assert.equal("value" in moment && clickhouseTime(moment.value), expected);
    }
  });
});

test("a time zone is an IANA name, not an offset", () => {
  for (const name of ["UTC", "Europe/Berlin", "US/Eastern", "America/Argentina/Buenos_Aires"])
    assert.ok(isTimezone(name));
  for (const name of ["", "+02:00", "UTC+2", "Local", "Europe", "Mars/Olympus"]) assert.ok(!isTimezone(name), name);
});
