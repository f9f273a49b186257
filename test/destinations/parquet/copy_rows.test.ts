/** Copies of Parquet files without some rows, of files that ClickHouse and DuckDB wrote, as DuckDB reads them. */
import assert from "node:assert/strict";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { namesByFieldId } from "../../../destinations/parquet/columns.ts";
import { copyDifference, copyRows } from "../../../destinations/parquet/copy_rows.ts";
import { readFooter, withFieldIds } from "../../../destinations/parquet/footer.ts";
import { localFile } from "../../../destinations/parquet/local_file.ts";
import type { RangeReader } from "../../../destinations/parquet/range_reader.ts";
import { clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";

const ROWS = 5_000;
/** Nullable and not, lists that are empty, NULL or have NULLs, microseconds before and after 1970, text that isn't UTF-8, NaN. */
const CLICKHOUSE = `SELECT toInt64(number) AS position, toInt64(if(number % 2 = 0, -7, 9007199254740993)) AS team_id,
    if(number % 7 = 0, NULL, concat('sitzung-ä-', toString(number), repeat('x', number % 90)))::Nullable(String) AS session_id,
    toDateTime64('1969-12-31 23:59:59.999999', 6, 'UTC') + toIntervalMicrosecond(number * 999999) AS start_time,
    arrayMap(i -> concat('tag', toString(i)), range(number % 4)) AS tags,
    arrayMap(i -> toDateTime64('2026-10-25 00:59:59.000001', 6, 'UTC') + toIntervalMicrosecond(i), range(number % 2)) AS times,
    if(number % 5 = 0, NULL, number / if(number % 11 = 0, 0, 8) * if(number % 22 = 0, 0, 1))::Nullable(Float64) AS score,
    if(number % 3 = 0, NULL, number % 3 = 1)::Nullable(Bool) AS deleted, CAST(NULL AS Nullable(Int64)) AS none,
    unhex('C3FF') AS raw, ['a', 'b'][number % 2 + 1] AS few FROM numbers(${ROWS}) ORDER BY number`;
const DUCKDB = `SELECT range::BIGINT AS position, CASE WHEN range % 7 = 0 THEN NULL ELSE 's' || range END AS s,
    CASE range % 5 WHEN 0 THEN NULL WHEN 1 THEN [] ELSE ['a' || range, NULL, 'b'] END AS tags, DATE '2026-10-01' + (range % 9)::INT AS day,
    range % 2 = 0 AS even, (range / 3)::DOUBLE AS d, range::INTEGER AS i, TIMESTAMP '2026-10-01 00:00:00.123456' AS t FROM range(${ROWS})`;

const IDS = new Map(Object.entries({ position: 1, team_id: 2, tags: 70_000, "tags.list.element": 9, none: 4 }));

suite("a copy of a Parquet file without some rows", { skip: clickhouseSkip }, () => {
  const stack = new AsyncDisposableStack();
  let folder = "";
  let sql: (query: string) => Promise<unknown[][]>;
  before(async () => {
    folder = stack.use(await temporaryFolder()).path;
    const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
    stack.defer(() => connection.closeSync());
    sql = async (query) => (await connection.runAndReadAll(query)).getRowsJson();
    await using server = await clickhouse();
    const { stream } = await server.client.exec({
      query: `${CLICKHOUSE} FORMAT Parquet`,
      clickhouse_settings: { output_format_parquet_row_group_size: "1500", output_format_parquet_string_as_string: 1 },
    });
    const written = await buffer(stream);
    const { start, thrift } = await readFooter({
      bytes: written.length,
      read: (from, to) => Promise.resolve(written.subarray(from, to)),
    });
    await writeFile(join(folder, "clickhouse.parquet"), [written.subarray(0, start), withFieldIds(thrift, IDS)]);
    await sql(`COPY (${DUCKDB}) TO '${join(folder, "duckdb.parquet")}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
  });
  after(async () => await stack.disposeAsync());

  const withFile = async <Result>(name: string, work: (file: RangeReader) => Promise<Result>): Promise<Result> => {
    await using handle = await open(join(folder, name), "r");
    return await work(localFile(handle, (await handle.stat()).size));
  };
  const signal = AbortSignal.timeout(300_000);

  for (const name of ["clickhouse", "duckdb"]) {
    test(`whatever rows of a file of ${name}'s stay, all of their columns are the same`, async () => {
      const ranges = fc.array(fc.tuple(fc.nat(ROWS), fc.nat(ROWS)), { maxLength: 4 });
      const property = fc.asyncProperty(ranges, fc.integer({ min: 2, max: 50 }), async (dropped, every) => {
        const isDead = (row: number): boolean =>
          row % every === 0 || dropped.some(([a, b]) => a <= row && row < a + b / 2);
        const copy = join(folder, "copy.parquet");
        await withFile(`${name}.parquet`, async (file) => {
          await copyRows(file, (row) => !isDead(row), copy, signal);
          const difference = await withFile("copy.parquet", (copied) =>
            copyDifference(file, (row) => !isDead(row), copied, signal),
          );
          assert.equal(difference, undefined);
        });
        const kept = Array.from({ length: ROWS }, (_, row) => row).filter((row) => !isDead(row));
        // DuckDB reads no text that isn't UTF-8.
        const all = "SELECT COLUMNS(name -> name <> 'raw') FROM";
        const expected = `${all} '${join(folder, `${name}.parquet`)}' WHERE position IN (${[-1, ...kept].join()})`;
        const found = `${all} '${copy}'`;
        for (const both of [`${expected} EXCEPT ALL ${found}`, `${found} EXCEPT ALL ${expected}`])
          assert.deepEqual(await sql(both), []);
        const types = async (of: string) => await sql(`SELECT column_name, column_type FROM (DESCRIBE ${of})`);
        assert.deepEqual(await types(found), await types(expected));
      });
      await fc.assert(property, { numRuns: 6, endOnFailure: true });
    });
  }

  test("a copy has the field ids of its file", async () => {
    await withFile("clickhouse.parquet", (file) =>
      copyRows(file, (row) => row < 9, join(folder, "ids.parquet"), signal),
    );
    const names = await withFile("ids.parquet", namesByFieldId);
    assert.deepEqual(Object.fromEntries(names), { 1: "position", 2: "team_id", 4: "none", 70_000: "tags" });
    const [element] = await sql(
      `SELECT field_id FROM parquet_schema('${join(folder, "ids.parquet")}') WHERE name = 'element'`,
    );
    assert.deepEqual(element, ["9"]);
  });

  test("a copy that lacks a row, has one too many or another value is found", async () => {
    const rows = join(folder, "rows.parquet");
    await withFile("duckdb.parquet", async (file) => {
      const difference = async (select: string): Promise<string | undefined> => {
        await sql(`COPY (${select}) TO '${rows}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
        return await withFile("rows.parquet", (copy) => copyDifference(file, () => true, copy, signal));
      };
      const from = `FROM '${join(folder, "duckdb.parquet")}'`;
      assert.equal(await difference(`SELECT * ${from}`), undefined);
      assert.match((await difference(`SELECT * ${from} WHERE position <> 3000`)) ?? "", /rows after row 2048/);
      assert.match((await difference(`SELECT * ${from} UNION ALL SELECT * ${from}`)) ?? "", /rows/);
      const other = `SELECT * REPLACE (CASE WHEN position = 2100 THEN ['a2100', 'b'] ELSE tags END AS tags) ${from}`;
      assert.equal(await difference(other), "column tags at row 2100");
    });
  });
});
