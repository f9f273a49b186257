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
});
