/** Decisive settings hold through proxies and profiles, or nothing is read. */
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import {
  DECISIVE,
  droppedSettings,
  formatSettings,
  limitSettings,
  settingsClause,
} from "../../src/clickhouse/settings.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { HOUR_ONE, NO_RULES, REPLAYS } from "../support/definitions.ts";
import { type FaultProxy, openFaultProxy } from "../support/fault_proxy.ts";

const signal = AbortSignal.timeout(120_000);

/** A value that would change an answer. */
const WRONG: Partial<Record<keyof typeof DECISIVE, string>> = {
  session_timezone: "America/New_York",
  additional_result_filter: "0",
  additional_table_filters: "{'system.one':'0'}",
  date_time_output_format: "unix_timestamp",
  bool_true_representation: "yes",
  bool_false_representation: "no",
  format_csv_delimiter: ";",
  format_csv_null_representation: "",
  limit: "1",
  offset: "1",
  max_rows_to_group_by: "1",
};

function wrong(name: keyof typeof DECISIVE): string {
  const value: string | number = DECISIVE[name];
  if (WRONG[name] !== undefined) return WRONG[name];
  if (value === "throw") return name.startsWith("group_by") ? "any" : "break";
  return value === 0 ? "1" : "0";
}

suite("settings", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let proxy: FaultProxy;
  before(async () => {
    server = await clickhouse();
    proxy = await openFaultProxy(server.options.url);
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test("every decisive setting holds against a profile that has another value, behind a proxy that drops ours", async () => {
    proxy.decide(() => ({
      kind: "change",
      parameters: (all) => {
        // What chproxy lets through; the rest stands for the profile of the user.
        const dropped = Array.from(all.keys()).filter((name) => !/^(query_id|database|param_.*)$/.test(name));
        for (const name of dropped) all.delete(name);
        for (const name of Object.keys(DECISIVE) as (keyof typeof DECISIVE)[]) all.set(name, wrong(name));
      },
    }));
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    assert.match((await source.info(signal)).version, /^\d+\./);
    const purpose = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
    const sql = "SELECT number AS n FROM numbers(3) GROUP BY number ORDER BY number";
    assert.deepEqual(await source.numbers({ sql, parameters: {} }, purpose, signal), [{ n: 0 }, { n: 1 }, { n: 2 }]);
    const zone = "SELECT toUnixTimestamp(toDateTime('2026-10-01 00:00:00')) AS n";
    assert.deepEqual(await source.numbers({ sql: zone, parameters: {} }, purpose, signal), [
      { n: HOUR_ONE.start.getTime() / 1000 },
    ]);
  });

  test("a source that doesn't keep the SETTINGS clause is refused, and each setting is named", async () => {
    proxy.decide(() => ({
      kind: "change",
      query: (sql) =>
        sql
          .replace("group_by_overflow_mode = 'throw'", "group_by_overflow_mode = 'any'")
          .replace("session_timezone = 'UTC'", "session_timezone = 'America/New_York'")
          .replace("extremes = 0", "extremes = 1"),
    }));
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    await assert.rejects(source.info(signal), (error) => {
      assert.ok(error instanceof ReplayportError);
      assert.deepEqual([error.code, error.remedy], ["source.settings_dropped", "give-up"]);
      assert.match(
        error.message,
        /: group_by_overflow_mode = any, session_timezone = America\/New_York, extremes = true$/,
      );
      return true;
    });
  });

  test("every query of session_replays answers alike by the types that ClickHouse 23.10 gives to expressions", async () => {
    const first = HOUR_ONE.start.getTime();
    const row = { team: 1, firstMicros: first * 1000, lastMicros: (first + 60_000) * 1000, ingested: first / 1000 };
    await server.replays.insert([
      { ...row, session: "plain", clicks: 3, score: 0.5, tags: ["checkout"], retention: 90 },
      { ...row, session: "below zero", score: -0.5 },
      { ...row, session: "gone", deleted: true },
    ]);
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    const rules = { ...NO_RULES, hash: ["distinct_id"], stripQuery: ["first_url"] };
    const where = [{ op: "range" as const, column: "click_count", min: 1 }];
    const purpose = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
    const settled = { from: HOUR_ONE.start, since: HOUR_ONE.start, before: HOUR_ONE.end };
    const answers = async (compatibility: string): Promise<unknown[]> => {
      proxy.decide(() => ({ kind: "change", parameters: (all) => all.set("compatibility", compatibility) }));
      await source.info(signal);
      const found: unknown[] = [];
      for (const selection of [
        { ...REPLAYS.selection, rules },
        { ...REPLAYS.selection, where, emptyDeleted: true },
      ]) {
        const corrections = [{ from: HOUR_ONE.start, until: HOUR_ONE.end }];
        const model = await source.model({ ...REPLAYS, selection }, signal);
        const read = {
          interval: HOUR_ONE,
          exportedAt: HOUR_ONE.end,
          pruneBefore: undefined,
          alsoChangedSince: HOUR_ONE.end,
          reread: false,
          corrections,
        };
        const { row: counted } = await source.count(model.count(read), purpose, signal);
        const { stream } = await source.extract(
          model.rows({ ...read, counted, part: { index: 0, of: 1, from: undefined, until: undefined } }, "jsonl"),
          "jsonl",
          "none",
          purpose,
          signal,
        );
        const cuts = model.splitPoints({ ...read, counted }, 3, 2);
        const hours = model.countPerHour(HOUR_ONE);
        const groups = model.audit?.groups({ ...settled, dropsDeleted: false, corrections });
        assert.ok(cuts && hours && groups);
        found.push(
          counted,
          (await text(stream)).trim().split("\n").sort(),
          await source.texts(cuts, purpose, signal),
          await source.numbers(hours, purpose, signal),
          (await source.numbers(groups, purpose, signal)).map((group) => JSON.stringify(group)).sort(),
        );
      }
      return found;
    };
    const today = await answers("");
    assert.equal((today[1] as string[]).length, 3);
    assert.deepEqual(await answers("23.10"), today);
  });

  test("the answer is asked for anew before each run", async () => {
    proxy.decide(() => undefined);
    await using source = await openClickHouse({ ...server.options, url: proxy.url });
    await source.info(signal);
    proxy.decide(() => ({ kind: "change", query: (sql) => sql.replace(/SETTINGS .*/, "SETTINGS limit = 0") }));
    await assert.rejects(source.info(signal), /session_timezone = ,|session_timezone = /);
  });
});

suite("the SETTINGS clause", () => {
  test("values are escaped, and the export's own come last", () => {
    const clause = settingsClause({ ...limitSettings(REPLAYS.limits), log_comment: `{"export":"it's \\ here"}` });
    assert.match(clause, /^SETTINGS result_overflow_mode = 'throw', /);
    assert.match(clause, /additional_table_filters = \{\}/);
    assert.match(clause, /max_memory_usage = 1000000000, .*log_comment = '\{"export":"it\\'s \\\\ here"\}'$/);
  });

  test("an answer without the values counts as every setting dropped", () => {
    assert.equal(droppedSettings([]).length, Object.values(DECISIVE).filter((value) => value !== "").length);
  });
});

test("what no reader needs is left out of Parquet files where the server has settings for that", () => {
  const of = (version: string | undefined): unknown =>
    formatSettings("parquet", "zstd", version)["output_format_parquet_write_bloom_filter"];
  for (const version of ["26.1.1.1", "26.12.3.4", "27.0"]) assert.equal(of(version), 0, version);
  for (const version of [undefined, "", "23.10.1.1", "25.12.9.9"]) assert.equal(of(version), undefined, version);
});
