/** What a row becomes in BigQuery, by way of every format, and which rows a MERGE has to find. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Column } from "../../../src/models/column.ts";
import { hours } from "../../conformance/batches.ts";
import { rejectsWith } from "../../conformance/context.ts";
import { PROJECT } from "./emulator.ts";
import { bigquerySkip, type BigQueryFixture, openBigQueryFixture } from "./fixture.ts";
import { ReplayBatches, REPLAY_COLUMNS, type ReplayRow } from "../replay_batches.ts";

const skip = await bigquerySkip();

const REPLAYS = { columns: REPLAY_COLUMNS, key: ["team_id", "session_id"] };

const DAY_1 = "2026-10-01 10:00:00.123456";
const DAY_2 = "2026-10-02 11:00:00.654321";

function replay(session: string, version: number, more: Partial<ReplayRow> = {}): ReplayRow {
  return { session, version, start: DAY_1, end: DAY_2, ...more };
}

async function current({ select }: BigQueryFixture): Promise<string[]> {
  const rows = await select("SELECT session_id, _version FROM TABLE_ ORDER BY session_id, _version");
  return rows.map((row) => row.join(" v"));
}

const MICROS = (text: string): string =>
  String(Date.parse(`${text.slice(0, 23).replace(" ", "T")}Z`) * 1000 + Number(text.slice(23)));

suite("bigquery: rows", { skip, concurrency: false }, () => {
  for (const [format, gzip] of [
    ["parquet", false],
    ["jsonl", false],
    ["jsonl", true],
    ["csv", false],
    ["csv", true],
  ] as const) {
    test(`${format}${gzip ? " with gzip" : ""}: every type comes as it left, to the microsecond`, async ({
      signal,
    }) => {
      await using fixture = await openBigQueryFixture();
      await using batches = await ReplayBatches.open();
      await using destination = fixture.healthy();
      const rows = [
        replay("a", 7, { urls: ["https://acme.test/ü?x=1,2", 'with "quotes"'] }),
        replay("b", 8, { url: null, urls: [] }),
      ];
      const receipt = await destination.load(await batches.batch(hours(0), rows, { format, gzip }), signal);
      assert.equal(receipt.rows, 2);
      const found = await fixture.select(
        "SELECT team_id, session_id, UNIX_MICROS(start_time), UNIX_MICROS(end_time), first_url, all_urls, UNIX_MICROS(blocks[0]), UNIX_MICROS(blocks[1]), score, is_deleted, _version FROM TABLE_ ORDER BY session_id",
      );
      const times = [MICROS(DAY_1), MICROS(DAY_2)];
      assert.deepEqual(found, [
        [
          "1",
          "a",
          ...times,
          "https://acme.test/a",
          ["https://acme.test/ü?x=1,2", 'with "quotes"'],
          ...times,
          "1.75",
          "false",
          "7",
        ],
        ["1", "b", ...times, null, [], ...times, "2.0", "false", "8"],
      ]);
    });
  }

  test("a file that BigQuery cannot decompress is refused before anything is sent", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.open();
    const batch = await batches.batch(hours(0), [replay("a", 1)], { format: "jsonl" });
    const error = await rejectsWith("give-up", destination.load({ ...batch, extension: ".jsonl.zst" }, signal));
    assert.match(error.hint ?? "", /compression: gzip/);
    assert.deepEqual(fixture.proxy.requests, []);
  });

  test("rows that are there twice in a batch reach the table once, the newest of them", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const rows = [replay("a", 2), replay("a", 3), replay("a", 1), replay("b", 1)];
    const receipt = await destination.load(await batches.batch(hours(0), rows), signal);
    assert.equal(receipt.rows, 4);
    assert.deepEqual(await current(fixture), ["a v3", "b v1"]);
  });

  test("a session whose start has moved to an earlier day is found, and is there once", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(1), [replay("a", 1, { start: DAY_2 })]), signal);
    await destination.load(
      await batches.batch(hours(2), [replay("a", 2, { start: "2026-09-20 00:00:00.000000" })]),
      signal,
    );
    assert.deepEqual(await current(fixture), ["a v2"]);
  });

  test("an older row whose start is later than the one that is there is found too, and is not put beside it", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const before = new Date();
    const newer = replay("a", 2, { start: "2026-09-20 00:00:00.000000" });
    await destination.load(await batches.batch(hours(2), [newer]), signal);
    await destination.load(await batches.batch(hours(1), [replay("a", 1)], { readAt: before }), signal);
    assert.deepEqual(await current(fixture), ["a v2"]);
  });

  test("a session whose first rows were purged starts later, and is there once, whoever reads it last", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const stale = new Date();
    const early = replay("a", 1, { start: "2026-08-20 00:00:00.000000", end: "2026-08-21 00:00:00.000000" });
    await destination.load(await batches.batch(hours(0), [early, replay("b", 1)]), signal);
    const late = { start: "2026-11-20 00:00:00.000000", end: "2026-11-20 01:00:00.000000" };
    await destination.load(await batches.batch(hours(1), [replay("a", 2, late)]), signal);
    assert.deepEqual(await current(fixture), ["a v2", "b v1"]);
    await destination.load(await batches.batch(hours(2), [early], { readAt: stale }), signal);
    assert.deepEqual(await current(fixture), ["a v2", "b v1"]);
  });

  test("an audit finds the version of a row that begins long before the days that it compares", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const early = replay("a", 1, { start: "2026-08-20 00:00:00.000000", end: "2026-08-21 00:00:00.000000" });
    await destination.load(await batches.batch(hours(0), [early]), signal);
    const scope = { teams: "all", from: new Date("2026-11-01T00:00:00Z") } as const;
    const versions = await destination.audit.versions(scope, [{ team: "1", session: "a" }], signal);
    assert.deepEqual(Object.fromEntries(versions), { "1|a": "1" });
  });

  test("a deletion finds the row of a session that now starts elsewhere", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy({ onDelete: "delete" });
    const early = { start: "2026-08-20 00:00:00.000000", end: "2026-08-21 00:00:00.000000" };
    await destination.load(await batches.batch(hours(0), [replay("a", 1, early), replay("b", 1)]), signal);
    const late = { start: "2026-11-20 00:00:00.000000", end: "2026-11-20 01:00:00.000000" };
    await destination.load(await batches.batch(hours(1), [replay("a", 2, { ...late, deleted: true })]), signal);
    assert.deepEqual(await current(fixture), ["b v1"]);
  });

  test("a table that has a session twice is refused with the statement that mends it, and nothing is changed", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), [replay("a", 1), replay("b", 1)]), signal);
    await fixture.select("INSERT INTO TABLE_ SELECT * FROM TABLE_ WHERE session_id = 'a'");
    const again = (session: string) => batches.batch(hours(1), [replay(session, 2)]);
    const error = await rejectsWith("give-up", destination.load(await again("a"), signal));
    assert.equal(error.code, "warehouse.duplicates");
    assert.match(error.message, /more than one row for 1 session; nothing was changed$/);
    assert.deepEqual(await current(fixture), ["a v1", "a v1", "b v1"]);
    // Others' rows are none of the load's business.
    await destination.load(await again("b"), signal);
    assert.deepEqual(await current(fixture), ["a v1", "a v1", "b v2"]);
    const checked = await rejectsWith("give-up", destination.checkRows?.(REPLAYS, signal) ?? Promise.resolve());
    assert.equal(checked.code, "warehouse.duplicates");
    const [, mend = ""] = /(CREATE TEMP TABLE .*;)$/.exec(checked.hint ?? "") ?? [];
    await fixture.select(mend);
    await destination.checkRows?.(REPLAYS, signal);
    await destination.load(await again("a"), signal);
    assert.deepEqual(await current(fixture), ["a v2", "b v2"]);
  });

  test("a row that somebody adds between the plan and the commit fails the load, and nothing is changed", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), [replay("b", 1)]), signal);
    const { layer } = fixture.server;
    layer.beforeJob = async (jobId) => {
      if (!jobId.startsWith("replayport_commit_")) return;
      layer.beforeJob = () => Promise.resolve();
      await fixture.select(
        "INSERT INTO TABLE_ (team_id, session_id, start_time, _version) VALUES (1, 'a', TIMESTAMP '2026-01-01 00:00:00+00', 1)",
      );
    };
    const error = await rejectsWith(
      "give-up",
      destination.load(await batches.batch(hours(1), [replay("a", 2)]), signal),
    );
    assert.equal(error.code, "warehouse.duplicates");
    assert.deepEqual(await current(fixture), ["a v1", "b v1"]);
    assert.equal((await fixture.receipts()).length, 1);
    await destination.load(await batches.batch(hours(1), [replay("a", 2)]), signal);
    assert.deepEqual(await current(fixture), ["a v2", "b v1"]);
  });

  test("on_delete: tombstone keeps the row and empties what is personal", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), [replay("a", 1), replay("b", 1)]), signal);
    await destination.load(await batches.batch(hours(1), [replay("a", 2, { deleted: true })]), signal);
    const found = await fixture.select(
      "SELECT session_id, distinct_id, first_url, all_urls, is_deleted, score FROM TABLE_ ORDER BY session_id",
    );
    assert.deepEqual(found, [
      ["a", null, null, [], "true", "0.5"],
      ["b", "person of b", "https://acme.test/b", ["https://acme.test/b"], "false", "0.25"],
    ]);
  });

  test("on_delete: delete removes the row, and an older reading does not bring it back", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy({ onDelete: "delete" });
    const before = new Date();
    await destination.load(await batches.batch(hours(0), [replay("a", 1), replay("b", 1)]), signal);
    await destination.load(await batches.batch(hours(1), [replay("a", 2, { deleted: true })]), signal);
    assert.deepEqual(await current(fixture), ["b v1"]);
    await destination.load(await batches.batch(hours(2), [replay("a", 1)], { readAt: before }), signal);
    assert.deepEqual(await current(fixture), ["b v1"]);
    await destination.load(await batches.batch(hours(2), [replay("a", 3, { deleted: true })]), signal);
    assert.deepEqual(await current(fixture), ["b v1"]);
    // An audit must not take it for lost.
    const keys = ["a", "b", "c"].map((session) => ({ team: "1", session }));
    const versions = await destination.audit.versions({ teams: "all", from: new Date(0) }, keys, signal);
    assert.deepEqual(Object.fromEntries(versions), { "1|a": "3", "1|b": "1" });
  });

  test("json_columns: lists and texts become JSON", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy({ jsonColumns: ["all_urls", "first_url"] });
    const rows = [replay("a", 1, { url: '{"path": "/a"}' }), replay("b", 1, { url: "no JSON" })];
    await destination.load(await batches.batch(hours(0), rows), signal);
    const found = await fixture.select(
      "SELECT JSON_VALUE(first_url, '$.path'), JSON_VALUE(all_urls, '$[0]'), TO_JSON_STRING(first_url) FROM TABLE_ ORDER BY session_id",
    );
    assert.deepEqual(found, [
      ["/a", '{"path": "/a"}', '{"path":"/a"}'],
      [null, "no JSON", '"no JSON"'],
    ]);
  });

  test("rows without a key are refused", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const nullable = REPLAY_COLUMNS.map((column): Column =>
      column.name === "session_id" ? { ...column, nullable: true } : column,
    );
    const broken = { ...replay("a", 1), session: null };
    const batch = await batches.batch(hours(0), [broken], { columns: nullable, format: "jsonl" });
    const error = await rejectsWith("give-up", destination.load(batch, signal));
    assert.equal(error.code, "bigquery.no_key");
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("each job carries labels with the export and the interval, and a limit of what is billed", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy({ maximumBytesBilled: 5_000_000_000, labels: { team: "Data" } });
    const batch = await batches.batch(hours(0), [replay("a", 1)]);
    await destination.load(batch, signal);
    const own = [...fixture.server.layer.jobs].filter(
      ([, { configuration }]) => configuration.labels?.["replayport_attempt"] === batch.attempt,
    );
    assert.ok(own.length >= 3);
    for (const [id, { configuration }] of own) {
      const { labels, query } = configuration;
      assert.equal(labels?.["replayport_export"], "sessions", id);
      assert.equal(labels?.["replayport_interval"], "20261001t000000z_20261001t010000z", id);
      assert.equal(labels?.["team"], "data", id);
      if (query) assert.equal(query["maximumBytesBilled"], "5000000000", id);
    }
    assert.ok(
      own.some(([id]) => id.startsWith("replayport_load_")) && own.some(([id]) => id.startsWith("replayport_commit_")),
    );
  });

  test("a location that is not the dataset's is an error that names both", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.healthy({ location: "us-east1" });
    const error = await rejectsWith("give-up", destination.check(signal));
    assert.match(error.message, new RegExp(`${PROJECT}.${fixture.dataset} is in EU, the config says us-east1`));
    assert.equal(error.code, "bigquery.wrong_location");
  });
});
