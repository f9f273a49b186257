import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import zlib from "node:zlib";
import { ClickHouseError, createClient } from "@clickhouse/client";
import type { ClickHouseClient } from "@clickhouse/client";
import { embedded, embeddedSkip } from "../support/embedded.ts";
import type { EmbeddedHarness } from "../support/embedded.ts";

suite("embedded: INSERT", { skip: embeddedSkip }, () => {
  let harness: EmbeddedHarness;
  let client: ClickHouseClient;
  let tables = 0;
  before(async () => {
    harness = await embedded();
    client = harness.client;
  });
  after(() => harness[Symbol.asyncDispose]());

  const newTable = async (): Promise<string> => {
    const table = `t${++tables}`;
    const columns = "(a Int64 DEFAULT 7, s String, d Nullable(DateTime64(6, 'UTC')))";
    await client.command({ query: `CREATE TABLE ${table} ${columns} ENGINE = MergeTree ORDER BY a` });
    return table;
  };
  const contents = async (table: string): Promise<unknown[]> =>
    await (await client.query({ query: `SELECT * FROM ${table} ORDER BY a, s`, format: "JSONCompactEachRow" })).json();
  const post = (
    search: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ) => fetch(`${harness.url}/?${new URLSearchParams(search).toString()}`, { method: "POST", body, headers });

  test("client.insert inserts rows and streams, and written_rows is their number", async () => {
    const table = await newTable();
    const rows = [{ a: 1, s: "é\n'\\", d: "2026-10-01 00:00:00.123456" }, { s: "default a" }];
    const { summary } = await client.insert({ table, values: rows, format: "JSONEachRow" });
    assert.equal(summary?.written_rows, "2");
    const stream = Readable.from([
      { a: 3, s: "x" },
      { a: 4, s: "y" },
    ]);
    await client.insert({ table, values: stream, format: "JSONEachRow", columns: ["a", "s"] });
    assert.deepEqual(
      await contents(table),
      [
        ["1", "é\n'\\", "2026-10-01 00:00:00.123456"],
        ["3", "x", null],
        ["4", "y", null],
        ["7", "default a", null],
      ].map(([a, ...rest]) => [Number(a), ...rest]),
    );
  });

  test("the settings of client.insert apply only to it", async () => {
    const table = await newTable();
    const values = [{ a: 1, unknown: 1 }];
    const insert = (skip: 0 | 1) =>
      client.insert({
        table,
        values,
        format: "JSONEachRow",
        clickhouse_settings: { input_format_skip_unknown_fields: skip },
      });
    await assert.rejects(insert(0), (error) => error instanceof ClickHouseError && error.code === "117");
    await insert(1);
    await assert.rejects(insert(0));
    assert.deepEqual(await contents(table), [[1, "", null]]);
  });

  const FORMATS = ["JSONEachRow", "CSV", "CSVWithNames", "TabSeparated", "Parquet", "RowBinary", "Native", "Values"];
  for (const format of FORMATS) {
    test(`exec: what SELECT writes as ${format}, INSERT reads`, async () => {
      const [source, target] = [await newTable(), await newTable()];
      await client.command({
        query: `INSERT INTO ${source} SELECT number, concat('s''\n', toString(number)), if(number % 2, NULL, toDateTime64(number, 6, 'UTC')) FROM numbers(5000)`,
      });
      const { stream } = await client.exec({ query: `SELECT * FROM ${source} FORMAT ${format}` });
      const values = Readable.from([await buffer(stream)], { objectMode: false });
      const inserted = await client.exec({ query: `INSERT INTO ${target} FORMAT ${format}`, values });
      inserted.stream.resume();
      assert.deepEqual(await contents(target), await contents(source));
      assert.equal((await contents(target)).length, 5000);
    });
  }

  test("an INSERT may have its data in one body with it, or be in the URL alone", async () => {
    const table = await newTable();
    const send = async (query: string, body: string): Promise<void> => {
      const response = await post(query === "" ? {} : { query }, body);
      assert.equal(response.status, 200, await response.text());
    };
    await send("", `INSERT INTO ${table} (a, s) VALUES (1, ';'), (1 + 1, 'x');`);
    await send("", `INSERT INTO ${table} (a, s) FORMAT TSV\n3\ty\n4\tz\n`);
    await send(`INSERT INTO ${table} (a, s) FORMAT CSV`, '5,"a, ""b"""\n');
    await send(`INSERT INTO ${table} (a, s)`, "VALUES (6, 'v')");
    await send(`INSERT INTO ${table} (a, s) SETTINGS max_insert_block_size = 10 FORMAT JSONEachRow`, '{"a":7,"s":"w"}');
    await send(`INSERT INTO ${table} (a, s) SELECT 8, 'q'`, "");
    assert.deepEqual(
      (await contents(table)).map((row) => (row as unknown[]).slice(0, 2)),
      [
        [1, ";"],
        [2, "x"],
        [3, "y"],
        [4, "z"],
        [5, 'a, "b"'],
        [6, "v"],
        [7, "w"],
        [8, "q"],
      ],
    );
  });

  test("compressed bodies are decoded, and an unknown compression is refused", async () => {
    const table = await newTable();
    const query = `INSERT INTO ${table} (a, s) FORMAT CSV`;
    const compressed: Record<string, Buffer> = {
      gzip: zlib.gzipSync("1,gzip\n"),
      deflate: zlib.deflateSync("2,deflate\n"),
      br: zlib.brotliCompressSync("3,br\n"),
      zstd: zlib.zstdCompressSync("4,zstd\n"),
    };
    for (const [encoding, body] of Object.entries(compressed)) {
      assert.equal((await post({ query }, new Uint8Array(body), { "content-encoding": encoding })).status, 200);
    }
    const compressing = createClient({ url: harness.url, compression: { request: true } });
    await compressing.insert({ table, values: [{ a: 5, s: "client" }], format: "JSONEachRow" });
    await compressing.close();
    assert.equal((await contents(table)).length, 5);
    assert.equal((await post({ query }, "x", { "content-encoding": "lzma" })).status, 501);
    const broken = await post({ query }, "not gzip", { "content-encoding": "gzip" });
    assert.ok(broken.status >= 400);
    assert.equal((await contents(table)).length, 5);
  });

  test("an INSERT without rows inserts nothing, in any format", async () => {
    const table = await newTable();
    for (const format of ["JSONEachRow", "Parquet", "Native"]) {
      assert.equal((await post({ query: `INSERT INTO ${table} FORMAT ${format}` }, "")).status, 200);
    }
    await client.insert({ table, values: [], format: "JSONEachRow" });
    assert.deepEqual(await contents(table), []);
    assert.equal((await post({ query: "INSERT INTO nosuch FORMAT Parquet" }, "")).status, 404);
  });

  test("bad data is refused as a whole, with ClickHouse's code and the row", async () => {
    const table = await newTable();
    const response = await post({ query: `INSERT INTO ${table} FORMAT JSONEachRow` }, '{"a":1}\n{"a":"x"}\n');
    assert.equal(response.status, 400);
    assert.match(await response.text(), /^Code: 27\. DB::Exception: [^]*\(at row 2\)/);
    assert.deepEqual(await contents(table), []);
    assert.equal((await post({ query: "INSERT INTO nosuch FORMAT CSV" }, "1\n")).status, 404);
    const noColumn = await post({ query: `INSERT INTO ${table} (nosuch) FORMAT CSV` }, "1\n");
    assert.equal(noColumn.headers.get("x-clickhouse-exception-code"), "16");
  });

  test("inserts leave no file behind, whether they succeed or fail", async () => {
    const names = await readdir(harness.path);
    const temporary = names.filter((name) => name.startsWith("replayport-engine-"));
    assert.equal(temporary.length, 1);
    assert.deepEqual(await readdir(`${harness.path}/${temporary[0]}`), []);
  });

  test("PostHog's replay table merges partial rows and returns states and arrays", async () => {
    await client.command({ query: REPLAY_TABLE });
    for (const [minute, url, country] of [
      ["05", "https://b", "null"],
      ["01", "https://a", "'web'"],
    ] as const) {
      const at = `toDateTime64('2026-10-01 00:${minute}:00.000001', 6, 'UTC')`;
      await client.command({
        query: `INSERT INTO session_replay_events
          SELECT 's1', 1, 'person', ${at}, ${at} + 30, [${at}], ['s3://bucket/${minute}'],
            argMinState(CAST('${url}', 'Nullable(String)'), ${at}), ['${url}'], 2,
            argMinState(CAST(${country}, 'LowCardinality(Nullable(String))'), ${at}),
            toDateTime('2026-10-01 00:10:00', 'UTC'), NULL, 0`,
      });
    }
    await client.command({ query: "OPTIMIZE TABLE session_replay_events FINAL" });
    const result = await client.query({
      query: `SELECT session_id, min(min_first_timestamp) AS start, max(max_last_timestamp) AS end,
        length(groupArrayArray(block_first_timestamps)) AS blocks, groupArrayArray(block_urls) AS urls,
        argMinMerge(first_url) AS first, sum(click_count) AS clicks, argMinMerge(snapshot_source) AS source,
        max(retention_period_days) AS days FROM session_replay_events GROUP BY session_id`,
      format: "JSONEachRow",
    });
    const [row, ...others] = await result.json<{ urls: string[] }>();
    assert.deepEqual(others, []);
    assert.deepEqual(
      { ...row, urls: row?.urls.toSorted() },
      {
        session_id: "s1",
        start: "2026-10-01 00:01:00.000001",
        end: "2026-10-01 00:05:30.000001",
        blocks: 2,
        urls: ["s3://bucket/01", "s3://bucket/05"],
        first: "https://a",
        clicks: 4,
        source: "web",
        days: null,
      },
    );
  });
});

// allow_dimensions_outside_sorting_key, which distinct_id needs, is a setting of MergeTree: it stands in the table's own
// SETTINGS, and as a setting of the query it is unknown (code 115).
const REPLAY_TABLE = `
  CREATE TABLE session_replay_events (
    session_id String,
    team_id Int64,
    distinct_id String,
    min_first_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    max_last_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    block_first_timestamps SimpleAggregateFunction(groupArrayArray, Array(DateTime64(6, 'UTC'))),
    block_urls SimpleAggregateFunction(groupArrayArray, Array(String)),
    first_url AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    all_urls SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    click_count SimpleAggregateFunction(sum, Int64),
    snapshot_source AggregateFunction(argMin, LowCardinality(Nullable(String)), DateTime64(6, 'UTC')),
    _timestamp SimpleAggregateFunction(max, DateTime),
    retention_period_days SimpleAggregateFunction(max, Nullable(Int64)),
    is_deleted SimpleAggregateFunction(max, UInt8) DEFAULT 0
  )
  ENGINE = AggregatingMergeTree
  PARTITION BY toYYYYMM(min_first_timestamp)
  ORDER BY (toDate(min_first_timestamp), team_id, session_id)
  SETTINGS index_granularity = 512, allow_dimensions_outside_sorting_key = 1`;
