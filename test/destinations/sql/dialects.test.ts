/** Hostile names and texts, sent to the engines themselves: what comes back is what was written. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { bigquery } from "../../../destinations/sql/bigquery.ts";
import { clickhouse } from "../../../destinations/sql/clickhouse.ts";
import type { Dialect } from "../../../destinations/sql/dialect.ts";
import { duckdb } from "../../../destinations/sql/duckdb.ts";
import { spark } from "../../../destinations/sql/spark.ts";
import { resolveIdentifier, snowflake } from "../../../destinations/sql/snowflake.ts";
import { athenaDdl, trino } from "../../../destinations/sql/trino.ts";
import { embedded, embeddedSkip } from "../../support/embedded.ts";
import { bigqueryServer } from "../bigquery/emulator.ts";
import { snowflakeServer } from "../snowflake/emulator.ts";

const STRINGS = [
  "",
  "it's",
  "two '' quotes",
  String.raw`C:\new\table`,
  String.raw`ends with \\`.slice(0, -1),
  String.raw`\' OR 1 = 1 --`,
  "a\nb\r\nc\td",
  'say "hi" to `me`',
  "Zoë 🦊 {x} $1 %s ?",
  "; DROP TABLE sessions; --",
];
const NAMES = ["a b", 'od"d', "it's", "select", "Zoë 🦊", "a.b", "--x"];
/** A backslash in a name: of a column in Snowflake and DuckDB it is one, elsewhere it escapes. */
const BACKSLASHED = String.raw`back\slash`;

interface Engine {
  readonly name: string;
  readonly skip: string | false;
  readonly dialect: Pick<Dialect, "identifier" | "string">;
  readonly names: readonly string[];
  /** The names and the texts of the one row that the statement selects. */
  readonly open: () => Promise<AsyncDisposable & { ask(sql: string): Promise<Record<string, unknown>> }>;
}

const snowflakeEmulator = await snowflakeServer();
const bigqueryEmulator = await bigqueryServer();

const ENGINES: readonly Engine[] = [
  {
    name: "DuckDB",
    skip: false,
    dialect: duckdb,
    names: [...NAMES, BACKSLASHED, "tick`s"],
    async open() {
      const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
      return {
        ask: async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJS()[0] ?? {},
        [Symbol.asyncDispose]: () => Promise.resolve(connection.closeSync()),
      };
    },
  },
  {
    name: "ClickHouse",
    skip: embeddedSkip,
    dialect: clickhouse,
    names: [...NAMES, BACKSLASHED, "tick`s"],
    async open() {
      const engine = await embedded();
      return {
        async ask(sql) {
          const result = await engine.client.query({ query: sql, format: "JSONEachRow" });
          return (await result.json<Record<string, unknown>>())[0] ?? {};
        },
        [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: "Snowflake",
    skip: "skip" in snowflakeEmulator ? snowflakeEmulator.skip : false,
    dialect: snowflake,
    names: [...NAMES, BACKSLASHED, "tick`s"],
    async open() {
      assert.ok(!("skip" in snowflakeEmulator));
      const schema = await snowflakeEmulator.schema();
      return {
        ask: async (sql) => (await snowflakeEmulator.sql(schema, sql))[0] ?? {},
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  },
];

suite("names and texts of each engine", { concurrency: false }, () => {
  for (const { name, skip, dialect, names, open } of ENGINES) {
    test(`${name} reads every text and every name back as it was written`, { skip }, async () => {
      await using engine = await open();
      const columns = STRINGS.map((value, index) => `${dialect.string(value)} AS ${dialect.identifier(`c${index}`)}`);
      assert.deepEqual(Object.values(await engine.ask(`SELECT ${columns.join(", ")}`)), STRINGS);
      const named = names.map((each, index) => `${index} AS ${dialect.identifier(each)}`);
      const row = await engine.ask(`SELECT ${named.join(", ")}`);
      assert.deepEqual(Object.keys(row), names);
    });
  }

  test(
    "BigQuery reads every text back as it was written",
    { skip: "skip" in bigqueryEmulator ? bigqueryEmulator.skip : false },
    async () => {
      assert.ok(!("skip" in bigqueryEmulator));
      const rows = await bigqueryEmulator.select(`SELECT ${STRINGS.map(bigquery.string).join(", ")}`);
      assert.deepEqual(rows, [STRINGS]);
    },
  );

  test("in DuckDB any text and any name comes back as it was written", async () => {
    const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
    try {
      const plain = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text.isWellFormed());
      await fc.assert(
        fc.asyncProperty(
          plain,
          plain.filter((text) => text !== ""),
          async (value, name) => {
            const sql = `SELECT ${duckdb.string(value)} AS ${duckdb.identifier(name)}`;
            const reader = await connection.runAndReadAll(sql);
            assert.deepEqual([reader.columnNames(), reader.getRowsJS()], [[name], [[value]]]);
          },
        ),
      );
    } finally {
      connection.closeSync();
    }
  });

  test("engines that no test can ask get what their grammars say", () => {
    assert.equal(trino.string(String.raw`it's \n`), String.raw`'it''s \n'`);
    assert.equal(trino.identifier('od"d'), '"od""d"');
    assert.equal(athenaDdl.string(String.raw`it's \n`), String.raw`'it\'s \\n'`);
    assert.equal(athenaDdl.identifier("tick`s"), "`tick``s`");
    assert.equal(spark.string(String.raw`it's \n`), String.raw`'it\'s \\n'`);
    assert.equal(spark.identifier("tick`s"), "`tick``s`");
    assert.equal(bigquery.identifier("tick`s"), "`tick\\`s`");
    assert.equal(bigquery.string("a\nb"), String.raw`'a\nb'`);
  });

  test("times in BigQuery are literals to the microsecond, also before 1970", () => {
    assert.equal(bigquery.timestamp(1_790_812_800_123_456n), "TIMESTAMP '2026-10-01 00:00:00.123456+00'");
    assert.equal(bigquery.timestamp(-1n), "TIMESTAMP '1969-12-31 23:59:59.999999+00'");
    assert.equal(bigquery.timestamp(new Date("2026-10-01T00:00:00.5Z")), "TIMESTAMP '2026-10-01 00:00:00.500000+00'");
    assert.equal(snowflake.timestamp(new Date("1970-01-01T00:00:01Z")), "TO_TIMESTAMP_NTZ(1000000, 6)");
  });

  test("a name in Snowflake's config is upper case, in double quotes or with odd characters as written", () => {
    const names = ["db", "My_Db$1", '"db"', '"say ""hi"""', "my-db", "1db"];
    assert.deepEqual(names.map(resolveIdentifier), ["DB", "MY_DB$1", "db", 'say "hi"', "my-db", "1db"]);
  });
});
