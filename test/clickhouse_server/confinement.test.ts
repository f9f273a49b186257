/** What nobody gets out of an engine: files, the environment, other servers. And who gets in at all. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { startEmbedded } from "../../src/clickhouse_server/start.ts";
import { type EmbeddedHarness, embedded, embeddedSkip } from "../support/embedded.ts";

suite("a confined engine", { skip: embeddedSkip }, () => {
  let harness: EmbeddedHarness;
  let folder: string;
  let secret: string;
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    response.end("SECRET\n");
  });
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    secret = join(folder, "secret.csv");
    await writeFile(secret, "SECRET\n");
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    process.env["REPLAYPORT_TEST_SECRET"] = "SECRET";
    harness = await embedded({ outside: false });
    delete process.env["REPLAYPORT_TEST_SECRET"];
    for (const sql of [
      "CREATE TABLE t (a String, b String DEFAULT 'b') ENGINE = MergeTree ORDER BY a",
      "INSERT INTO t (a) VALUES ('x')",
    ]) {
      assert.equal((await ask(sql)).status, 200);
    }
  });
  after(async () => {
    await harness[Symbol.asyncDispose]();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = async (sql: string, search = ""): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${harness.url}/?${search}`, { method: "POST", body: sql });
    return { status: response.status, body: await response.text() };
  };
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.csv`;

  /** Each is tried with FILE as a path with the word SECRET in it, OUT as a path that doesn't exist, and URL as an address. */
  const ATTACKS: Readonly<Record<string, readonly string[]>> = {
    "reading a file as a table": [
      "SELECT * FROM file('FILE', 'CSV', 'a String')",
      "SELECT * FROM file('FILE')",
      "SELECT * FROM `file`('FILE', 'CSV', 'a String')",
      `SELECT * FROM "file" /* x */ ('FILE', 'CSV', 'a String')`,
      "SELECT * FROM `fi\\x6ce`('FILE', 'CSV', 'a String')",
      "SELECT * FROM (SELECT * FROM file('FILE', 'CSV', 'a String'))",
      "WITH x AS (SELECT * FROM file('FILE', 'CSV', 'a String')) SELECT * FROM x",
      "SELECT a FROM t WHERE a IN (SELECT * FROM file('FILE', 'CSV', 'a String')) OR 1",
      "SELECT * FROM 'FILE'",
      'SELECT * FROM "FILE"',
      "SELECT * FROM `FILE`",
      "SELECT * FROM {t:Identifier}",
      "DESCRIBE TABLE file('FILE')",
      "DESCRIBE TABLE 'FILE'",
      "SELECT * FROM fileCluster('default', 'FILE', 'CSV', 'a String')",
      "SELECT * FROM icebergLocal('FILE')",
      "SELECT * FROM deltaLakeLocal('FILE')",
      "SELECT * FROM filesystem('FILE')",
      "SELECT * FROM sqlite('FILE', 'x')",
      "SELECT * FROM eval('SELECT * FROM file(''FILE'')') SETTINGS allow_experimental_eval_table_function = 1",
      "INSERT INTO t (a) SELECT * FROM file('FILE', 'CSV', 'a String')",
      "CREATE TABLE f0 ENGINE = Memory AS SELECT * FROM file('FILE', 'CSV', 'a String')",
      "CREATE TABLE f1 AS file('FILE', 'CSV', 'a String')",
    ],
    "reading a file as a value": [
      "SELECT file('FILE')",
      "SELECT file('FILE', NULL)",
      "SELECT `file`('FILE')",
      "SELECT `fi\\x6ce`('FILE')",
      "SELECT file(x) FROM (SELECT 'FILE' AS x)",
      "SELECT * APPLY(file) FROM (SELECT 'FILE' AS x)",
      "SELECT * APPLY file FROM (SELECT 'FILE' AS x)",
      "SELECT arrayMap(file, ['FILE'])",
      "SELECT arrayMap(x -> file(x), ['FILE'])",
      "SELECT arrayMap({f:Identifier}, ['FILE'])",
      "SELECT b FROM values('a UInt8, b String ALIAS file(''FILE'')', 1)",
      "SELECT b FROM format(JSONEachRow, 'a UInt8, b String ALIAS file(''FILE'')', '{\"a\":1}')",
      "SELECT b FROM format(JSONEachRow, concat('a UInt8, b String ALIAS fi', 'le(''FILE'')'), '{\"a\":1}')",
      "SELECT * FROM format(Values, 'a String', '(file(''FILE''))')",
      "INSERT INTO t (a) VALUES (file('FILE'))",
      "INSERT INTO t (a) SELECT file('FILE')",
      "SELECT a FROM t SETTINGS additional_result_filter = 'startsWith(file(''FILE''), ''SECRET'')'",
      "SELECT * FROM view(SELECT file('FILE'))",
      "SELECT * FROM eval('SELECT file(''FILE'')') SETTINGS allow_experimental_eval_table_function = 1",
      "SELECT file('/proc/self/environ')",
      "SELECT * FROM format(Template, 'a String', 'x') SETTINGS format_template_row = 'FILE'",
      "SELECT * FROM format(Protobuf, 'a String', 'x') SETTINGS format_schema = 'FILE:M'",
    ],
    "tables, databases and dictionaries on files": [
      "CREATE TABLE f2 (a String) ENGINE = File(CSV, 'FILE')",
      "CREATE TABLE f3 (a String) ENGINE = File(CSV)",
      "CREATE TABLE f4 (a String) ENGINE File(CSV, 'FILE')",
      "CREATE TABLE f5 (a String) ENGINE = `File`(CSV, 'FILE')",
      "CREATE TEMPORARY TABLE f6 (a String) ENGINE = File(CSV, 'FILE')",
      "ATTACH TABLE f7 (a String) ENGINE = File(CSV, 'FILE')",
      "CREATE TABLE m (a Int64) ENGINE = Memory PARALLEL WITH CREATE TABLE f8 (a String) ENGINE = File(CSV, 'FILE')",
      "CREATE TABLE r (k String, v String) ENGINE = EmbeddedRocksDB(0, 'OUT') PRIMARY KEY k",
      "CREATE TABLE r2 (k String, v String) ENGINE EmbeddedRocksDB(0, 'OUT') PRIMARY KEY k",
      "CREATE TABLE l (a String) ENGINE = FileLog('FILE', 'CSV')",
      "CREATE TABLE e (a String) ENGINE = Executable('x.sh', 'CSV')",
      "SELECT * FROM executable('cat FILE', 'CSV', 'a String')",
      "CREATE TABLE d (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'local', path = 'OUT/')",
      "CREATE TABLE d (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = object_storage, object_storage_type = local, metadata_type = local, path = 'OUT/')",
      "CREATE TABLE d (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local_blob_storage, path = 'OUT/')",
      "CREATE TABLE d (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS disk = `di\\x73k`(type = 'local', path = 'OUT/')",
      "CREATE TABLE d (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS disk = `di\\sk`(type = 'local', path = 'OUT/')",
      "ATTACH TABLE a FROM 'OUT' (a Int64) ENGINE = MergeTree ORDER BY a",
      "CREATE DATABASE fs ENGINE = Filesystem('FILE')",
      "CREATE DATABASE fs ENGINE = Filesystem",
      "CREATE DATABASE sq ENGINE = SQLite('OUT')",
      "CREATE DATABASE bk ENGINE = Backup('default', File('OUT'))",
      "BACKUP TABLE t TO File('OUT')",
      "RESTORE TABLE t AS t2 FROM File('OUT')",
      "CREATE DICTIONARY d1 (k UInt64, v String) PRIMARY KEY k SOURCE(FILE(path 'FILE' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
      "CREATE DICTIONARY d2 (k UInt64, v String) PRIMARY KEY k SOURCE(EXECUTABLE(command 'cat FILE' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
      "CREATE DICTIONARY d3 (k UInt64, v String) PRIMARY KEY k SOURCE(HTTP(url 'URL' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
    ],
    "writing a file": [
      "SELECT 1 INTO OUTFILE 'OUT'",
      "SELECT 1 INTO OUTFILE 'OUT' FORMAT CSV",
      "(SELECT 1) INTO OUTFILE 'OUT'",
      "WITH 1 AS x SELECT x INTO OUTFILE 'OUT' TRUNCATE",
      "SHOW TABLES INTO OUTFILE 'OUT'",
      "EXPLAIN SELECT 1 INTO OUTFILE 'OUT'",
      "SELECT 1 INTO OUTFILE $$OUT$$",
      "INSERT INTO FUNCTION file('OUT', 'CSV', 'a String') SELECT 'x'",
      "INSERT INTO FUNCTION file('OUT', 'CSV', 'a String') VALUES ('x')",
      "INSERT INTO TABLE FUNCTION file('OUT', 'CSV', 'a String') FORMAT CSV\nx\n",
      "INSERT INTO t (a) SETTINGS input_format_record_errors_file_path = 'OUT', input_format_allow_errors_num = 5 FORMAT CSV\nx,y\nz\n",
      "SELECT * FROM format(CSV, 'a Int64', 'x\n2\n') SETTINGS input_format_record_errors_file_path = 'OUT', input_format_allow_errors_num = 5",
      "SELECT 1 AS a FORMAT Protobuf SETTINGS format_protobuf_use_autogenerated_schema = 1, output_format_schema = 'OUT'",
      "INSERT INTO t (a) FROM INFILE 'FILE' FORMAT CSV",
      "WITH x AS (SELECT 1) INSERT INTO t (a) FROM INFILE 'FILE' FORMAT CSV",
    ],
    "asking another server": [
      "SELECT * FROM url('URL', 'CSV', 'a String')",
      "SELECT * FROM `url`('URL', 'CSV', 'a String')",
      "INSERT INTO FUNCTION url('URL', 'CSV', 'a String') SELECT 'x'",
      "CREATE TABLE u (a String) ENGINE = URL('URL', 'CSV')",
      "SELECT * FROM s3('https://bucket.s3.amazonaws.com/key', 'CSV', 'a String')",
      "SELECT * FROM s3('URL', 'CSV', 'a String')",
      "SELECT * FROM remote('127.0.0.1:1', 'default.t')",
      "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
      "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
      "SELECT * FROM mongodb('127.0.0.1:1', 'd', 'c', 'u', 'p', 'a String')",
      "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String, v String')",
      "SELECT * FROM azureBlobStorage('URL', 'c', 'b')",
      "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a String')",
      "CREATE TABLE w (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'web', endpoint = 'URL')",
      "CREATE DATABASE my ENGINE = MySQL('127.0.0.1:1', 'd', 'u', 'p')",
      "CREATE TABLE k (a String) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'CSV')",
      "SELECT * FROM format(AvroConfluent, 'a String', unhex('000000000100')) SETTINGS format_avro_schema_registry_url = 'URL'",
    ],
    "getting more rights": [
      "CREATE USER bob",
      "GRANT ALL ON *.* TO default",
      "GRANT FILE ON *.* TO default",
      "CREATE NAMED COLLECTION c AS url = 'URL'",
      "SYSTEM SHUTDOWN",
      "SYSTEM RELOAD CONFIG",
      "SET format_schema = 'FILE:M'",
      "SELECT 1 SETTINGS dialect = 'kusto'",
      "SELECT 1 SETTINGS dialect = 'polyglot', polyglot_dialect = 'mysql'",
      "EXECUTE AS default SELECT 1",
    ],
  };
  for (const [what, attacks] of Object.entries(ATTACKS)) {
    test(`${what} is refused`, async () => {
      for (const attack of attacks) {
        const out = join(folder, "out");
        const sql = attack
          .replaceAll("FILE'", `${secret}'`)
          .replaceAll('FILE"', `${secret}"`)
          .replaceAll("FILE`", `${secret}\``);
        const parameters = new URLSearchParams({ param_t: secret, param_f: "file" });
        const written = sql
          .replaceAll("FILE:", `${secret}:`)
          .replaceAll(/\bOUT\b/g, out)
          .replaceAll("URL", url());
        const { status, body } = await ask(written, attack.includes("Identifier") ? parameters.toString() : "");
        assert.ok(status >= 400, `${written} was answered: ${body}`);
        assert.doesNotMatch(body.replaceAll(written, ""), /SECRET/, written);
        assert.deepEqual(await readdir(folder), ["secret.csv"], written);
        assert.equal(asked, 0, `${written} asked another server`);
      }
      assert.equal((await ask("SELECT a, b FROM t")).body, "x\tb\n");
    });
  }

  test("no setting that names a file, an address or another language can be changed", async () => {
    const { body } = await ask(
      "SELECT name FROM system.settings WHERE NOT readonly AND type IN ('String', 'URI', 'Dialect') " +
        "AND match(name, 'path|file|url|uri|schema|dialect|template|registry') AND NOT match(name, 'profile|files_codec') ORDER BY name",
    );
    assert.deepEqual(body.trim().split("\n"), [
      "column_names_for_schema_inference",
      // Of caches and tables that nobody can make here.
      "distributed_cache_file_cache_name",
      "filesystem_cache_name",
      "format_schema_message_name",
      "format_schema_source",
      // The template itself, not its file.
      "format_template_resultset_format",
      "format_template_row_format",
      "format_template_rows_between_delimiter",
      // How a file system is read.
      "local_filesystem_read_method",
      "polyglot_dialect",
      "remote_filesystem_read_method",
      // Only together with file() and url().
      "rename_files_after_processing",
      "s3queue_default_zookeeper_path",
      "schema_inference_hints",
      "url_base",
    ]);
  });

  test("a refusal says that it's about access", async () => {
    for (const sql of [
      "SELECT file('/etc/passwd')",
      "SELECT * FROM file('/etc/passwd')",
      "SELECT * FROM url('http://x')",
    ]) {
      const { status, body } = await ask(sql);
      assert.equal(status, 403, body);
      assert.match(body, /ACCESS_DENIED/);
    }
  });

  test("what stays in the data directory works", async () => {
    for (const [sql, answer] of [
      ["CREATE DATABASE own", ""],
      ["CREATE TABLE own.engine (engine String, disk Int64) ENGINE = ReplacingMergeTree ORDER BY disk", ""],
      ["INSERT INTO own.engine SELECT toString(number), number FROM numbers(1000)", ""],
      ["INSERT INTO own.engine VALUES ('a;b', 1000 + 1), ('it''s', 2000);", ""],
      ['INSERT INTO own.engine FORMAT JSONEachRow\n{"engine": "é", "disk": 3000}\n', ""],
      ["INSERT INTO own.engine FORMAT CSV\n", ""],
      ["CREATE VIEW own.v AS SELECT engine FROM own.engine WHERE engine = 'é'", ""],
      ["SELECT * FROM own.v", "é\n"],
      ["CREATE MATERIALIZED VIEW own.mv ENGINE = Memory AS SELECT engine, disk FROM own.engine", ""],
      ["CREATE TABLE own.log (a Int64) ENGINE = Log", ""],
      ["ALTER TABLE own.engine ADD COLUMN b Int64", ""],
      ["SELECT count() FROM own.engine", "1003\n"],
      ["OPTIMIZE TABLE own.engine FINAL", ""],
      ["SELECT engine FROM system.tables WHERE database = 'own' AND name = 'log'", "Log\n"],
      ["WITH 1 AS x SELECT x, 'file(\\'a\\')'", "1\tfile(\\'a\\')\n"],
      ["SELECT count() FROM merge('own', '^log')", "0\n"],
      ["SYSTEM STOP MERGES own.engine", ""],
      ["DROP DATABASE own", ""],
    ] as const) {
      assert.deepEqual(await ask(sql), { status: 200, body: answer }, sql);
    }
    const binary = await ask("\0\0", `query=${encodeURIComponent("INSERT INTO t (a) FORMAT RowBinary")}`);
    assert.equal(binary.status, 501);
    assert.match(binary.body, /JSONEachRow/);
  });

  test("what the engine keeps is its user's alone", async () => {
    const modes = await Promise.all(
      (await readdir(harness.path)).map(async (name) => [name, (await stat(join(harness.path, name))).mode & 0o077]),
    );
    assert.deepEqual(
      modes.filter(([, bits]) => bits !== 0),
      [],
    );
    assert.equal((await stat(harness.path)).mode & 0o777, 0o700);
  });

  test("GET can't be told to change data", async () => {
    for (const search of ["readonly=0", "readonly=0&readonly=2&readonly=0", "READONLY=0", "allow_ddl=1", "readonly="]) {
      for (const sql of ["CREATE DATABASE by_get", "INSERT INTO t (a) VALUES ('got')", "SET readonly = 0"]) {
        const response = await fetch(`${harness.url}/?${search}&query=${encodeURIComponent(sql)}`);
        assert.ok(response.status >= 400, `${search}: ${sql}`);
        await response.text();
      }
    }
    const settings = encodeURIComponent("SELECT 1 SETTINGS readonly = 0");
    assert.ok((await fetch(`${harness.url}/?query=${settings}`)).status >= 400);
    assert.equal(await (await fetch(`${harness.url}/?query=SELECT+1&readonly=1`)).text(), "1\n");
    assert.equal((await ask("SELECT count() FROM t")).body, "1\n");
  });

  test("a foreign Origin is refused, whatever else the request says", async () => {
    const { host } = new URL(harness.url);
    const status = async (headers: Record<string, string>): Promise<number> => {
      const sent = request(`${harness.url}/?query=SELECT+1`, { method: "POST", headers });
      sent.end();
      const [response] = (await once(sent, "response")) as [import("node:http").IncomingMessage];
      await text(response);
      return response.statusCode ?? 0;
    };
    assert.equal(await status({}), 200);
    assert.equal(await status({ origin: `http://${host}` }), 200);
    for (const origin of [
      "https://evil.example",
      "null",
      `https://${host}`,
      "http://127.0.0.1:1",
      `http://${host}.evil.example`,
    ]) {
      assert.equal(await status({ origin }), 403, origin);
      assert.equal(await status({ origin, "sec-fetch-site": "same-origin" }), 403, origin);
    }
    for (const name of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "x y", "[::2]"]) {
      assert.equal(await status({ host: name }), 403, name);
    }
  });
});

suite("an engine that a command starts for itself", { skip: embeddedSkip }, () => {
  test("has a password of its own, new at each start, and no secret of its parent's environment", async () => {
    const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    const passwords = new Set<string>();
    process.env["REPLAYPORT_TEST_SECRET"] = "SECRET";
    try {
      const path = join(folder, "data");
      // As an earlier version has made it.
      await mkdir(path, { mode: 0o755 });
      for (let start = 0; start < 2; start += 1) {
        await using engine = await startEmbedded({ path, outside: true, signal: AbortSignal.timeout(60_000) });
        const { username, password } = engine.credentials;
        passwords.add(password);
        assert.ok(password.length >= 24);
        assert.equal((await stat(path)).mode & 0o777, 0o700);
        const ask = async (sql: string, headers: Record<string, string>): Promise<Response> =>
          await fetch(engine.url, { method: "POST", body: sql, headers });
        assert.equal((await ask("SELECT 1", {})).status, 403);
        assert.equal((await ask("SELECT 1", { "x-clickhouse-user": "default", "x-clickhouse-key": "" })).status, 403);
        const headers = { "x-clickhouse-user": username, "x-clickhouse-key": password };
        const environment = await ask("SELECT file('/proc/self/environ')", headers);
        assert.equal(environment.status, 200);
        assert.doesNotMatch(await environment.text(), /SECRET/);
      }
      assert.equal(passwords.size, 2);
    } finally {
      delete process.env["REPLAYPORT_TEST_SECRET"];
      await rm(folder, { recursive: true, force: true });
    }
  });
});
