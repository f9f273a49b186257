/**
 * Story 13 of issue 9: one session of a client whose clock is ahead needs a person every five minutes, because a read that
 * rightly finds one session fewer is refused. What must be true: such reads succeed by themselves, and the session stays.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recording } from "./partial_rows.ts";
import { iso, openStory, time } from "./story.ts";

suite("stories of clients with a clock ahead", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  test("a sweep passes over a session of a client ahead of time that has moved to the next day", async () => {
    await using story = await openStory(server, { export: { start: iso(time(0, 23)) } });
    await story.insert(recording("ahead", { start: time(3, 10), ingested: time(0, 23, 30) }));
    await story.ok(["run", "--due"], { at: time(1, 0, 10) });
    // Its next block merges with the first: both begin on the client's day 3.
    await story.insert(recording("ahead", { start: time(3, 11), ingested: time(1, 0, 30) }));
    await story.merge();
    await story.ok(["run", "--due"], { at: time(1, 2, 10) });
    const { code, err } = await story.cli(["run", "--due", "--limit", "1"], { at: time(2, 0, 10) });
    assert.deepEqual({ code, sessions: await story.sessions() }, { code: 0, sessions: ["ahead"] }, err);
  });

  test("an hour that is loaded again passes over a session of a client ahead of time that has moved on", async () => {
    await using story = await openStory(server, { export: { start: iso(time(0, 9)) } });
    await story.insert(recording("ahead", { start: time(2, 10), ingested: time(0, 9, 30) }));
    await story.ok(["run", "--due"], { at: time(0, 10, 10) });
    await story.insert(recording("ahead", { start: time(2, 11), ingested: time(0, 10, 30) }));
    await story.merge();
    const again = ["run", "replays", "--interval", iso(time(0, 9))];
    const { code, err } = await story.cli(again, { at: time(0, 11, 10) });
    assert.deepEqual({ code, sessions: await story.sessions() }, { code: 0, sessions: ["ahead"] }, err);
  });
});
