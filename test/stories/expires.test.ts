/** Story 15 of issue 9: `expires_at` is right for any retention and any start, also outside 1970 to 2106. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recording } from "./partial_rows.ts";
import { DAY, iso, openStory, time } from "./story.ts";

suite("stories of expiry", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const expiry = async (start: number, retention?: number): Promise<unknown> => {
    await using story = await openStory(server, { export: { schedule: "@daily", start: iso(time(0)) } });
    await story.insert(
      recording("a", { start, ingested: time(0, 10), ...(retention === undefined ? {} : { retention }) }),
    );
    await story.ok(["run", "replays", "--interval", iso(time(0))]);
    return (await story.rows())[0]?.["expires_at"];
  };

  test("a retention of 36,500 days ends in a hundred years", async () => {
    assert.equal(await expiry(time(0, 10), 36_500), iso(time(0) + 36_500 * DAY));
  });

  test("a session that began before 1970 by its client's clock expires 30 days after that", async () => {
    assert.equal(await expiry(Date.UTC(1969, 10, 20, 8)), iso(Date.UTC(1969, 11, 20)));
  });

  test("a session of a client in the year 2110 expires after it", async () => {
    assert.equal(await expiry(Date.UTC(2110, 0, 10, 8), 90), iso(Date.UTC(2110, 0, 10) + 90 * DAY));
  });

  test("any retention and any start that ClickHouse can store has an end that is right, or the last day there is", async () => {
    await using story = await openStory(server, { export: { schedule: "@daily", start: iso(time(0)) } });
    const ingested = time(0, 10);
    await story.insert(
      recording("kept 0 days", { start: time(0, 9), ingested, retention: 0 }),
      recording("kept less than 0 days", { start: time(0, 9), ingested, retention: -5 }),
      recording("kept for ever", { start: time(0, 9), ingested, retention: 9_000_000_000 }),
      recording("of 1900", { start: Date.UTC(1900, 0, 2, 8), ingested, retention: 30 }),
      recording("of 2299", { start: Date.UTC(2299, 11, 30, 8), ingested, retention: 90 }),
    );
    await story.ok(["run", "replays", "--interval", iso(time(0))]);
    const last = iso(Date.UTC(2299, 11, 31));
    assert.deepEqual(
      new Map((await story.rows()).map((row) => [row["session_id"], row["expires_at"]])),
      new Map([
        ["kept 0 days", iso(time(0))],
        ["kept for ever", last],
        ["kept less than 0 days", iso(time(-5))],
        ["of 1900", iso(Date.UTC(1900, 0, 2) + 30 * DAY)],
        ["of 2299", last],
      ]),
    );
  });
});
