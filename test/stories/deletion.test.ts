/**
 * Story 0 of issue 9: PostHog's deletion marker is no measurement. It has first = last = the time of the deletion and nobody's
 * distinct_id. What must be true: end, duration and scores come from the rows that are no marker, wherever the marker is
 * and whether it has merged or not; `deleted_at` says when; the person and other personal columns of a deleted session are
 * NULL; a condition on a duration is asked of the recording's.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { deletion, recording, tagging } from "./partial_rows.ts";
import { iso, openStory, time } from "./story.ts";

const START = time(0, 10);
const DAILY = { schedule: "@daily" };
const FIRST_DAY = ["run", "replays", "--interval", iso(time(0))];

suite("stories of deletion", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  test("a session that is deleted 20 days later keeps its end and its duration", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(recording("a", { start: START, seconds: 300 }), deletion("a", time(20, 9)));
    await story.ok(FIRST_DAY);
    const [row] = await story.rows();
    assert.deepEqual(
      [row?.["end_time"], row?.["duration_seconds"], row?.["is_deleted"]],
      [iso(START + 300_000), 300, true],
    );
  });

  test("a marker that has merged with its session's row leaves end and duration as they were", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(recording("a", { start: START, seconds: 300 }), deletion("a", START + 8 * 3_600_000));
    await story.merge();
    await story.ok(FIRST_DAY);
    const [row] = await story.rows();
    assert.deepEqual([row?.["end_time"], row?.["duration_seconds"]], [iso(START + 300_000), 300]);
  });

  test("a deleted session's row says when it was deleted and names no person and no page", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(recording("a", { start: START, seconds: 300 }), deletion("a", time(2, 9)));
    await story.ok(FIRST_DAY);
    const [row] = await story.rows();
    const { deleted_at: at, distinct_id: person, first_url: page } = row ?? {};
    assert.deepEqual({ at, person, page }, { at: iso(time(2, 9)), person: null, page: null });
  });

  test("the activity score of a deleted session is that of its recording", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(
      recording("gone", { start: START, seconds: 300, clicks: 10 }),
      recording("kept", { start: START, seconds: 300, clicks: 10 }),
      deletion("gone", time(20, 9)),
    );
    await story.ok(FIRST_DAY);
    const scores = new Map((await story.rows()).map((row) => [row["session_id"], row["activity_score"]]));
    assert.equal(scores.get("gone"), scores.get("kept"));
  });

  test("a condition on the duration keeps a bounce out that was deleted days later", async () => {
    await using story = await openStory(server, { export: { ...DAILY, where: { duration_seconds: { min: 5 } } } });
    await story.insert(recording("bounce", { start: START, seconds: 1 }), deletion("bounce", time(3, 9)));
    await story.insert(recording("visit", { start: START, seconds: 60 }));
    await story.ok(FIRST_DAY);
    assert.deepEqual(await story.sessions(), ["visit"]);
  });

  test("tags of PostHog's models change neither the person nor the duration", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(recording("a", { start: START, seconds: 300 }), tagging("a", { start: START, at: time(1, 3) }));
    await story.ok(["backfill", "replays", "--from", iso(time(0)), "--to", iso(time(2))]);
    const [row] = await story.rows();
    assert.deepEqual([row?.["distinct_id"], row?.["duration_seconds"]], ["person-of-a", 300]);
  });
});
