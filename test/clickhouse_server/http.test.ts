import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { after, before, suite, test } from "node:test";
import { buffer, text } from "node:stream/consumers";
import zlib from "node:zlib";
import { ClickHouseError, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import type { ClickHouseClient } from "@clickhouse/client";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { embedded, embeddedSkip } from "../support/embedded.ts";
import type { EmbeddedHarness } from "../support/embedded.ts";

suite("embedded: HTTP", { skip: embeddedSkip }, () => {
  let harness: EmbeddedHarness;
  let client: ClickHouseClient;
  before(async () => {
    harness = await embedded();
    client = harness.client;
  });
  after(() => harness[Symbol.asyncDispose]());

  const rows = async (query: string, options: object = {}): Promise<unknown[]> =>
    await (await client.query({ query, format: "JSONEachRow", ...options })).json();
  const one = async (expression: string, options: object = {}): Promise<unknown> =>
    ((await rows(`SELECT ${expression} AS x`, options))[0] as { x: unknown }).x;
  const get = (search: string, init: RequestInit = {}): Promise<Response> => fetch(`${harness.url}/?${search}`, init);
  const post = (body: string, search = "", init: RequestInit = {}): Promise<Response> =>
    get(search, { method: "POST", body, ...init });
  const rejectsWith = (code: string) => (error: unknown) => error instanceof ClickHouseError && error.code === code;

  test("the embedded server answers at /ping and at its root", async () => {
    assert.equal((await client.ping()).success, true);
    assert.equal(await (await fetch(`${harness.url}/ping`)).text(), "Ok.\n");
    assert.equal(await (await fetch(harness.url)).text(), "Ok.\n");
    assert.equal((await fetch(`${harness.url}/nosuch`)).status, 404);
  });

  test("a query may be in the URL, the body or both, and is answered in TabSeparated", async () => {
    assert.equal(await (await get("query=SELECT+1,'a'")).text(), "1\ta\n");
    assert.equal(await (await post("SELECT 1, 'a'")).text(), "1\ta\n");
    assert.equal(await (await post("1, 'a'", "query=SELECT")).text(), "1\ta\n");
    assert.equal(await (await post("SELECT 1 FORMAT CSV", "default_format=JSON")).text(), "1\n");
    assert.equal(await (await post("SELECT 1 AS a", "default_format=JSONEachRow")).text(), '{"a":1}\n');
  });

  const STATEMENTS: readonly (readonly [sql: string, answer: RegExp])[] = [
    ["WITH 2 AS x SELECT x -- FORMAT CSV", /^2\n$/],
    ["(SELECT 1) UNION ALL (SELECT 1)", /^1\n1\n$/],
    ["SELECT 1 SETTINGS max_threads = 1;", /^1\n$/],
    ["SELECT 1 FORMAT JSONEachRow SETTINGS max_threads = 1", /^\{"1":1\}\n$/],
    ["SELECT ' FORMAT CSV ; é' AS `x;` FORMAT TabSeparated", /^ FORMAT CSV ; é\n$/],
    ["SELECT 1 AS format FORMAT CSV", /^1\n$/],
    ["SHOW DATABASES", /^default\n/m],
    ["SHOW DATABASES FORMAT JSONEachRow", /^\{"name":"default"\}\n/m],
    ["DESCRIBE (SELECT 1 AS a)", /^a\tUInt8/],
    ["EXISTS TABLE nosuch", /^0\n$/],
    ["EXPLAIN SELECT 1", /ReadFromSystemOne/],
    ["EXPLAIN AST SELECT 1 FORMAT CSV", /SelectWithUnionQuery/],
    ["KILL QUERY WHERE query_id = 'none'", /^$/],
    ["SELECT * FROM numbers(0) FORMAT CSVWithNames", /^"number"\n$/],
    ["SELECT 1 FORMAT Null", /^$/],
  ];
  for (const [sql, answer] of STATEMENTS) {
    test(`statement: ${sql}`, async () => {
      const response = await post(sql);
      assert.equal(response.status, 200);
      assert.match(await response.text(), answer);
    });
  }

  test("parameters are bound, whatever characters they hold, by URL and by form", async () => {
    const value = "it's \\ a\ttab\nand 'FORMAT CSV' {x:String} é";
    for (const use_multipart_params of [false, true]) {
      const options = { query_params: { s: value, n: 2 ** 31, a: ["x'", "y\\"] }, use_multipart_params };
      assert.equal(await one("{s:String}", options), value);
      assert.equal(await one("{n:UInt32} + 1", options), 2 ** 31 + 1);
      assert.deepEqual(await one("{a:Array(String)}", options), ["x'", "y\\"]);
    }
    assert.equal(
      await one("{t:Identifier}", { query_params: { t: "x" } }).catch((e: unknown) => (e as ClickHouseError).code),
      "47",
    );
    assert.equal(
      await one("{d:DateTime64(3, 'UTC')}", { query_params: { d: new Date(1234) } }),
      "1970-01-01 00:00:01.234",
    );
    assert.equal(await one("{o:Nullable(String)}", { query_params: { o: null } }), null);
  });

  test("a parameter applies only to its query", async () => {
    assert.equal(await one("{leak:String}", { query_params: { leak: "x" } }), "x");
    await assert.rejects(one("{leak:String}"), rejectsWith("456"));
  });

  test("a setting applies only to its query", async () => {
    const settings = {
      max_threads: 5,
      log_comment: "it's \\",
      session_timezone: "Asia/Tokyo",
      output_format_json_quote_64bit_integers: 1,
    } as const;
    const sql =
      "SELECT getSetting('max_threads') AS t, getSetting('log_comment') AS c, timezone() AS z, toUInt64(1) AS n";
    const [changed] = await rows(sql, { clickhouse_settings: settings });
    assert.deepEqual(changed, { t: 5, c: "it's \\", z: "Asia/Tokyo", n: "1" });
    const [plain] = (await rows(sql)) as Record<string, unknown>[];
    assert.notEqual(plain?.["t"], 5);
    assert.deepEqual({ ...plain, t: 0 }, { t: 0, c: "", z: plain?.["z"], n: 1 });
    assert.notEqual(plain?.["z"], "Asia/Tokyo");
    await client.command({ query: "SET max_threads = 6" });
    assert.notEqual(await one("getSetting('max_threads')"), 6);
  });

  test("limits apply to their query, and later queries still work", async () => {
    const slow = "count() FROM numbers(100000000000) WHERE sipHash64(number) = 1 --";
    await assert.rejects(one(slow, { clickhouse_settings: { max_execution_time: 1 } }), rejectsWith("159"));
    const large = "length(groupArray(number)) FROM numbers(50000000) --";
    await assert.rejects(one(large, { clickhouse_settings: { max_memory_usage: "10000000" } }), rejectsWith("241"));
    await assert.rejects(one("1", { clickhouse_settings: { no_such_setting: 1 } }), rejectsWith("115"));
    await assert.rejects(
      client.command({ query: "CREATE DATABASE d", clickhouse_settings: { readonly: "1" } }),
      rejectsWith("164"),
    );
    const spilled = { max_bytes_before_external_group_by: "1000000", max_threads: 1 };
    const groups = "(SELECT count() FROM (SELECT number FROM numbers(300000) GROUP BY number))";
    assert.equal(await one(groups, { clickhouse_settings: spilled }), 300000);
    assert.equal(await one("1"), 1);
  });

  test("a GET request can't change data", async () => {
    const response = await get("query=CREATE+DATABASE+by_get");
    assert.equal(response.headers.get("x-clickhouse-exception-code"), "164");
    assert.equal(await one("(SELECT count() FROM system.databases WHERE name = 'by_get')"), 0);
  });

  test("database= chooses the database of one query", async () => {
    await client.command({ query: "CREATE DATABASE `odd ``name`" });
    const search = `database=${encodeURIComponent("odd `name")}`;
    assert.equal(await (await post("SELECT currentDatabase() FORMAT TSVRaw", search)).text(), "odd `name\n");
    assert.equal(await one("currentDatabase()"), "default");
    assert.equal((await post("SELECT 1", "database=nosuch")).status, 404);
  });

  const ERRORS: readonly (readonly [sql: string, status: number, code: string, name: string])[] = [
    ["SELEC 1", 400, "62", "SYNTAX_ERROR"],
    ["SELECT", 400, "62", "SYNTAX_ERROR"],
    ["SELECT 'unclosed", 400, "62", "SYNTAX_ERROR"],
    ["SELECT 1; SELECT 2", 400, "62", "SYNTAX_ERROR"],
    ["SELECT * FROM nosuch", 404, "60", "UNKNOWN_TABLE"],
    ["SELECT nosuch", 404, "47", "UNKNOWN_IDENTIFIER"],
    ["SELECT 1 FORMAT nosuch", 404, "73", "UNKNOWN_FORMAT"],
    ["SELECT 1 INTO OUTFILE '/tmp/replayport-never'", 500, "358", "INTO_OUTFILE_NOT_ALLOWED"],
    [
      "SELECT throwIf(number = 3000000, 'half way') FROM numbers(10000000)",
      500,
      "395",
      "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
    ],
  ];
  for (const [sql, status, code, name] of ERRORS) {
    test(`error: ${sql}`, async () => {
      const response = await post(sql);
      assert.equal(response.status, status);
      assert.equal(response.headers.get("x-clickhouse-exception-code"), code);
      const body = await response.text();
      assert.match(
        body,
        new RegExp(`^Code: ${code}\\. DB::Exception: [^]+ \\(${name}\\) \\(version \\d[\\d.]+ \\(embedded\\)\\)\\n$`),
      );
      assert.doesNotMatch(body, /OUTFILE '.*result-/);
      // The trap of the engine: rows of a failed query stand before the next result.
      assert.equal(await (await post("SELECT 42")).text(), "42\n");
    });
  }

  test("@clickhouse/client sees errors with ClickHouse's code and type", async () => {
    await assert.rejects(rows("SELECT * FROM nosuch"), (error) => {
      assert.ok(error instanceof ClickHouseError);
      assert.deepEqual([error.code, error.type], ["60", "UNKNOWN_TABLE"]);
      return true;
    });
    await assert.rejects(client.exec({ query: "SELEC 1" }), (error) => {
      assert.match((error as Error).message, /failed at position 7/, "positions count from the client's own text");
      return true;
    });
  });

  test("the query id is returned, or made up if the request has none", async () => {
    const { query_id, response_headers } = await client.exec({ query: "SELECT 1", query_id: "my-id" });
    assert.deepEqual([query_id, response_headers["x-clickhouse-query-id"]], ["my-id", "my-id"]);
    assert.match((await post("SELECT 1")).headers.get("x-clickhouse-query-id") ?? "", /^[0-9a-f-]{36}$/);
  });

  const N = 150_001;
  const SELECT = `SELECT number AS n, concat('"line\n', toString(number)) AS s FROM numbers(${N})`;

  test("Parquet is readable, and result_rows is its number of rows", async () => {
    const { stream, summary, response_headers } = await client.exec({ query: `${SELECT} FORMAT Parquet` });
    assert.equal(summary?.result_rows, String(N));
    assert.equal(response_headers["x-clickhouse-format"], "Parquet");
    const { buffer: bytes, byteOffset, byteLength } = await buffer(stream);
    const file = bytes.slice(byteOffset, byteOffset + byteLength);
    assert.equal(Number(parquetMetadata(file).num_rows), N);
    const [last] = await parquetReadObjects({ file, compressors, rowStart: N - 1, rowEnd: N });
    assert.equal(last?.["n"], BigInt(N - 1));
  });

  const ENCODINGS = {
    zstd: zlib.zstdDecompressSync,
    gzip: zlib.gunzipSync,
    br: zlib.brotliDecompressSync,
    deflate: zlib.inflateSync,
  } as const;
  for (const format of ["JSONEachRow", "CSVWithNames"]) {
    for (const encoding of ["none", "zstd", "gzip", "br", "deflate"] as const) {
      test(`${format} with ${encoding}: every row once, one header, an exact count`, async () => {
        const response = await requestRaw(`${SELECT} FORMAT ${format}`, encoding);
        assert.equal(response.headers["content-encoding"], encoding === "none" ? undefined : encoding);
        const summary = JSON.parse(response.headers["x-clickhouse-summary"] as string) as Record<string, string>;
        assert.equal(summary["result_rows"], String(N));
        assert.ok(Number(summary["elapsed_ns"]) > 0);
        const body = (encoding === "none" ? response.body : ENCODINGS[encoding](response.body)).toString();
        if (format === "JSONEachRow") {
          const lines = body.trimEnd().split("\n");
          assert.equal(lines.length, N);
          assert.deepEqual(JSON.parse(lines[N - 1]!), { n: N - 1, s: `"line\n${N - 1}` });
        } else {
          assert.equal(body.split('"n","s"\n').length, 2, "one header line");
          assert.equal(body.match(/^\d+,"""line$/gm)?.length, N);
        }
      });
    }
  }

  test("only clients that ask for and accept compression get it, and lz4 has frames", async () => {
    assert.equal((await requestRaw("SELECT 1", "gzip", "")).headers["content-encoding"], undefined);
    const lz4 = await requestRaw("SELECT 1", "lz4");
    assert.equal(lz4.headers["content-encoding"], "lz4");
    assert.equal(lz4.body.readUInt32LE(0), 0x184d2204);
    assert.equal((await requestRaw("SELECT 1", "gzip, deflate, br")).headers["content-encoding"], "br");
    const client2 = createClient({ url: harness.url, compression: { response: true } });
    assert.equal(await (await client2.query({ query: "SELECT 'x'", format: "CSV" })).text(), '"x"\n');
    await client2.close();
  });

  /** fetch takes compression off by itself, so here is a request that does not. */
  async function requestRaw(sql: string, accept: string, search = "enable_http_compression=1") {
    const sent = request(`${harness.url}/?${search}`, { method: "POST", headers: { "accept-encoding": accept } });
    sent.end(sql);
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return { headers: response.headers, body: await buffer(response) };
  }

  test("a slow query sends 102 when asked to, and still fails with its own status", async () => {
    const impatient = createClient({ url: harness.url, request_timeout: 700, log: { level: ClickHouseLogLevel.OFF } });
    const slow = "SELECT sleepEachRow(0.5) FROM numbers(4) SETTINGS max_block_size = 1";
    await assert.rejects(impatient.exec({ query: slow }), /Timeout/);
    const settings = { send_progress_in_http_headers: 1, http_headers_progress_interval_ms: "100" } as const;
    const answer = await impatient.exec({ query: slow, clickhouse_settings: settings });
    assert.equal(await text(answer.stream), "0\n0\n0\n0\n");
    const failing = "SELECT throwIf(sleepEachRow(0.5) = 0) FROM numbers(1)";
    await assert.rejects(impatient.exec({ query: failing, clickhouse_settings: settings }), rejectsWith("395"));
    await impatient.close();
  });

  test("Native is answered without a version of the protocol, and refused with one", async () => {
    const native = await post("SELECT 1 AS check", "default_format=Native&client_protocol_version=0");
    assert.deepEqual(Buffer.from(await native.arrayBuffer()), Buffer.from("\x01\x01\x05check\x05UInt8\x01", "latin1"));
    const version = "client_protocol_version=54405";
    const refused = [
      post("SELECT 1 FORMAT Native", version),
      post("SELECT 1 FORMAT `native` SETTINGS max_threads = 1", version),
      post("SELECT 1", `default_format=Native&${version}`),
      post("SELECT 1", version, { headers: { "x-clickhouse-format": "Native" } }),
      post("SHOW DATABASES", `default_format=Native&${version}`),
    ];
    for (const response of await Promise.all(refused)) {
      assert.equal(response.status, 501);
      assert.match(await response.text(), /^Code: 48\..* leave client_protocol_version out/);
    }
    assert.equal(await (await post("SELECT 1 FORMAT CSV", version)).text(), "1\n");
    assert.equal(await (await post("SELECT 1", `default_format=Native&default_format=CSV&${version}`)).text(), "1\n");
  });

  test("a session is accepted until it would have to keep something", async () => {
    assert.equal(await (await post("SELECT 1", "session_id=a&session_timeout=60&session_check=0")).text(), "1\n");
    const missing = await post("SELECT 1", "session_id=a&session_check=1");
    assert.deepEqual([missing.status, missing.headers.get("x-clickhouse-exception-code")], [404, "372"]);
    for (const sql of [
      "SET max_threads = 3",
      "/* a */ set max_threads = 3",
      "USE system",
      "CREATE TEMPORARY TABLE t (a UInt8)",
      "create or replace temporary table t (a UInt8) engine = Memory",
      "BEGIN TRANSACTION",
    ]) {
      const response = await post(sql, "session_id=a");
      assert.equal(response.status, 501, sql);
      assert.match(await response.text(), /^Code: 48\..* send settings and the database with each query/);
    }
    assert.equal((await post("CREATE TABLE kept (temporary UInt8) ENGINE = Memory", "session_id=a")).status, 200);
    assert.equal((await post("SET max_threads = 3", "session_id=")).status, 200, "an empty name is no session");
  });

  test("a body that can't be decompressed is refused with what can", async () => {
    const response = await post("SELECT 1", "", { headers: { "content-encoding": "lz4" } });
    assert.equal(response.status, 501);
    assert.match(await response.text(), /^Code: 48\..*lz4.*gzip, deflate, br or zstd.*JDBC: decompress=false/);
  });

  test("requests from web pages of other sites are refused", async () => {
    const headers = { "sec-fetch-site": "cross-site" };
    assert.equal((await post("SELECT 1", "", { headers })).status, 403);
    const sent = request(harness.url, { headers: { host: "evil.example" } }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 403);
  });

  test("DateTime64, Array, Nullable and Decimal arrive as they are", async () => {
    const [row] = await rows(
      "SELECT toDateTime64('2026-10-01 00:00:00.123456', 6, 'UTC') AS d, [1, NULL] AS a, CAST(NULL, 'Nullable(String)') AS n, toDecimal64('1.10', 2) AS m",
    );
    assert.deepEqual(row, { d: "2026-10-01 00:00:00.123456", a: [1, null], n: null, m: 1.1 });
  });
});

suite("embedded: authentication", { skip: embeddedSkip }, () => {
  test("a wrong password is refused with 516, however it is sent", async () => {
    const credentials = { username: "reader", password: "s3cret: é" };
    await using harness = await embedded({ credentials });
    assert.equal(await (await harness.client.query({ query: "SELECT 1", format: "CSV" })).text(), "1\n");
    const wrong = createClient({
      url: harness.url,
      username: "reader",
      password: "guess",
      log: { level: ClickHouseLogLevel.OFF },
    });
    await assert.rejects(wrong.query({ query: "SELECT 1" }), (error) => {
      assert.ok(error instanceof ClickHouseError);
      assert.deepEqual([error.code, error.type], ["516", "AUTHENTICATION_FAILED"]);
      return true;
    });
    await wrong.close();
    const { username, password } = credentials;
    const statusOf = async (search: string, headers: Record<string, string> = {}): Promise<number> =>
      (await fetch(`${harness.url}/?query=SELECT+1${search}`, { headers })).status;
    const url = (key: string): string => `&user=${username}&password=${encodeURIComponent(key)}`;
    assert.equal(await statusOf(url(password)), 200);
    assert.equal(await statusOf(url("guess")), 403);
    assert.equal(await statusOf("", { "x-clickhouse-user": username, "x-clickhouse-key": "guess" }), 403);
    assert.equal(await statusOf(""), 403);
    assert.equal((await fetch(`${harness.url}/ping`)).status, 200);
  });

  test("a request without credentials runs as the user default", async () => {
    await using harness = await embedded();
    assert.equal((await fetch(`${harness.url}/?query=SELECT+1&user=somebody`)).status, 403);
    assert.equal((await fetch(`${harness.url}/?query=SELECT+1&user=default`)).status, 200);
  });
});
