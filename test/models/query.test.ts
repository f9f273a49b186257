/** What the rules, conditions and choices of an export make of its rows, seen in ClickHouse's own answer. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { cutFiles } from "../../src/export/cut_files.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { Read, Selection } from "../../src/models/model.ts";
import { SESSION_REPLAYS } from "../../src/models/session_replays.ts";
import { openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { HOUR_ONE, NO_RULES, READ, REPLAYS } from "../support/definitions.ts";
import { sessionId } from "../support/session_id.ts";

const START = HOUR_ONE.start.getTime();
const signal = AbortSignal.timeout(120_000);

type Row = Record<string, unknown>;

suite("session_replays", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
    const row = (session: string, seconds: number, over: object = {}) => ({
      team: 1,
      session,
      firstMicros: START * 1000,
      lastMicros: (START + 90_000) * 1000 + 500,
      ingested: START / 1000 + seconds,
      url: `https://shop.example.com/${session}?token=secret#top`,
      clicks: 4,
      ...over,
    });
    await server.replays.insert([
      row("at the start", 0),
      row("last second", 3599),
      row("at the end", 3600),
      row("the second before", -1),
      row("other team", 10, { team: 2 }),
      row("mobile", 10, { mobile: true, retention: 90, score: 0.75, tags: ["b", "a"] }),
      row("deleted", 10, { deleted: true, messages: 0 }),
      row("of old", 10, { firstMicros: (START - 10 * 86_400_000) * 1000 }),
      // In parts: the first outside the interval and on another day.
      row("in parts", -90_000, {
        firstMicros: (START - 90_000_000) * 1000,
        lastMicros: (START - 80_000_000) * 1000,
        clicks: 1,
      }),
      row("in parts", 20, { clicks: 2 }),
    ]);
  });
  after(async () => await server[Symbol.asyncDispose]());

  async function rowsOf(
    selection: Partial<Selection>,
    read: Partial<Read> = {},
    definition: Partial<ExportDefinition> = {},
  ): Promise<Row[]> {
    const export_: ExportDefinition = { ...REPLAYS, ...definition, selection: { ...REPLAYS.selection, ...selection } };
    const model = await server.replays.source.model(export_, signal);
    const { sql, parameters } = model.rows({ ...READ, ...read }, "jsonl");
    const result = await server.client.query({
      query: sql,
      query_params: parameters,
      format: "JSONEachRow",
      clickhouse_settings: { session_timezone: "UTC", output_format_json_quote_64bit_integers: 0 },
    });
    const rows = await result.json<Row>();
    return rows.sort((a, b) => (String(a["session_id"]) < String(b["session_id"]) ? -1 : 1));
  }
  const names = (rows: readonly Row[]): unknown[] => rows.map((row) => row["session_id"]);
  const one = (rows: readonly Row[], session: string): Row =>
    rows.find((row) => row["session_id"] === session) ?? assert.fail(session);

  test("an interval includes its first second and not its end", async () => {
    const found = names(await rowsOf({}));
    for (const inside of ["at the start", "last second"]) assert.ok(found.includes(inside));
    for (const outside of ["at the end", "the second before"]) assert.ok(!found.includes(outside));
  });

  test("a session is assembled from all of its rows, including those of other days", async () => {
    const row = one(await rowsOf({}, { pruneBefore: new Date(START - 3_600_000) }), "in parts");
    assert.equal(row["click_count"], 3);
    assert.equal(row["start_time"], "2026-09-29 23:00:00.000000");
    assert.equal(row["duration_seconds"], 90_090);
    assert.equal(row["first_url"], "https://shop.example.com/in parts?token=secret#top");
  });

  test("the lookback skips sessions whose rows are all old", async () => {
    const found = names(await rowsOf({}, { pruneBefore: new Date(START - 3 * 86_400_000) }));
    assert.ok(!found.includes("of old"));
    assert.ok(names(await rowsOf({})).includes("of old"));
  });

  test("a reload includes sessions that moved to time that is not loaded yet", async () => {
    const carried = names(await rowsOf({}, { alsoChangedSince: HOUR_ONE.end }));
    assert.ok(carried.includes("at the end"));
    assert.ok(
      !names(await rowsOf({}, { alsoChangedSince: new Date(HOUR_ONE.end.getTime() + 1000) })).includes("at the end"),
    );
  });

  test("computed columns have the values that the application computes", async () => {
    const row = one(await rowsOf({ posthogUrl: "https://eu.posthog.com" }), "mobile");
    assert.equal(row["duration_seconds"], 90);
    assert.equal(row["active_seconds"], 6);
    assert.equal(row["inactive_seconds"], 84);
    // (6 active seconds + 4 clicks) / 90 seconds
    assert.equal(row["activity_score"], 11.11);
    assert.equal(row["expires_at"], "2026-12-30 00:00:00.000000");
    assert.equal(row["replay_url"], "https://eu.posthog.com/project/1/replay/mobile");
    assert.equal(row["snapshot_source"], "mobile");
    assert.equal(row["surfacing_score"], 0.75);
    assert.deepEqual(row["ai_tags_fixed"], ["a", "b"]);
    assert.equal(row["is_deleted"], false);
    assert.equal(row["_ingested_at"], "2026-10-01 00:00:10.000000");
    assert.equal(row["_exported_at"], "2026-10-01 02:00:00.123000");
    assert.equal(row["_interval_start"], "2026-10-01 00:00:00.000000");
    assert.equal(row["end_time"], "2026-10-01 00:01:30.000500");
  });

  test("unset values become web, 30 days and no link", async () => {
    const row = one(await rowsOf({}), "at the start");
    assert.equal(row["snapshot_source"], "web");
    assert.equal(row["expires_at"], "2026-10-31 00:00:00.000000");
    assert.equal(row["replay_url"], null);
    assert.equal(one(await rowsOf({}), "deleted")["is_deleted"], true);
  });

  test("an export selects one team, several or all", async () => {
    assert.deepEqual(names(await rowsOf({ teams: 2 })), ["other team"]);
    assert.ok(names(await rowsOf({ teams: [1, 2] })).includes("other team"));
    assert.ok(!names(await rowsOf({ teams: 1 })).includes("other team"));
  });

  test("rules include block columns, and exclude, hash and strip others", async () => {
    const plain = one(await rowsOf({}), "mobile");
    assert.ok(!("block_urls" in plain));
    const salt = "a salt of some length";
    const rules = {
      include: ["block_urls", "blocks_aligned"],
      exclude: ["click_count"],
      hash: ["distinct_id"],
      stripQuery: ["first_url", "all_urls"],
    };
    const row = one(await rowsOf({ rules, salt }), "mobile");
    assert.deepEqual(row["block_urls"], ["s3://recordings/block?range=bytes=0-1"]);
    assert.equal(row["blocks_aligned"], true);
    assert.ok(!("click_count" in row));
    assert.equal(row["distinct_id"], createHash("sha256").update(`${salt}\0user-mobile`).digest("hex"));
    assert.equal(row["first_url"], "https://shop.example.com/mobile");
    assert.deepEqual(row["all_urls"], ["https://shop.example.com/mobile"]);
    assert.equal(row["_version"], plain["_version"]);
  });

  test("a column that is stripped and hashed is the hash of the stripped value, and NULL stays NULL", async () => {
    const salt = "a salt of some length";
    const rules = { ...NO_RULES, hash: ["first_url", "snapshot_library"], stripQuery: ["first_url"] };
    const row = one(await rowsOf({ rules, salt }), "mobile");
    assert.equal(
      row["first_url"],
      createHash("sha256").update(`${salt}\0https://shop.example.com/mobile`).digest("hex"),
    );
    assert.equal(row["snapshot_library"], null);
  });

  test("conditions are bound parameters and see values before any rule", async () => {
    const rules = { ...NO_RULES, hash: ["distinct_id"] };
    const only = async (where: Selection["where"]): Promise<unknown[]> =>
      names((await rowsOf({ where, rules, salt: "a salt of some length" })).filter((row) => row["_matches"] === true));
    assert.deepEqual(await only([{ column: "distinct_id", op: "equal", value: "user-mobile" }]), ["mobile"]);
    assert.deepEqual(await only([{ column: "snapshot_source", op: "in", values: ["mobile", "x' OR 1=1 --"] }]), [
      "mobile",
    ]);
    assert.deepEqual(await only([{ column: "surfacing_score", op: "range", min: 0.5, max: 1 }]), ["mobile"]);
    assert.deepEqual(await only([{ column: "is_deleted", op: "equal", value: true }]), ["deleted"]);
    assert.deepEqual(await only([{ column: "start_time", op: "range", max: "2026-09-28 00:00:00" }]), ["of old"]);
    assert.deepEqual(await only([{ column: "session_id", op: "equal", value: "' OR 1=1 --" }]), []);
  });

  test("a session that doesn't match is exported, with nothing personal, where it may have been exported before", async () => {
    const where: Selection["where"] = [{ column: "click_count", op: "range", max: 0 }];
    const matching = async (read: Partial<Read>): Promise<Map<unknown, unknown>> =>
      new Map((await rowsOf({ where }, read)).map((row) => [row["session_id"], row["_matches"]]));
    // By their ids each may have begun earlier, have been exported, and have lost those rows at the source since.
    const ids = names(await rowsOf({}));
    assert.deepEqual(await matching({}), new Map(ids.map((id) => [id, false])));
    const rules = { ...NO_RULES, exclude: ["is_deleted"] };
    assert.deepEqual(names(await rowsOf({ where, rules })), ids);
    const again = await matching({ reread: true });
    assert.deepEqual([...again.keys()], ids);
    assert.deepEqual(new Set(again.values()), new Set([false]));

    const row = one(await rowsOf({ where }), "in parts");
    assert.deepEqual([row["first_url"], row["distinct_id"], row["all_urls"]], [null, null, []]);
    const unconditional = one(await rowsOf({}), "in parts");
    for (const name of ["team_id", "start_time", "_version"]) assert.equal(row[name], unconditional[name]);
  });

  test("a session that doesn't match isn't exported where its id says that it began in the interval", async () => {
    const HOUR = 3_600_000;
    const start = START + 48 * HOUR;
    const row = (id: number, ingested: number, over: object = {}) => ({
      team: 1,
      session: sessionId(id),
      firstMicros: ingested * 1000,
      lastMicros: ingested * 1000,
      ingested: ingested / 1000,
      clicks: 4,
      ...over,
    });
    const began = start - 1;
    await server.replays.insert([
      row(start, start + 1000),
      row(start + HOUR - 1, start + HOUR - 1000),
      row(began, start + 1000),
      // By a clock that is ahead.
      row(start + HOUR, start + 1000),
      row(start + 1, start + 1000, { deleted: true, messages: 0 }),
      // It changed before the interval too.
      row(start + 2, start - 1000),
      row(start + 2, start + 1000),
    ]);
    const interval = { start: new Date(start), end: new Date(start + HOUR) };
    const where: Selection["where"] = [{ column: "click_count", op: "range", max: 0 }];
    const rules = { ...NO_RULES, hash: ["session_id"] };
    const maybeExported = [began, start + 1, start + 2, start + HOUR].map((at) => sessionId(at));
    assert.deepEqual(names(await rowsOf({ where }, { interval })), maybeExported);
    assert.equal((await rowsOf({ where, rules, salt: "a salt of some length" }, { interval })).length, 4);
  });

  test("sessions that match are exported as ever, with _matches true", async () => {
    const where: Selection["where"] = [{ column: "click_count", op: "range", min: 1 }];
    const plain = await rowsOf({});
    for (const reread of [false, true]) {
      const rows = await rowsOf({ where }, { reread });
      assert.deepEqual(
        rows,
        plain.map((row) => ({ ...row, _matches: true })),
      );
    }
  });

  for (const teams of [1, "all"] as const) {
    test(`parts hold every session once, about as many each; teams: ${teams}`, async () => {
      const whole = names(await rowsOf({ teams }));
      const { source } = server.replays;
      const model = await source.model({ ...REPLAYS, selection: { ...REPLAYS.selection, teams } }, signal);
      const purpose = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
      const parts = await cutFiles(model, READ, whole.length, 3, source, purpose, signal);
      assert.equal(parts.length, 3);
      const found = [];
      for (const part of parts) {
        const here = names(await rowsOf({ teams }, { part }));
        assert.ok(here.length >= Math.floor(whole.length / 3), `${here.length} of ${whole.length}`);
        found.push(...here);
      }
      assert.deepEqual(found, whole);
    });
  }

  test("columns that a cluster lacks are exported as typed NULLs", async () => {
    const { database } = server.options;
    const lacking = [
      "surfacing_score",
      "ai_tags_fixed",
      "is_deleted",
      "snapshot_source",
      "retention_period_days",
      "event_count",
    ];
    await server.client.command({ query: `CREATE TABLE ${database}.older AS ${database}.session_replay_events` });
    await server.client.command({
      query: `ALTER TABLE ${database}.older ${lacking.map((name) => `DROP COLUMN ${name}`).join(", ")}`,
    });
    await server.client.command({
      query: `INSERT INTO ${database}.older SELECT * EXCEPT (${lacking.join(", ")}) FROM ${database}.session_replay_events`,
    });
    await using source = await openClickHouse({ ...server.options, table: "older" });
    const model = await source.model(REPLAYS, signal);
    assert.deepEqual(model.columns, (await server.replays.source.model(REPLAYS, signal)).columns);
    const { sql, parameters } = model.rows(READ, "jsonl");
    const result = await server.client.query({
      query: sql,
      query_params: parameters,
      format: "JSONEachRow",
      clickhouse_settings: { session_timezone: "UTC" },
    });
    const row = one(await result.json<Row>(), "mobile");
    assert.deepEqual(
      lacking.map((name) => row[name]),
      [null, [], null, "web", null, null],
    );
    const types = await server.client.query({
      query: `DESCRIBE (${sql})`,
      query_params: parameters,
      format: "JSONEachRow",
    });
    const typeOf = new Map((await types.json<{ name: string; type: string }>()).map(({ name, type }) => [name, type]));
    assert.equal(typeOf.get("surfacing_score"), "Nullable(Float64)");
    assert.equal(typeOf.get("ai_tags_fixed"), "Array(String)");
    assert.equal(typeOf.get("is_deleted"), "Nullable(Bool)");
  });

  test("a plain snapshot_source, as newer clusters have it, is exported too", async () => {
    const { database } = server.options;
    await server.client.command({ query: `CREATE TABLE ${database}.newer AS ${database}.session_replay_events` });
    await server.client.command({ query: `ALTER TABLE ${database}.newer DROP COLUMN snapshot_source` });
    await server.client.command({ query: `ALTER TABLE ${database}.newer ADD COLUMN snapshot_source Nullable(String)` });
    await server.client.command({
      query: `INSERT INTO ${database}.newer (* EXCEPT snapshot_source, snapshot_source) SELECT * EXCEPT snapshot_source, if(session_id = 'mobile', 'mobile', NULL) FROM ${database}.session_replay_events`,
    });
    await using source = await openClickHouse({ ...server.options, table: "newer" });
    const { sql, parameters } = (await source.model(REPLAYS, signal)).rows(READ, "jsonl");
    const result = await server.client.query({
      query: sql,
      query_params: parameters,
      format: "JSONEachRow",
      clickhouse_settings: { session_timezone: "UTC" },
    });
    const rows = await result.json<Row>();
    assert.equal(one(rows, "mobile")["snapshot_source"], "mobile");
    assert.equal(one(rows, "last second")["snapshot_source"], "web");
  });

  test("a table that isn't session_replay_events is refused", async () => {
    const { database } = server.options;
    await server.client.command({ query: `CREATE TABLE ${database}.wrong (a Int8) ENGINE = Memory` });
    await using source = await openClickHouse({ ...server.options, table: "wrong" });
    await assert.rejects(
      source.model(REPLAYS, signal),
      (error) => error instanceof ReplayportError && error.code === "source.wrong_table",
    );
  });

  test("the inner query on a Distributed table is GLOBAL", async () => {
    const { sessionReplays } = await import("../../src/models/session_replays_query.ts");
    const table = { database: "posthog", table: "session_replay_events", distributed: true, columns: new Map() };
    const read: Read = { ...READ, part: { index: 1, of: 3, from: "a", until: "b" } };
    const { sql } = sessionReplays(table, REPLAYS.selection).rows(read, "jsonl");
    assert.match(sql, /GLOBAL IN \(SELECT DISTINCT/);
    // Else each shard would send the sessions of all parts around.
    assert.equal(sql.match(/session_id >= \{part_from:String\} AND session_id < \{part_until:String\}/g)?.length, 2);
    assert.doesNotMatch(
      sessionReplays({ ...table, distributed: false }, REPLAYS.selection).rows(READ, "jsonl").sql,
      /GLOBAL/,
    );
  });

  test("every column of session_replays has a unique name, a type and a description", () => {
    assert.equal(new Set(SESSION_REPLAYS.map(({ name }) => name)).size, SESSION_REPLAYS.length);
    for (const { description } of SESSION_REPLAYS) assert.match(description, /\.$/);
  });
});
