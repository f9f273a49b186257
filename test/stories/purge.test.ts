/**
 * Story 5 of issue 9 (and the end of story 0): the source loses rows that it once had. PostHog's purge removes rows with
 * `is_deleted = 1`, which is the marker alone or, where it has merged, the session's row too; a TTL removes old rows. What
 * must be true: a deletion that was seen once sticks, and the fullest read of a session wins over a later one that lost
 * partial rows.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { deletion, recording, tagging } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const START = time(0, 10);
const day = (story: Story, at: number, ...more: string[]): Promise<unknown> =>
  story.cli(["backfill", "replays", "--from", iso(time(at)), "--to", iso(time(at + 1)), ...more], {
    until: /will try again/,
  });

suite("stories of purges", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const daily = { schedule: "@daily", start: iso(time(0)) };
  const purge = async (story: Story): Promise<void> =>
    await story.source(`ALTER TABLE ${story.table} DELETE WHERE is_deleted = 1 SETTINGS mutations_sync = 2`);

  test("a session that was deleted, purged and got one late row stays deleted", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(
      recording("a", { start: START, seconds: 600, clicks: 500 }),
      deletion("a", START + 8 * 3_600_000),
    );
    await story.merge();
    await day(story, 0);
    await purge(story);
    await story.insert(recording("a", { start: START + 700_000, seconds: 5, clicks: 0, ingested: time(11, 10) }));
    await day(story, 11);
    const rows = await story.rows();
    assert.deepEqual(
      rows.map((row) => [row["is_deleted"], row["click_count"]]),
      [[true, 500]],
    );
  });

  test("a marker that comes after a TTL has dropped the recording deletes the session and leaves one row without a person", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(recording("a", { start: START, seconds: 600, clicks: 500, url: "https://example.com/cart" }));
    await day(story, 0);
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(deletion("a", time(9, 4)));
    await day(story, 9);
    const deleted = [[true, iso(time(9, 4)), null, null]];
    const shown = async (): Promise<unknown[][]> =>
      (await story.rows()).map((row) => ["is_deleted", "deleted_at", "distinct_id", "first_url"].map((of) => row[of]));
    assert.deepEqual(await shown(), deleted);
    // The recording without its marker, as after a restored backup: what was seen deleted stays so.
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(recording("a", { start: START, seconds: 900, clicks: 900, ingested: time(10, 4) }));
    await day(story, 10);
    assert.deepEqual(await shown(), deleted);
  });

  test("tags that come after a TTL has dropped the recording's rows leave its counts as they were", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(recording("a", { start: START, seconds: 600, clicks: 500, url: "https://example.com/cart" }));
    await day(story, 0);
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(tagging("a", { start: START, at: time(9, 4) }));
    await day(story, 9);
    assert.deepEqual(
      (await story.rows()).map((row) => [row["click_count"], row["duration_seconds"], row["first_url"]]),
      [[500, 600, "https://example.com/cart"]],
    );
  });

  test("a late row of a session that has lost its first rows does not take the place of the fuller read", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(recording("a", { start: START, seconds: 600, clicks: 300 }));
    await story.insert(recording("a", { start: START + 600_000, seconds: 600, clicks: 200 }));
    await day(story, 0);
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(recording("a", { start: START + 1_200_000, seconds: 60, clicks: 1, ingested: time(5, 1) }));
    await day(story, 5);
    assert.deepEqual(
      (await story.rows()).map((row) => row["click_count"]),
      [500],
    );
  });
});
