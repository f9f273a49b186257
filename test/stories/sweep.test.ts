/**
 * Story 2 of issue 9: a sweep reads a source that shows a part of the day only (a shard reached directly, a replica that
 * still fetches its parts, a restored backup). What must be true: the sweep's batch takes the place of the hours only for
 * sessions that it has found; the others stay where they are.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recordings } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const HOURS = 6;
const PER_HOUR = 60;

suite("stories of sweeps", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const hourly = { start: iso(time(0, 18)) };
  /** The evening of day 0 is loaded hour by hour, before any sweep. */
  const evening = async (story: Story): Promise<void> => {
    for (let hour = 0; hour < HOURS; hour += 1) {
      await story.insert(...recordings(`hour-${hour}`, PER_HOUR, { start: time(0, 18 + hour, 10) }));
    }
    await story.ok(["run", "--due"], { at: time(1, 0, 10) });
    assert.equal((await story.rows()).length, HOURS * PER_HOUR);
  };
  const sweep = async (story: Story): Promise<number> => {
    const { code, err } = await story.cli(["run", "--due", "--limit", "1"], {
      at: time(2, 0, 30),
      until: /will try again/,
    });
    assert.ok(code === 0 || code === 1, err);
    return (await story.rows()).length;
  };

  test("a sweep that finds a tenth of a day leaves the other sessions in the lake", async () => {
    await using story = await openStory(server, { export: hourly });
    await evening(story);
    // Still more than the largest hour has, which is all that a guard by row counts compares with.
    await story.source(
      `ALTER TABLE ${story.table} DELETE WHERE toUInt32(substring(session_id, 8)) >= 11 SETTINGS mutations_sync = 2`,
    );
    assert.equal(await sweep(story), HOURS * PER_HOUR);
  });

  test("a sweep that finds one hour of a day leaves the other hours in the lake", async () => {
    await using story = await openStory(server, { export: hourly });
    await evening(story);
    await story.source(
      `ALTER TABLE ${story.table} DELETE WHERE NOT startsWith(session_id, 'hour-2') SETTINGS mutations_sync = 2`,
    );
    assert.equal(await sweep(story), HOURS * PER_HOUR);
  });

  test("a sweep of JSON Lines that finds one hour of a day leaves the other hours in the lake", async () => {
    await using story = await openStory(server, { export: { ...hourly, format: "jsonl" } });
    await evening(story);
    await story.source(
      `ALTER TABLE ${story.table} DELETE WHERE NOT startsWith(session_id, 'hour-3') SETTINGS mutations_sync = 2`,
    );
    assert.equal(await sweep(story), HOURS * PER_HOUR);
  });

  test("a sweep against an empty replica neither empties the day nor fails for ever", async () => {
    await using story = await openStory(server, { export: hourly });
    await evening(story);
    await story.source(`TRUNCATE TABLE ${story.table}`);
    const { code, err } = await story.cli(["run", "--due", "--limit", "1"], { at: time(2, 0, 30) });
    assert.deepEqual({ code, sessions: (await story.rows()).length }, { code: 0, sessions: HOURS * PER_HOUR }, err);
  });
});
