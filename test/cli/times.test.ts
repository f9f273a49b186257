import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseRange, parseTimeOption } from "../../src/cli/times.ts";
import { ReplayportError } from "../../src/errors.ts";
import { lastTick, parseSchedule } from "../../src/intervals/schedule.ts";
import { commandLine } from "../support/cli_process.ts";

const NOW = new Date("2026-10-05T22:30:15.250Z");
const parse = (text: string, timezone = "UTC"): string => parseTimeOption(text, timezone, "--from", NOW).toISOString();
const refusal =
  (code: string, message: RegExp, hint: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ReplayportError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    return true;
  };

suite("times on the command line", () => {
  test("words, ages, dates and times are understood, dates in the export's zone", () => {
    assert.equal(parse("now"), "2026-10-05T22:30:15.000Z");
    assert.equal(parse("-7d"), "2026-09-28T22:30:15.000Z");
    assert.equal(parse("-12h"), "2026-10-05T10:30:15.000Z");
    assert.equal(parse("today"), "2026-10-05T00:00:00.000Z");
    assert.equal(parse("Yesterday"), "2026-10-04T00:00:00.000Z");
    // In Berlin it's the 6th already.
    assert.equal(parse("today", "Europe/Berlin"), "2026-10-05T22:00:00.000Z");
    assert.equal(parse("yesterday", "Europe/Berlin"), "2026-10-04T22:00:00.000Z");
    assert.equal(parse("2026-10-01", "Europe/Berlin"), "2026-09-30T22:00:00.000Z");
    assert.equal(parse("2026-10-01T13:00+02:00"), "2026-10-01T11:00:00.000Z");
  });

  test("yesterday is a day before today, also on the day after the clock was set back", () => {
    const monday = new Date("2026-10-26T12:00:00Z");
    assert.equal(
      parseTimeOption("yesterday", "Europe/Berlin", "--from", monday).toISOString(),
      "2026-10-24T22:00:00.000Z",
    );
  });

  test("a refusal says what is missing", () => {
    const refused = (text: string, message: RegExp, hint: RegExp): void =>
      assert.throws(() => parse(text), refusal("cli.time", message, hint));
    refused("2026-10-01T13:00", /has no time zone/, /2026-10-01T13:00Z for UTC/);
    refused("2026-10-01 13:00:00", /has no time zone/, /2026-10-01T13:00:00Z/);
    refused("2026-02-30", /is no day of the calendar/, /./);
    refused("2026-10-01T13:00:00.5Z", /fraction of a second/, /whole seconds/);
    for (const text of ["", "-", "-7", "7d", "tomorrow", "last week", "1759312800"])
      refused(text, /is not a time/, /-7d/);
  });

  test("a range that ends before it starts, or where it starts, says so", () => {
    const range = (from: string, to: string) => (): unknown => parseRange(from, to, "UTC", NOW);
    const before = /--to is before --from: 2026-10-01T00:00:00Z, 2026-10-02T00:00:00Z/;
    assert.throws(range("2026-10-02", "2026-10-01"), refusal("cli.options", before, /Swap/));
    assert.throws(range("-1h", "-2h"), refusal("cli.options", /--to is before --from/, /Swap/));
    assert.throws(range("today", "2026-10-05"), refusal("cli.options", /--to is the same as --from/, /later/));
  });

  test("the last tick is found for rules of any length", () => {
    const last = (rule: string, time: string): string | undefined =>
      lastTick(parseSchedule(rule), new Date(time))?.toISOString();
    assert.equal(last("@hourly", "2026-10-05T22:00:00Z"), "2026-10-05T22:00:00.000Z");
    assert.equal(last("@hourly", "2026-10-05T22:59:59Z"), "2026-10-05T22:00:00.000Z");
    assert.equal(last("@monthly", "2026-10-31T00:00:00Z"), "2026-10-01T00:00:00.000Z");
    assert.equal(last("0 0 29 2 *", "2026-10-31T00:00:00Z"), "2024-02-29T00:00:00.000Z");
  });

  test("the commands refuse such times with exit code 2, before they ask anything", async () => {
    const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    try {
      await writeFile(
        join(folder, "schedules.yaml"),
        `source: { clickhouse: { url: "http://127.0.0.1:1" } }
destinations: { lake: { type: file, path: ./lake } }
exports: { replays: { model: session_replays, team_id: 1, destination: lake, schedule: "@hourly", start: 2026-10-01 } }
`,
      );
      const { run } = commandLine(folder);
      const swapped = await run("backfill", "replays", "--from", "2026-10-02", "--to", "2026-10-01");
      assert.deepEqual([swapped.code, /--to is before --from/.test(swapped.err)], [2, true], swapped.err);
      const zoneless = await run("backfill", "replays", "--from", "2026-10-01T13:00", "--to", "now");
      assert.deepEqual([zoneless.code, /has no time zone/.test(zoneless.err)], [2, true], zoneless.err);
      const between = await run("run", "replays", "--interval", "2026-10-01T13:20:00Z");
      assert.equal(between.code, 2, between.err);
      assert.match(between.err, /no interval of replays starts at 2026-10-01T13:20:00Z/);
      assert.match(between.err, /Around it: 2026-10-01T13:00:00Z and 2026-10-01T14:00:00Z/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
