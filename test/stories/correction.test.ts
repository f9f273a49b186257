/**
 * The end of story 5 of issue 9: the source had too much, such as rows that Kafka delivered twice, and its operator has removed
 * what was too much. The fuller read wins by itself, by force too, until somebody says that the source is right:
 * `backfill --source-is-right`.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { deletion, recording, type Recorded } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const START = time(5, 10);

suite("stories of corrections", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const daily = { schedule: "@daily", start: iso(time(0)) };
  const backfill = async (story: Story, from: number, to: number, ...more: string[]): Promise<string> =>
    (await story.ok(["backfill", "replays", "--from", iso(from), "--to", iso(to), ...more])).out;
  const clicks = async (story: Story): Promise<Record<string, unknown>> =>
    Object.fromEntries((await story.rows()).map((row) => [row["session_id"], row["click_count"]]));
  const replayedTwice = async (story: Story, session: string, of: Recorded): Promise<void> =>
    await story.insert(recording(session, of), recording(session, of));

  test("a source that had rows twice is believed when somebody says so, then and for what comes later", async () => {
    await using story = await openStory(server, { export: daily });
    await replayedTwice(story, "doubled", { start: START, clicks: 500 });
    await story.insert(recording("other", { start: time(20, 1), clicks: 70 }));
    await backfill(story, time(0), time(25));
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(recording("doubled", { start: START, clicks: 500 }));
    await backfill(story, time(5), time(6), "--force");
    assert.deepEqual(await clicks(story), { doubled: 1000, other: 70 });

    await backfill(story, time(5, 9), time(5, 12), "--source-is-right");
    assert.deepEqual(await clicks(story), { doubled: 500, other: 70 });
    // A late row of each: the first counts from now on, the second comes from a session that has lost its rows.
    await story.insert(recording("doubled", { start: START + 600_000, clicks: 1, ingested: time(26, 1) }));
    await story.insert(recording("other", { start: time(20, 2), clicks: 2, ingested: time(26, 1) }));
    await backfill(story, time(26), time(27));
    assert.deepEqual(await clicks(story), { doubled: 501, other: 70 });
    await backfill(story, time(0), time(27), "--force");
    assert.deepEqual(await clicks(story), { doubled: 501, other: 70 });
  });

  test("what was corrected is corrected again after the next replay", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(recording("a", { start: START, clicks: 500 }));
    await backfill(story, time(5), time(6));
    for (const right of [400, 30, 2]) {
      await replayedTwice(story, "a", { start: START, clicks: 5000 });
      await backfill(story, time(5), time(6), "--force");
      await story.source(`TRUNCATE TABLE ${story.table}`);
      await story.insert(recording("a", { start: START, clicks: right }));
      await backfill(story, time(5), time(6), "--source-is-right");
      assert.deepEqual(await clicks(story), { a: right });
    }
  });

  test("a correction removes no session, undoes no deletion, and --plan makes none", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(
      ...["stays", "deleted", "gone"].map((session) => recording(session, { start: START, clicks: 500 })),
      deletion("deleted", START + 3_600_000),
    );
    await backfill(story, time(5), time(6));
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(...["stays", "deleted"].map((session) => recording(session, { start: START, clicks: 1 })));
    const planned = await backfill(story, time(5), time(6), "--source-is-right", "--plan");
    assert.match(planned, /1 interval/);
    await backfill(story, time(5), time(6), "--force");
    assert.deepEqual(await clicks(story), { stays: 500, deleted: 500, gone: 500 });
    await backfill(story, time(5), time(6), "--source-is-right");
    assert.deepEqual(await clicks(story), { stays: 1, deleted: 500, gone: 500 });
  });

  test("an audit after a correction finds what the backfill has not read, and due reads it", async () => {
    await using story = await openStory(server, { export: { ...daily, audit: { days: 30 } } });
    await story.insert(recording("a", { start: START, clicks: 500 }), recording("b", { start: time(7, 1), clicks: 9 }));
    await story.ok(["run", "--due"]);
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.insert(recording("a", { start: START, clicks: 5 }), recording("b", { start: time(7, 1), clicks: 9 }));
    // It ends after the correction is made and before anything is loaded.
    const module = join(story.folder, "dies.mjs");
    await writeFile(
      module,
      `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
const real = fs.promises.link;
fs.promises.link = async (from, to) => {
  if (String(to).endsWith(".claim")) process.kill(process.pid, "SIGKILL");
  return await real(from, to);
};
syncBuiltinESMExports();\n`,
    );
    const died = await story.cli(
      ["backfill", "replays", "--from", iso(time(5)), "--to", iso(time(6)), "--source-is-right"],
      { imports: [module] },
    );
    assert.equal(died.code, null, "it was not killed");
    assert.deepEqual(await clicks(story), { a: 500, b: 9 });
    await story.ok(["audit", "replays"]);
    await story.ok(["run", "--due"]);
    assert.deepEqual(await clicks(story), { a: 5, b: 9 });
  });

  test("a SELECT of the user's own is refused, with what decides instead", async () => {
    await using story = await openStory(server, { export: daily });
    await writeFile(
      `${story.folder}/own.sql`,
      `SELECT team_id, session_id, max(_timestamp) AS changed FROM ${story.table}
WHERE _timestamp >= {interval_start:DateTime('UTC')} AND _timestamp < {interval_end:DateTime('UTC')} GROUP BY team_id, session_id`,
    );
    await story.configure({ model: { sql: "own.sql", key: ["team_id", "session_id"] } });
    await story.insert(recording("a", { start: START }));
    const command = ["backfill", "replays", "--from", iso(time(5)), "--to", iso(time(6)), "--source-is-right"];
    const { code, err } = await story.cli(command);
    assert.equal(code, 1);
    assert.match(err, /own SELECT, .*own\.sql, decides which of two rows is current/);
    assert.match(err, /leave --source-is-right out/);
  });
});
