/**
 * Story 3 of issue 9: PostHog's consumer is away, or a replica is still empty, and the rows come later with the `_timestamp`
 * they had in Kafka. What must be true: an interval that was read while the source was silent counts as read only when the
 * source has shown a row at or after its end, or after `quiet_after`; and the audit finds what came after that. So daily
 * runs bring the lake level with the source without anybody's help. A busy export that reads nothing is said aloud.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recording, recordings } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

suite("stories of silence", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const due = async (story: Story, ...times: readonly number[]): Promise<void> => {
    for (const at of times) await story.cli(["run", "--due"], { at, until: /will try again/ });
  };

  test("rows of an outage of 40 hours arrive in the lake after the consumer has caught up", async () => {
    await using story = await openStory(server, { export: { schedule: "0 */6 * * *", start: iso(time(3, 12)) } });
    await story.insert(...recordings("before", 50, { start: time(3, 14) }));
    // Away from 18:00 on, for 40 hours: the intervals are read empty, and the first of them is swept empty.
    await due(story, time(3, 18, 10), time(4, 0, 10), time(4, 12, 10), time(5, 0, 10), time(5, 6, 10));
    for (const hour of [20, 30, 44, 52, 55])
      await story.insert(...recordings(`away-${hour}`, 60, { start: time(3, hour) }));
    await due(story, time(5, 12, 10), time(6, 0, 10), time(7, 0, 10), time(8, 0, 10));
    assert.equal((await story.rows()).length, 350);
  });

  test("rows of an outage of two hours are loaded although nothing sweeps", async () => {
    await using story = await openStory(server, { export: { start: iso(time(3, 12)), sweep: "off" } });
    await story.insert(...recordings("before", 20, { start: time(3, 12, 10) }));
    await due(story, time(3, 13, 10), time(3, 14, 10), time(3, 15, 10));
    await story.insert(
      ...recordings("away", 30, { start: time(3, 13, 30) }),
      ...recordings("later", 10, { start: time(3, 15, 20) }),
    );
    await due(story, time(3, 16, 10));
    assert.equal((await story.rows()).length, 60);
  });

  test("a first backfill against a replica that is still empty is made up for when the replica has its rows", async () => {
    await using story = await openStory(server, { export: { schedule: "@daily", start: iso(time(0)) } });
    await story.ok(["backfill", "replays", "--from", iso(time(0)), "--to", iso(time(3))], { at: time(3, 1) });
    for (const day of [0, 1, 2]) await story.insert(...recordings(`day-${day}`, 40, { start: time(day, 12) }));
    await due(story, time(3, 2), time(4, 1), time(5, 1), time(6, 1));
    assert.equal((await story.rows()).length, 120);
  });

  test("rows of one team's outage are found by the audit, since the other team shows that PostHog lives", async () => {
    await using story = await openStory(server, { export: { schedule: "@daily", start: iso(time(3)), sweep: "off" } });
    for (const day of [3, 4, 5, 6]) await story.insert(...recordings(`day-${day}`, 5, { start: time(day, 12) }));
    await due(story, time(6, 1));
    await story.insert(...recordings("away", 30, { start: time(4, 12), team: 2 }));
    await due(story, time(7, 1), time(7, 2));
    assert.equal((await story.rows()).length, 50);
  });

  test("a night without sessions is read as soon as it is due", async () => {
    await using story = await openStory(server, { export: { start: iso(time(3, 22)) } });
    await story.insert(recording("evening", { start: time(3, 22, 10) }));
    await due(story, time(3, 23, 10), time(4, 0, 10));
    assert.deepEqual(await story.sessions(), ["evening"]);
    const { lagSeconds } = await story.status({ at: time(4, 0, 15) });
    assert.ok(Number(lagSeconds) <= 20 * 60, `the lag is ${String(lagSeconds)} s`);
  });

  test("a usually busy export that reads no rows says so", async () => {
    await using story = await openStory(server, { export: { start: iso(time(2)), sweep: "off" } });
    for (let hour = 0; hour < 25; hour += 1)
      await story.insert(recording(`hour-${hour}`, { start: time(2, hour, 10) }));
    await due(story, time(3, 1, 10));
    const { err } = await story.cli(["run", "--due"], { at: time(3, 2, 10) });
    const { out } = await story.ok(["status"], { at: time(3, 2, 15) });
    assert.match(`${err}${out}`, /silent|no rows|read 0 rows/i);
  });
});
