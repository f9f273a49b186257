/**
 * `where` on what can change, and a lookback without a sweep. `where` selects by the current row: a session that no longer
 * matches is exported once more so that readers no longer see it, whenever it was read first; and no session is left to a
 * sweep that is switched off.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { sessionId } from "../support/session_id.ts";
import { deletion, recording } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const daily = { schedule: "@daily", start: iso(time(0)) };

suite("stories of where and lookback", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const due = async (story: Story, at: number): Promise<unknown> => await story.cli(["run", "--due"], { at });

  test("a session that is deleted leaves an export of sessions that are not deleted", async () => {
    await using story = await openStory(server, { export: { ...daily, sweep: "off", where: { is_deleted: false } } });
    await story.insert(recording("gone", { start: time(0, 9) }), recording("kept", { start: time(0, 9) }));
    await due(story, time(1, 1));
    await story.insert(deletion("gone", time(1, 9)));
    await due(story, time(2, 1));
    assert.deepEqual(await story.sessions(), ["kept"]);
  });

  test("a session that grows beyond a duration leaves an export of short sessions", async () => {
    await using story = await openStory(server, { export: { ...daily, where: { duration_seconds: { max: 60 } } } });
    await story.insert(
      recording("grows", { start: time(0, 23, 50), seconds: 30 }),
      recording("short", { start: time(0, 9), seconds: 30 }),
    );
    await due(story, time(1, 1));
    await story.insert(recording("grows", { start: time(1, 0, 10), seconds: 300 }));
    await due(story, time(2, 1));
    assert.deepEqual(await story.sessions(), ["short"]);
  });

  test("a session that no longer matches leaves the export although its change came while nothing was loaded", async () => {
    await using story = await openStory(server, {
      export: { ...daily, schedule: "@hourly", start: iso(time(0, 9)), where: { click_count: { max: 10 } } },
    });
    await story.insert(
      recording("grows", { start: time(0, 9, 10), clicks: 5 }),
      recording("quiet", { start: time(0, 9, 10), clicks: 5 }),
    );
    await due(story, time(0, 10, 10));
    await story.insert(recording("grows", { start: time(0, 10, 10), clicks: 50 }));
    // The sweep reads the day as a whole, and takes the place of the hour.
    await story.cli(["run", "--due", "--limit", "1"], { at: time(2, 0, 30) });
    assert.deepEqual(await story.sessions(), ["quiet"]);
  });

  test("a session leaves the export when it no longer matches and the source has dropped its first rows", async () => {
    await using story = await openStory(server, {
      export: { ...daily, sweep: "off", audit: "off", where: { click_count: { max: 10 } } },
    });
    // One id begins with its time, as PostHog's do; one doesn't.
    const grow = [sessionId(time(0, 9)), "grows"];
    await story.insert(...[...grow, "quiet"].map((session) => recording(session, { start: time(0, 9), clicks: 5 })));
    await due(story, time(1, 1));
    assert.deepEqual(await story.sessions(), [...grow, "quiet"].sort());
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(...grow.map((session) => recording(session, { start: time(1, 9), clicks: 50 })));
    await due(story, time(2, 1));
    assert.deepEqual(await story.sessions(), ["quiet"]);
  });

  test("a session leaves an export that gets a narrower where and is loaded again", async () => {
    await using story = await openStory(server, { export: { ...daily, sweep: "off" } });
    await story.insert(
      recording("long", { start: time(0, 9), seconds: 300 }),
      recording("short", { start: time(0, 9) }),
    );
    await due(story, time(1, 1));
    await story.configure({ where: { duration_seconds: { max: 60 } } });
    const range = ["--from", iso(time(0)), "--to", iso(time(1))];
    await story.ok(["backfill", "replays", ...range, "--force"], { at: time(1, 2) });
    assert.deepEqual(await story.sessions(), ["short"]);
    // It matches again: its row of the same version is read later.
    await story.configure({ where: { duration_seconds: { max: 600 } } });
    await story.ok(["backfill", "replays", ...range, "--force"], { at: time(1, 3) });
    assert.deepEqual(await story.sessions(), ["long", "short"]);
  });

  test("sessions of a device whose clock is five days behind are exported where nothing sweeps", async () => {
    await using story = await openStory(server, {
      export: { schedule: "@daily", start: iso(time(6)), sweep: "off", lookback: "3d" },
    });
    await story.insert(
      recording("behind", { start: time(1, 9), ingested: time(6, 9) }),
      recording("right", { start: time(6, 9) }),
    );
    await due(story, time(7, 1));
    assert.deepEqual(await story.sessions(), ["behind", "right"]);
  });

  test("tags that reach a session a week after its start are exported where nothing sweeps", async () => {
    await using story = await openStory(server, {
      export: { schedule: "@hourly", start: iso(time(8, 9)), sweep: "off", lookback: "1h" },
    });
    await story.insert(recording("a", { start: time(1, 9), ingested: time(8, 9, 10), clicks: 4 }));
    await due(story, time(8, 10, 10));
    assert.deepEqual(await story.sessions(), ["a"]);
  });
});
