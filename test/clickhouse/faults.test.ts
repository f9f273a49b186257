/**
 * What goes wrong between the worker and ClickHouse, over real HTTP. Whatever it is: no staged file stays, nothing reaches
 * the destination, and the error says what to do.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { ReplayportError } from "../../src/errors.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { loadBatch } from "../../src/export/load_batch.ts";
import { type ClickHouseOptions, openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import { type ClickHouseHarness, PASSWORD, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { FIRST_LOAD, HOUR_ONE, REPLAYS, dependencies } from "../support/definitions.ts";
import { type Fault, type FaultProxy, type ProxiedRequest, openFaultProxy } from "../support/fault_proxy.ts";
import { memoryWarehouse } from "../support/memory_destination.ts";

/** The query that extracts rows: only its rows carry the time of the export. */
const extracting = ({ form }: ProxiedRequest): boolean => form.includes("param_exported_at");

/** The query that extracts rows as text, and not the one that counts them once more. */
const extractingText = (request: ProxiedRequest): boolean =>
  extracting(request) && request.path.includes("enable_http_compression=1");

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(20)) if (await condition()) return;
  assert.fail(`waited in vain: ${what}`);
}

suite("faults between the worker and ClickHouse", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let proxy: FaultProxy;
  let stageRoot: string;

  before(async () => {
    server = await clickhouse();
    proxy = await openFaultProxy(server.options.url);
    stageRoot = await mkdtemp(join(tmpdir(), "replayport-test-"));
    const first = HOUR_ONE.start.getTime();
    await server.replays.insert(
      Array.from({ length: 500 }, (_, index) => ({
        team: 1,
        session: `session-${index}`,
        firstMicros: (first + index) * 1000,
        lastMicros: (first + index + 60_000) * 1000,
        ingested: first / 1000 + index,
        url: `https://example.com/${index}/${"x".repeat(index)}`,
      })),
    );
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await rm(stageRoot, { recursive: true, force: true });
  });

  /** Runs a load that has to fail, and looks at what it left. */
  async function failedLoad(
    change: Partial<ClickHouseOptions>,
    definition: ExportDefinition = REPLAYS,
    signal: AbortSignal = AbortSignal.timeout(60_000),
  ): Promise<unknown> {
    await using source = await openClickHouse({ ...server.options, url: proxy.url, ...change });
    const warehouse = memoryWarehouse();
    const error = await loadBatch(
      definition,
      HOUR_ONE,
      FIRST_LOAD,
      dependencies(source, warehouse.destination("replays"), stageRoot),
      signal,
    ).then(
      () => assert.fail("the load should have failed"),
      (reason: unknown) => reason,
    );
    assert.deepEqual(await readdir(stageRoot), []);
    assert.deepEqual(warehouse.loaded, []);
    return error;
  }

  function expectError(error: unknown, code: string, remedy: string, message: RegExp): void {
    assert.ok(error instanceof ReplayportError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.remedy, remedy);
    assert.match(error.message, message);
    assert.ok((error.hint ?? "").length > 20);
    assert.ok(!`${error.message} ${error.hint} ${error.stack}`.includes(PASSWORD));
  }

  test("a load without any fault succeeds", async () => {
    proxy.decide(() => undefined);
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    const warehouse = memoryWarehouse();
    const load = dependencies(source, warehouse.destination("replays"), stageRoot);
    const receipt = await loadBatch(REPLAYS, HOUR_ONE, FIRST_LOAD, load, AbortSignal.timeout(60_000));
    assert.equal(receipt.rows, 500);
    assert.equal(warehouse.loaded.length, 1);
    assert.deepEqual(await readdir(stageRoot), []);
  });

  test("no parameter of a query is in a URL, whatever it is and however many there are", async () => {
    proxy.decide(() => undefined);
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    const seen = proxy.requests.length;
    const salt = "a salt that nobody knows, it's \\ \t\r\n\0é";
    const rules = { ...REPLAYS.selection.rules, hash: ["distinct_id"] };
    const teams = Array.from({ length: 3_000 }, (_, index) => 1_000_000 + index);
    const selection = { ...REPLAYS.selection, rules, salt, teams: [1, ...teams] };
    const load = dependencies(source, memoryWarehouse().destination("replays"), stageRoot);
    const receipt = await loadBatch({ ...REPLAYS, selection }, HOUR_ONE, FIRST_LOAD, load, AbortSignal.timeout(60_000));
    assert.equal(receipt.rows, 500);
    const urls = proxy.requests.slice(seen).map(({ path }) => path);
    assert.ok(urls.length >= 3);
    for (const url of urls) {
      assert.ok(!/param_|salt|1000001/.test(decodeURIComponent(url)) && url.length < 1_000, url);
    }
    const purpose = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
    const parameters = { salt, list: [salt, "b"], flag: true, count: 2, none: [] as string[] };
    const sql =
      "SELECT concat(hex({salt:String}), hex({list:Array(String)}[1]), toString({flag:Bool}), toString({count:UInt8}), toString({none:Array(String)})) AS x";
    const hex = Buffer.from(salt).toString("hex").toUpperCase();
    const [answer] = await source.texts({ sql, parameters }, purpose, AbortSignal.timeout(60_000));
    assert.equal(answer, `${hex}${hex}true2[]`);
  });

  test("a path in the URL is a path, and not the name of a database", async () => {
    proxy.decide(({ path }) => (path.startsWith("/clickhouse/x/?") ? undefined : { kind: "answer", status: 404 }));
    await using source = await openClickHouse({ ...server.options, url: `${proxy.url}/clickhouse/x` });
    // The embedded engine has nothing there, so it's enough that the request arrives.
    const error = await source.info(AbortSignal.timeout(10_000)).catch((reason: unknown) => reason);
    const { path = "" } = proxy.requests.at(-1) ?? {};
    assert.match(path, /^\/clickhouse\/x\/?\?/);
    assert.match(path, new RegExp(`database=${server.options.database}`));
    if (error instanceof ReplayportError) assert.match(error.message, /\/clickhouse\/x answered HTTP 404/);
  });

  test("a page in place of ClickHouse's answer isn't asked for again, and its status is told", async () => {
    const headers = { "content-type": "text/html" };
    proxy.decide(() => ({ kind: "answer", status: 200, headers, body: "<!doctype html><title>Log in</title>" }));
    expectError(await failedLoad({}), "source.not_clickhouse", "give-up", /HTTP 200/);
    proxy.decide(() => ({ kind: "answer", status: 302, headers: { location: "https://login.example/" } }));
    expectError(await failedLoad({}), "source.not_clickhouse", "give-up", /HTTP 302 and redirects to https:/);
  });

  test("a wrong password of ClickHouse is not retried", async (t) => {
    const wrong = createClient({
      url: server.options.url,
      username: server.options.username,
      password: "wrong",
      log: { level: ClickHouseLogLevel.OFF },
    });
    const open = await wrong.command({ query: "SELECT 1" }).then(
      () => true,
      () => false,
    );
    await wrong.close();
    if (open) return t.skip("the server of CLICKHOUSE_URL asks for no password: give it one");
    proxy.decide(() => undefined);
    expectError(await failedLoad({ password: "wrong" }), "source.auth", "give-up", /code (516|193|194)/);
  });

  test("a missing table is reported", async () => {
    proxy.decide(() => undefined);
    expectError(await failedLoad({ table: "nothing" }), "source.no_table", "give-up", /\.nothing/);
  });

  test("a query that needs too much memory fails before any row", async () => {
    proxy.decide(() => undefined);
    const definition = { ...REPLAYS, limits: { ...REPLAYS.limits, memoryBytes: 2000 } };
    expectError(await failedLoad({}, definition), "source.memory", "retry", /code 241/);
  });

  test("an exception among the rows after HTTP 200 fails the batch", async () => {
    const text = '{"team_id":1,"session_id":"a"}\n__exception__\nCode: 241. DB::Exception: Memory limit exceeded\n';
    for (const [format, body, encoding] of [
      ["jsonl", gzipSync(text), "gzip"],
      ["jsonl", gzipSync(`${text.slice(0, 1)}"team_id":1}\n${text.slice(text.indexOf("Code"))}`), "gzip"],
      ["parquet", Buffer.from(text), undefined],
    ] as const) {
      proxy.decide((request) =>
        extracting(request)
          ? {
              kind: "change",
              headers: ({ "content-encoding": _, ...headers }) =>
                encoding === undefined ? headers : { ...headers, "content-encoding": encoding },
              body: () => body,
            }
          : undefined,
      );
      const definition = { ...REPLAYS, format, compression: "gzip" as const };
      expectError(await failedLoad({}, definition), "stage.truncated", "retry", /not whole/);
    }
  });

  test("an exception in a header after HTTP 200 fails the batch", async () => {
    const headers = { "x-clickhouse-exception-code": "159" };
    const body = "Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)";
    proxy.decide((request) => (extracting(request) ? { kind: "answer", status: 200, headers, body } : undefined));
    expectError(await failedLoad({}), "source.timeout", "retry", /code 159/);
  });

  for (const [format, compression] of [
    ["parquet", "zstd"],
    ["jsonl", "zstd"],
    ["jsonl", "gzip"],
    ["jsonl", "none"],
    ["csv", "brotli"],
    ["csv", "gzip"],
    ["csv", "none"],
  ] as const) {
    test(`the line breaks in the middle of ${format}, ${compression}`, async () => {
      proxy.decide((request) => (extracting(request) ? { kind: "cut-body", afterBytes: 2000 } : undefined));
      expectError(await failedLoad({}, { ...REPLAYS, format, compression }), "stage.broken", "retry", /broke off/);
    });

    test(`${format}, ${compression}, ends early without an error`, async () => {
      proxy.decide((request) => (extracting(request) ? { kind: "end-body", afterBytes: 2000 } : undefined));
      expectError(await failedLoad({}, { ...REPLAYS, format, compression }), "stage.truncated", "retry", /not whole/);
    });
  }

  const changing = ({
    matches = extracting,
    ...change
  }: Omit<Fault & { kind: "change" }, "kind"> & { matches?: typeof extracting }): void =>
    proxy.decide((request) => (matches(request) ? { kind: "change", ...change } : undefined));
  const loaded = async (definition: ExportDefinition): Promise<number> => {
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    const load = dependencies(source, memoryWarehouse().destination("replays"), stageRoot);
    return (await loadBatch(definition, HOUR_ONE, FIRST_LOAD, load, AbortSignal.timeout(60_000))).rows;
  };
  const summary = (rows: number | undefined) => (headers: IncomingHttpHeaders) => ({
    ...headers,
    "x-clickhouse-summary": rows === undefined ? undefined : JSON.stringify({ result_rows: String(rows) }),
  });
  const FORMATS = [
    { ...REPLAYS },
    ...(["zstd", "gzip", "brotli", "none"] as const).flatMap((compression) => [
      { ...REPLAYS, format: "jsonl" as const, compression },
      { ...REPLAYS, format: "csv" as const, compression },
    ]),
  ];

  for (const said of [undefined, 0, 2, 501]) {
    test(`the file's rows count where X-ClickHouse-Summary says ${said ?? "nothing"}`, async () => {
      changing({
        headers: (headers) => {
          const { "x-clickhouse-summary": _, ...rest } = summary(said)(headers);
          return said === undefined ? rest : summary(said)(headers);
        },
      });
      for (const definition of FORMATS) {
        assert.equal(await loaded(definition), 500, `${definition.format}, ${definition.compression}`);
      }
    });
  }

  test("a proxy that truncates an answer and compresses it anew is found out by a second count", async () => {
    for (const format of ["jsonl", "csv"] as const) {
      changing({
        matches: extractingText,
        body: (body) => {
          const lines = gunzipSync(body).toString().split("\n").slice(0, 300);
          return gzipSync(`${lines.join("\n")}\n`);
        },
      });
      const definition = { ...REPLAYS, format, compression: "gzip" as const };
      expectError(await failedLoad({}, definition), "load.rows_missing", "retry", /500 of file 0 were counted/);
    }
  });

  test("an answer without rows is no empty batch where rows were counted", async () => {
    for (const { format, compression } of FORMATS) {
      const matches = format === "parquet" ? extracting : extractingText;
      changing({ matches, headers: summary(0), body: () => Buffer.alloc(0) });
      const error = await failedLoad({}, { ...REPLAYS, format, compression });
      const code = format === "jsonl" ? "load.rows_missing" : "stage.truncated";
      expectError(error, code, "retry", /500|not whole/);
    }
    changing({ body: () => gzipSync('"team_id"\n') });
    expectError(
      await failedLoad({}, { ...REPLAYS, format: "csv", compression: "gzip" }),
      "stage.truncated",
      "retry",
      /no row/,
    );
  });

  test("an answer that a proxy decompresses is refused, except Parquet, which needs no compression", async () => {
    proxy.decide(() => ({ kind: "change", parameters: (all) => all.delete("enable_http_compression") }));
    for (const definition of FORMATS) {
      if (definition.format === "parquet") assert.equal(await loaded(definition), 500);
      else expectError(await failedLoad({}, definition), "source.encoding", "give-up", /came as identity/);
    }
  });

  test("an answer to a count that is truncated, or JSON of something else, is asked for again, not taken for none", async () => {
    for (const answer of ["", '{"meta": [], "data": [', "null", '{"data": {}}', '{"data": [[1]]}']) {
      const body = Buffer.from(answer);
      proxy.decide((request) => (extracting(request) ? undefined : { kind: "change", body: () => body }));
      expectError(await failedLoad({}), "source.truncated", "retry", /isn't whole/);
    }
  });

  test("a server that never answers runs into the timeout", async () => {
    proxy.decide((request) =>
      extracting(request) ? { kind: "hold-request", until: new Promise(() => undefined) } : undefined,
    );
    expectError(await failedLoad({ requestTimeoutMs: 500 }), "source.unreachable", "retry", /Timeout/);
  });

  test("a server that stalls in the middle of its answer runs into the timeout", async () => {
    proxy.decide((request) => (extracting(request) ? { kind: "stall-body", afterBytes: 2000 } : undefined));
    // Long enough for the answer to begin on a busy machine.
    expectError(await failedLoad({ requestTimeoutMs: 4000 }), "stage.broken", "retry", /broke off/);
  });

  test("an unreachable server is retried", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as { port: number };
    free.close();
    await once(free, "close");
    expectError(await failedLoad({ url: `http://127.0.0.1:${port}` }), "source.unreachable", "retry", /ECONNREFUSED/);
  });

  test("a server that is starting (HTTP 503) is retried", async () => {
    proxy.decide(() => ({ kind: "answer", status: 503, body: "Service Unavailable" }));
    const error = await failedLoad({});
    assert.ok(error instanceof ReplayportError && error.remedy === "retry", String(error));
  });

  test("an abort ends the run with its reason, and the query in ClickHouse too", async () => {
    proxy.decide(() => undefined);
    const leave = new AbortController();
    const slow: ExportDefinition = {
      ...REPLAYS,
      model: {
        kind: "sql",
        file: "slow.sql",
        key: ["number"],
        // Would take hours, also to count.
        sql: "SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) = 7 AND {interval_start} < {interval_end}",
      },
    };
    const running = async (): Promise<number> => {
      const result = await server.client.query({
        query:
          "SELECT count() AS n FROM system.processes WHERE query LIKE '%sipHash64(number) = 7%' AND query NOT LIKE '%system.processes%'",
        format: "JSONEachRow",
      });
      const [row] = await result.json<{ n: string }>();
      return Number(row?.n);
    };
    const failed = failedLoad({}, slow, leave.signal);
    await until(async () => (await running()) > 0, "the query to run");
    const reason = new Error("stop");
    leave.abort(reason);
    assert.equal(await failed, reason);
    await until(async () => (await running()) === 0, "the query to be killed");
  });

  test("an abort of a query that waits for a connection doesn't end the query that gets it", async () => {
    proxy.decide(() => undefined);
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    const purpose = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
    const one = async (sql: string, stop: AbortSignal): Promise<unknown> =>
      await source.numbers({ sql, parameters: {} }, purpose, stop);
    const stays = AbortSignal.timeout(60_000);
    // The connection of this one is the one that is free.
    await one("SELECT 1 AS n", stays);
    const leave = new AbortController();
    const left = one("SELECT 2 AS n", leave.signal);
    const reason = new Error("stop");
    leave.abort(reason);
    await assert.rejects(left, reason);
    // Longer than @clickhouse/client leaves a connection unused, were its timer for that not turned off.
    assert.deepEqual(await one("SELECT toUInt8(sleep(3)) AS n", stays), [{ n: 0 }]);
  });

  test("an abort before the first query sends nothing to ClickHouse", async () => {
    let asked = 0;
    proxy.decide(() => {
      asked += 1;
      return undefined;
    });
    const reason = new Error("stop");
    assert.equal(await failedLoad({}, REPLAYS, AbortSignal.abort(reason)), reason);
    assert.equal(asked, 0);
  });
});
