/** Counts are ClickHouse's answers to our own queries, or they are asked for again. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import type { Source } from "../../src/export/source.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { HOUR_ONE, REPLAYS } from "../support/definitions.ts";
import { type FaultProxy, openFaultProxy } from "../support/fault_proxy.ts";

const signal = AbortSignal.timeout(120_000);
const PURPOSE = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
const COUNT = { sql: "SELECT toUInt64(3) AS sessions, toUInt64(50) AS near, NULL AS watermark", parameters: {} };
const FOREIGN = { code: "source.foreign_answer", remedy: "retry", message: /something else than the result/ };

interface Json {
  readonly data: readonly object[];
}

suite("counts are the answers to our queries", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let proxy: FaultProxy;
  let source: Source;
  before(async () => {
    server = await clickhouse();
    proxy = await openFaultProxy(server.options.url);
    source = await openClickHouse({ ...server.options, url: proxy.url });
  });
  after(async () => {
    await source[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test("numbers come through their seal whatever they are: NULL, negative, large, in the query's order, or none", async () => {
    proxy.decide(() => undefined);
    assert.deepEqual((await source.count(COUNT, PURPOSE, signal)).row, { sessions: 3, near: 50, watermark: 0 });
    const sql = `SELECT arrayJoin([1, 2]) AS one, NULL AS nothing, toInt64(-5) AS negative, toUInt64(9007199254740991) AS large,
  toFloat64(2) AS whole ORDER BY one DESC`;
    const rest = { nothing: 0, negative: -5, large: Number.MAX_SAFE_INTEGER, whole: 2 };
    assert.deepEqual(await source.numbers({ sql, parameters: {} }, PURPOSE, signal), [
      { one: 2, ...rest },
      { one: 1, ...rest },
    ]);
    assert.deepEqual(await source.numbers({ sql: "SELECT 1 AS n WHERE 0", parameters: {} }, PURPOSE, signal), []);
  });

  for (const [what, change] of [
    ["says 0 in place of 3", ({ data, ...rest }) => ({ ...rest, data: [{ ...data[0], sessions: 0 }] })],
    ["has no rows at all", (answer) => ({ ...answer, data: [], rows: 0 })],
    ["was made up by someone who doesn't know the query", () => ({ meta: [], data: [{ sessions: 0, near: 0 }] })],
  ] satisfies [string, (answer: Json) => object][]) {
    test(`an answer to a count that ${what} is asked for again, not taken for an empty interval`, async () => {
      proxy.decide(() => ({
        kind: "change",
        body: (body) => Buffer.from(JSON.stringify(change(JSON.parse(body.toString()) as Json))),
      }));
      await assert.rejects(source.count(COUNT, PURPOSE, signal), FOREIGN);
    });
  }

  test("an answer with fewer rows than it says is truncated", async () => {
    const body = Buffer.from('{"meta": [], "data": [], "rows": 1}');
    proxy.decide(() => ({ kind: "change", body: () => body }));
    await assert.rejects(source.count(COUNT, PURPOSE, signal), { code: "source.truncated", remedy: "retry" });
  });

  test("a count that a cache answers with the answer to an earlier one is asked for again", async () => {
    const none = { sql: "SELECT 1 AS n WHERE 0", parameters: {} };
    let kept: Buffer | undefined;
    proxy.decide(() => ({ kind: "change", body: (body) => (kept ??= body) }));
    assert.deepEqual(await source.numbers(none, PURPOSE, signal), []);
    // Also to the same question, which may have another answer by now.
    await assert.rejects(source.numbers(none, PURPOSE, signal), FOREIGN);
  });
});
