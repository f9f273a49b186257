/**
 * What no receipt shows: rows that appear long after their interval was read, rows that no interval looks for, files that somebody
 * removed. What must be true: a daily audit finds the sessions that the lake lacks, and the ordinary runs load them. What the
 * source no longer has stays in the lake and is counted. Nothing is read again for ever.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { z } from "@hono/zod-openapi";
import { auditSchema } from "../../src/web/command_schemas.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { deletion, recording, recordings, tagging } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

type Audited = z.output<typeof auditSchema>;

suite("stories of audits", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const due = async (story: Story, ...times: readonly number[]): Promise<void> => {
    for (const at of times) await story.ok(["run", "--due"], { at });
  };
  const audit = async (story: Story, at: number): Promise<Audited> =>
    auditSchema.parse(JSON.parse((await story.ok(["audit", "replays", "--json"], { at })).out));
  const totals = ({ hours, onlyDestination }: Audited) => ({
    lacking: hours.map(({ sessions }) => sessions),
    onlyDestination,
  });
  const daily = { schedule: "@daily", start: iso(time(3)) };
  /** How many intervals a run loads. */
  const loads = async (story: Story, at: number): Promise<number> => {
    const { out } = await story.ok(["run", "--due", "--json"], { at });
    return (JSON.parse(out) as { loaded: unknown[] }[])[0]?.loaded.length ?? 0;
  };

  test("rows that appear days after their day was swept are in the lake after the next audit", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...recordings("in-time", 40, { start: time(3, 12) }));
    await due(story, time(4, 1), time(5, 1), time(6, 1));
    await story.insert(...recordings("late", 25, { start: time(3, 14) }));
    await due(story, time(7, 1));
    assert.equal((await story.rows()).length, 65);
    assert.deepEqual(totals(await audit(story, time(7, 2))), { lacking: [], onlyDestination: 0 });
  });

  test("a session of a device whose clock is days behind is exported although nothing sweeps", async () => {
    await using story = await openStory(server, { export: { ...daily, sweep: "off", lookback: "1d" } });
    await story.insert(
      recording("clock-behind", { start: time(3, 5), ingested: time(8, 12) }),
      recording("in-time", { start: time(8, 11) }),
    );
    await due(story, time(9, 1));
    assert.deepEqual(await story.sessions(), ["clock-behind", "in-time"]);
  });

  for (const format of ["parquet", "jsonl", "csv"]) {
    test(`a ${format} file that somebody removed from the lake is made up for`, async () => {
      await using story = await openStory(server, { export: { ...daily, format } });
      for (const day of [3, 4, 5]) await story.insert(...recordings(`day-${day}`, 20, { start: time(day, 12) }));
      await due(story, time(6, 1));
      const { root, names } = await story.files();
      const file = names.find((name) => name.includes(iso(time(4)).slice(0, 10)));
      assert.ok(file);
      await rm(join(root, file));
      assert.deepEqual(totals(await audit(story, time(6, 2))), { lacking: [20], onlyDestination: 0 });
      await due(story, time(6, 3));
      assert.equal((await story.rows()).length, 60);
      assert.deepEqual(totals(await audit(story, time(6, 4))), { lacking: [], onlyDestination: 0 });
    });
  }

  test("a replica that was empty at the first backfill and has its rows later is read again", async () => {
    await using story = await openStory(server, { export: daily });
    await story.ok(["backfill", "replays", "--from", iso(time(3)), "--to", iso(time(6))], { at: time(6, 1) });
    for (const day of [3, 4, 5]) await story.insert(...recordings(`day-${day}`, 30, { start: time(day, 12) }));
    await due(story, time(6, 2), time(7, 1));
    assert.equal((await story.rows()).length, 90);
  });

  test("sessions that the source has purged stay, are counted, and make nothing due", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(
      ...recordings("kept", 30, { start: time(3, 12) }),
      ...recordings("purged", 10, { start: time(3, 18) }),
    );
    await due(story, time(4, 1), time(5, 1), time(6, 1), time(6, 4));
    await story.source(
      `ALTER TABLE ${story.table} DELETE WHERE startsWith(session_id, 'purged') SETTINGS mutations_sync = 2`,
    );
    assert.deepEqual(totals(await audit(story, time(6, 12))), { lacking: [], onlyDestination: 10 });
    assert.equal(await loads(story, time(6, 13)), 0);
    await due(story, time(7, 1));
    assert.equal((await story.rows()).length, 40);
    const { out } = await story.ok(["status"], { at: time(7, 2) });
    assert.match(out, /10 only in the destination/);
  });

  test("a deletion whose marker was purged sticks, and makes nothing due", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(recording("deleted", { start: time(3, 12) }), recording("other", { start: time(3, 13) }));
    await due(story, time(4, 1));
    await story.insert(deletion("deleted", time(4, 12)));
    await due(story, time(5, 1), time(6, 1));
    await story.source(`ALTER TABLE ${story.table} DELETE WHERE is_deleted = 1 SETTINGS mutations_sync = 2`);
    assert.deepEqual(totals(await audit(story, time(6, 2))), { lacking: [], onlyDestination: 0 });
    await due(story, time(7, 1));
    const rows = await story.rows();
    assert.deepEqual(Object.fromEntries(rows.map((row) => [row["session_id"], row["is_deleted"]])), {
      deleted: true,
      other: false,
    });
  });

  test("a deletion, a tag and a block that came too late for their intervals are exported", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...recordings("session", 5, { start: time(3, 12) }));
    await due(story, time(4, 1), time(5, 1), time(6, 1));
    await story.insert(
      deletion("session-0000", time(3, 20)),
      tagging("session-0001", { start: time(3, 12), at: time(3, 20) }),
      recording("session-0002", { start: time(3, 12, 1), clicks: 40 }),
    );
    await due(story, time(7, 1));
    const rows = new Map((await story.rows()).map((row) => [row["session_id"], row]));
    assert.equal(rows.get("session-0000")?.["is_deleted"], true);
    assert.equal(rows.get("session-0001")?.["surfacing_score"], 0.5);
    assert.equal(rows.get("session-0002")?.["click_count"], 43);
  });

  test("a session that changed after the last read isn't lacking", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...recordings("session", 20, { start: time(3, 12) }));
    await due(story, time(4, 1));
    await story.insert(
      recording("session-0000", { start: time(3, 12, 30), ingested: time(4, 3) }),
      recording("new", { start: time(3, 23), ingested: time(4, 3) }),
    );
    assert.deepEqual(totals(await audit(story, time(4, 4))), { lacking: [], onlyDestination: 0 });
  });

  test("rows by conditions and column rules are compared as they're exported", async () => {
    const rules = {
      columns: { hash: ["distinct_id"], exclude: ["_ingested_at"] },
      where: { click_count: { min: 3 }, snapshot_source: "web" },
    };
    await using story = await openStory(server, { export: { ...daily, ...rules } });
    await story.insert(
      ...recordings("few", 7, { start: time(3, 10), clicks: 2 }),
      ...recordings("many", 8, { start: time(3, 12) }),
    );
    await due(story, time(4, 1), time(5, 1), time(6, 1));
    assert.deepEqual(totals(await audit(story, time(6, 1, 30))), { lacking: [], onlyDestination: 0 });
    await story.insert(...recordings("late", 4, { start: time(3, 14) }));
    assert.deepEqual(totals(await audit(story, time(6, 2))), { lacking: [4], onlyDestination: 0 });
    assert.equal(await loads(story, time(6, 2, 30)), 1);
    assert.equal((await story.rows()).length, 12);
  });

  test("a session that stopped matching the export's conditions too late for its interval is taken out", async () => {
    const where = { duration_seconds: { max: 600 } };
    await using story = await openStory(server, { export: { ...daily, where } });
    await story.insert(...recordings("short", 6, { start: time(3, 12) }));
    await due(story, time(4, 1), time(5, 1), time(6, 1));
    await story.insert(recording("short-0003", { start: time(3, 12, 3), seconds: 3600, ingested: time(3, 14) }));
    assert.deepEqual(totals(await audit(story, time(6, 2))), { lacking: [1], onlyDestination: 1 });
    await due(story, time(6, 2, 30));
    assert.equal((await story.rows()).length, 5);
    assert.deepEqual(totals(await audit(story, time(6, 2, 40))), { lacking: [], onlyDestination: 0 });
  });

  test("audit: off compares nothing", async () => {
    await using story = await openStory(server, { export: { ...daily, audit: "off" } });
    await story.insert(...recordings("in-time", 4, { start: time(3, 12) }));
    await due(story, time(4, 1), time(5, 1), time(6, 1));
    await story.insert(...recordings("late", 2, { start: time(3, 14) }));
    await due(story, time(7, 1), time(8, 1));
    assert.equal((await story.rows()).length, 4);
    assert.deepEqual(
      (await story.files()).names.filter((name) => name.includes("/audits/")),
      [],
    );
  });
});
