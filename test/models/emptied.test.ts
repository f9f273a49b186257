/** What the read leaves out of deleted sessions, for destinations that show its files as they are. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { Selection } from "../../src/models/model.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { HOUR_ONE, READ, REPLAYS } from "../support/definitions.ts";

const START = HOUR_ONE.start.getTime();
const signal = AbortSignal.timeout(120_000);

type Row = Record<string, unknown>;

suite("deleted sessions in the read", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
    const row = (session: string, seconds: number, over: object = {}) => ({
      team: 1,
      session,
      firstMicros: START * 1000,
      lastMicros: (START + 90_000) * 1000,
      ingested: START / 1000 + seconds,
      url: `https://shop.example.com/${session}`,
      clicks: 4,
      ...over,
    });
    await server.replays.insert([
      row("deleted", 0),
      row("deleted", 10, { deleted: true, messages: 0 }),
      row("before", -100),
      row("before", 20),
      row("whole", 20, { clicks: 0 }),
    ]);
  });
  after(async () => await server[Symbol.asyncDispose]());

  async function rowsOf(
    selection: Partial<Selection>,
    more: Partial<ExportDefinition> = {},
  ): Promise<Map<unknown, Row>> {
    const definition = { ...REPLAYS, ...more, selection: { ...REPLAYS.selection, ...selection } };
    const model = await server.replays.source.model(definition, signal);
    const { sql, parameters } = model.rows(READ, "jsonl");
    const settings = { session_timezone: "UTC", output_format_json_quote_64bit_integers: 0 } as const;
    const asked = {
      query: sql,
      query_params: parameters,
      format: "JSONEachRow",
      clickhouse_settings: settings,
    } as const;
    const rows = await (await server.client.query(asked)).json<Row>();
    return new Map(rows.map((row) => [row["session_id"] ?? row["id"], row]));
  }

  test("with emptyDeleted a deleted session has nothing personal, and the others are as ever", async () => {
    const [plain, emptied] = [await rowsOf({}), await rowsOf({ emptyDeleted: true })];
    const { first_url: url, distinct_id: id, ...rest } = emptied.get("deleted") ?? {};
    assert.deepEqual([url, id, rest["all_urls"], rest["is_deleted"]], [null, null, [], true]);
    assert.notEqual(plain.get("deleted")?.["first_url"], null);
    for (const name of ["team_id", "start_time", "deleted_at", "_version"])
      assert.equal(rest[name], plain.get("deleted")?.[name]);
    for (const session of ["before", "whole"]) assert.deepEqual(emptied.get(session), plain.get(session));
  });

  test("with emptyDeleted and a where both kinds of rows have nothing personal", async () => {
    const where: Selection["where"] = [{ column: "click_count", op: "range", max: 0 }];
    const rows = await rowsOf({ where, emptyDeleted: true });
    assert.deepEqual(
      ["deleted", "before", "whole"].map((session) => rows.get(session)?.["first_url"]),
      [null, null, "https://shop.example.com/whole"],
    );
  });

  test("with emptyDeleted a deleted row of a user's SELECT keeps its key, its version and its deletion alone", async () => {
    const sql =
      "SELECT 1 AS id, 'Ada' AS name, ['a'] AS tags, true AS is_deleted, 7 AS _version UNION ALL SELECT 2, 'Bob', ['b'], false, 8";
    const rows = await rowsOf({ emptyDeleted: true }, { model: { kind: "sql", file: "people.sql", sql, key: ["id"] } });
    const shown = (id: number) => ["name", "tags", "is_deleted", "_version"].map((name) => rows.get(id)?.[name]);
    assert.deepEqual(shown(1), [null, [], true, 7]);
    assert.deepEqual(shown(2), ["Bob", ["b"], false, 8]);
  });
});
