/**
 * Stories 1 and 8 of issue 9: a forced reload reads a source that shows less than it once did. What must be true: a session
 * leaves the lake only when a newer row of that session is committed. What a reload didn't find stays, whatever the rules,
 * the columns or the fingerprints of the two reads are, and the log or `status` says how many sessions only the lake holds.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recording, recordings } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const DAILY = { schedule: "@daily", start: iso(time(0)) };
const range = (from: number, to: number): string[] => ["backfill", "replays", "--from", iso(from), "--to", iso(to)];

suite("stories of reloads", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  /** Three days of a hundred sessions are loaded; then the source's retention drops the first two. */
  const threeDays = async (story: Story): Promise<void> => {
    for (const day of [0, 1, 2]) await story.insert(...recordings(`day-${day}`, 100, { start: time(day, 12) }));
    await story.ok(range(time(0), time(3)));
    assert.equal((await story.rows()).length, 300);
    await story.source(
      `ALTER TABLE ${story.table} DELETE WHERE _timestamp < ${time(2) / 1000} SETTINGS mutations_sync = 2`,
    );
  };

  test("the reload that status suggests after a new column rule keeps the days that the source has dropped", async () => {
    await using story = await openStory(server, { export: DAILY });
    await threeDays(story);
    await story.configure({ columns: { hash: ["distinct_id"] } });
    const { out } = await story.ok(["status"]);
    const suggested = /replayport (backfill .*--force)/.exec(out)?.[1];
    assert.ok(suggested !== undefined, `status suggests no reload: ${out}`);
    const { code, err } = await story.cli(suggested.split(" "), { until: /will try again/ });
    assert.deepEqual({ code, sessions: (await story.rows()).length }, { code: 0, sessions: 300 }, err);
  });

  test("a reload of each day after an upgrade that adds columns keeps what the source has dropped", async () => {
    await using story = await openStory(server, { export: { ...DAILY, columns: { exclude: ["surfacing_score"] } } });
    await threeDays(story);
    await story.configure({ columns: {} });
    await story.ok([...range(time(0), time(3)), "--force", "--interval", "schedule"]);
    assert.equal((await story.rows()).length, 300);
  });

  test("a reload of JSON Lines keeps what the source has dropped", async () => {
    await using story = await openStory(server, { export: { ...DAILY, format: "jsonl", compression: "none" } });
    await threeDays(story);
    await story.configure({ columns: { exclude: ["all_urls"] } });
    await story.ok([...range(time(0), time(3)), "--force"]);
    assert.equal((await story.rows()).length, 300);
  });

  test("a reload says how many sessions only the lake still holds", async () => {
    await using story = await openStory(server, { export: DAILY });
    await threeDays(story);
    const { code, out, err } = await story.cli([...range(time(0), time(3)), "--force"], { until: /will try again/ });
    assert.equal(code, 0, err);
    assert.match(`${out}${err}${(await story.ok(["status"])).out}`, /\b200\b.*sessions?\b|"[a-zA-Z]*": ?200\b/);
    assert.equal((await story.rows()).length, 300);
  });

  test("a forced reload keeps a session whose late row became visible after the next day's sweep", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(...recordings("others", 9, { start: time(0, 9) }), recording("moved", { start: time(0, 10) }));
    await story.insert(...recordings("next", 5, { start: time(1, 9) }));
    await story.ok(range(time(0), time(2)));
    await story.insert(recording("moved", { start: time(0, 11), ingested: time(1, 1) }));
    await story.merge();
    await story.ok([...range(time(0), time(1)), "--force"]);
    assert.ok((await story.sessions()).includes("moved"), "the session is gone");
  });

  test("a reload before days that were swept says of no session that the source lacks it", async () => {
    await using story = await openStory(server, { export: DAILY });
    await story.insert(...recordings("others", 9, { start: time(0, 9) }), recording("moved", { start: time(0, 10) }));
    await story.ok(range(time(0), time(1)));
    await story.insert(recording("moved", { start: time(0, 11), ingested: time(1, 1) }));
    await story.merge();
    // Long after its end: the second day counts as swept.
    await story.ok(range(time(1), time(2)));
    const { out, err } = await story.ok([...range(time(0), time(1)), "--force"]);
    assert.doesNotMatch(`${out}${err}${(await story.ok(["status"])).out}`, /lacks|no longer has/);
    assert.equal((await story.sessions()).length, 10);
  });

  test("an interval that is loaded again keeps a session that another day's late row has moved", async () => {
    await using story = await openStory(server, { export: { ...DAILY, schedule: "@hourly" } });
    await story.insert(
      ...recordings("others", 4, { start: time(0, 9) }),
      recording("moved", { start: time(0, 9, 30) }),
    );
    await story.ok([...range(time(0), time(3)), "--interval", "day"]);
    // Visible only now, and on the day of the session: they merge, and the session leaves its interval.
    await story.insert(recording("moved", { start: time(0, 22), ingested: time(2, 6), clicks: 1 }));
    await story.merge();
    await story.ok(["run", "replays", "--interval", iso(time(0, 9))]);
    assert.ok((await story.sessions()).includes("moved"), "the session is gone");
  });
});
