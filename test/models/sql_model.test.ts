/** A model from a user's own SELECT: what is bound and found in it, and what is refused. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { Selection } from "../../src/models/model.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { NO_RULES, READ, REPLAYS } from "../support/definitions.ts";

const signal = AbortSignal.timeout(120_000);

type Row = Record<string, unknown>;

suite("a user's own SELECT", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());
  const definition = (sql: string, selection: Partial<Selection> = {}, key = ["id"]): ExportDefinition => ({
    ...REPLAYS,
    model: { kind: "sql", file: "own.sql", sql, key },
    selection: { ...REPLAYS.selection, ...selection },
  });

  test("a SELECT gets its parameters bound, and the columns that readers need", async () => {
    const sql =
      "SELECT number AS id, {team_id} AS team, toDate('2026-10-01') AS day, toDecimal64(1.5, 2) AS price, [1, 2] AS list, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS uuid FROM numbers(3) WHERE {interval_start} < {interval_end};";
    const model = await server.replays.source.model(definition(sql, { teams: 5 }), signal);
    assert.deepEqual(
      model.columns.map(({ name, type }) => `${name} ${type}`),
      [
        "id int64",
        "team int64",
        "day timestamp",
        "price float64",
        "list string[]",
        "uuid string",
        "_version int64",
        "_exported_at timestamp",
        "_interval_start timestamp",
      ],
    );
    const { sql: query, parameters } = model.rows(READ, "jsonl");
    const result = await server.client.query({
      query,
      query_params: parameters,
      format: "JSONEachRow",
      clickhouse_settings: { session_timezone: "UTC" },
    });
    const rows = await result.json<Row>();
    assert.equal(rows.length, 3);
    assert.equal(rows[0]?.["uuid"], "61f0c404-5cb3-11e7-907b-a6006ad3dba0");
    assert.deepEqual(rows[0]?.["list"], ["1", "2"]);
    assert.equal(Number(rows[0]?.["_version"]), READ.exportedAt.getTime() * 1000);
  });

  for (const [what, wrong, message] of [
    ["a key that the SELECT doesn't return", definition("SELECT 1 AS other"), /no column id, which is part of its key/],
    [
      "a SELECT with {team_id} for all teams",
      definition("SELECT 1 AS id WHERE {team_id} = 1", { teams: "all" }),
      /uses \{team_id\}/,
    ],
    [
      "a rule on a column that the SELECT doesn't return",
      definition("SELECT 1 AS id", { rules: { ...NO_RULES, exclude: ["nothing"] } }),
      /no column nothing/,
    ],
    ["a mistake in the SQL of a SELECT", definition("SELEKT 1 AS id"), /code 62/],
  ] as const) {
    test(`${what} is refused`, async () => {
      await assert.rejects(
        server.replays.source.model(wrong, signal),
        (error) => error instanceof ReplayportError && error.remedy === "give-up" && message.test(error.message),
      );
    });
  }
});
