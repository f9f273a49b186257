import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type SessionPlan, insertArrivals, insertSessions } from "../../src/demo/generate.ts";
import { REPLAY_COLUMNS, createReplayTables } from "../../src/demo/replay_table.ts";
import { type EmbeddedHarness, embedded, embeddedSkip } from "../support/embedded.ts";

const plan: SessionPlan = {
  sessions: 3_000,
  from: new Date("2026-09-30T00:00:00Z"),
  until: new Date("2026-10-02T00:00:00Z"),
  seed: 1,
};

describe("the generator", { skip: embeddedSkip }, () => {
  let harness: EmbeddedHarness;
  const run = async (statements: readonly string[]): Promise<void> => {
    for (const query of statements) await harness.client.command({ query });
  };
  const one = async (query: string): Promise<Record<string, number | string>> => {
    const [row] = await (
      await harness.client.query({ query, format: "JSONEachRow" })
    ).json<Record<string, number | string>>();
    assert.ok(row);
    return row;
  };
  const sums = (table: string): Promise<Record<string, number | string>> =>
    one(`SELECT count() AS rows, sum(cityHash64(session_id, min_first_timestamp, max_last_timestamp, _timestamp,
      finalizeAggregation(first_url), all_urls, console_error_count, ai_tags_fixed)) AS hash FROM ${table}`);

  before(async () => {
    harness = await embedded();
    await run(createReplayTables("posthog"));
    await run(["SYSTEM STOP MERGES posthog.session_replay_events", ...insertSessions(plan, "posthog")]);
  });
  after(() => harness[Symbol.asyncDispose]());

  test("the generator makes the requested sessions, with three partial rows on average", async () => {
    const row = await one(`SELECT toUInt32(uniqExact(session_id)) AS sessions, toUInt32(max(n)) AS most, avg(n) AS mean
      FROM (SELECT session_id, count() AS n FROM posthog.session_replay_events GROUP BY session_id)`);
    assert.equal(row["sessions"], plan.sessions);
    assert.ok(Number(row["most"]) > 5);
    assert.ok(Math.abs(Number(row["mean"]) - 3) < 0.2, String(row["mean"]));
  });

  test("the generator makes the hard cases: midnight, mobile, later tags and deletions, changed ids", async () => {
    const row =
      await one(`SELECT toUInt32(countIf(days > 1)) AS across_midnight, toUInt32(countIf(origin = 'mobile')) AS mobile,
        toUInt32(countIf(notEmpty(tags))) AS tagged, toUInt32(countIf(gone = 1)) AS deleted, toUInt32(countIf(ids > 1)) AS signed_in,
        toUInt32(countIf(gone = 1 AND all_days > days)) AS deleted_later, toUInt32(countIf(gone = 1 AND all_days = days)) AS deleted_that_day,
        toUInt32(countIf(origin = 'web' AND landing IS NULL)) AS lost
      FROM (SELECT uniqExactIf(toDate(min_first_timestamp), message_count > 0) AS days, uniqExact(toDate(min_first_timestamp)) AS all_days, argMinMerge(snapshot_source) AS origin,
        groupUniqArrayArray(ai_tags_fixed) AS tags, max(is_deleted) AS gone, uniqExactIf(distinct_id, is_deleted = 0) AS ids,
        argMinMerge(first_url) AS landing FROM posthog.session_replay_events GROUP BY session_id)`);
    const { lost, ...others } = row;
    for (const [name, value] of Object.entries(others)) assert.ok(Number(value) > 0, name);
    assert.equal(lost, 0);
  });

  test("the generator's session ids are UUIDs of version 7, in order of time", async () => {
    const row =
      await one(`SELECT toUInt32(countIf(NOT match(session_id, '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'))) AS odd,
        toUInt32(countIf(abs(reinterpretAsUInt64(reverse(unhex(replaceAll(substring(session_id, 1, 13), '-', '')))) - first) > 1)) AS apart
      FROM (SELECT session_id, toUnixTimestamp64Milli(min(min_first_timestamp)) AS first FROM posthog.session_replay_events GROUP BY session_id)`);
    assert.deepEqual(row, { odd: 0, apart: 0 });
  });

  test("the generator makes the same rows for the same seed, and others for another", async () => {
    await run([...createReplayTables("again"), ...insertSessions(plan, "again")]);
    await run([...createReplayTables("other"), ...insertSessions({ ...plan, seed: 2 }, "other")]);
    const first = await sums("posthog.session_replay_events");
    assert.deepEqual(await sums("again.session_replay_events"), first);
    assert.notDeepEqual(await sums("other.session_replay_events"), first);
  });

  test("the generator makes some rows visible hours after their _timestamp, and none before it", async () => {
    const columns = REPLAY_COLUMNS.map(([name, type]) => `${name} ${type}`).join(", ");
    await run([
      `CREATE TABLE arrivals (${columns}, visible_at DateTime) ENGINE = MergeTree ORDER BY visible_at`,
      ...insertArrivals(plan, "default", "arrivals"),
    ]);
    const row = await one(`SELECT toUInt32(countIf(visible_at < _timestamp)) AS early,
      toUInt32(countIf(visible_at > _timestamp + 3600)) AS late FROM arrivals`);
    assert.equal(row["early"], 0);
    assert.ok(Number(row["late"]) > 10);
  });
});
