/** Field ids in a footer that ClickHouse wrote: nothing else of the file changes, and readers find its columns by them. */
import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { parquetColumns } from "../../../destinations/parquet/columns.ts";
import { readFooter, rowGroups, withFieldIds } from "../../../destinations/parquet/footer.ts";
import type { RangeReader } from "../../../destinations/parquet/range_reader.ts";
import { structFields } from "../../../destinations/parquet/thrift.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";

const SELECT = `SELECT toInt64(number) AS a, [toString(number), 'x'] AS tags, CAST(NULL AS Nullable(String)) AS none,
  if(number % 3 = 0, NULL, number / 2)::Nullable(Float64) AS some,
  toDateTime64('2026-10-25 00:59:59.000001', 6, 'UTC') + toIntervalMicrosecond(number) AS time FROM numbers(250)`;
const IDS = new Map([
  ["a", 1],
  ["tags", 2],
  ["tags.list.element", 2_147_483_546],
  ["none", 70_000],
  ["some", 4],
  ["time", 5],
]);

const fileOf = (bytes: Uint8Array): RangeReader => ({
  bytes: bytes.length,
  read: (from, to) => Promise.resolve(bytes.subarray(from, to)),
});

suite("the footer of a Parquet file", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let written: Uint8Array;
  before(async () => {
    server = await clickhouse();
    const settings = {
      output_format_parquet_row_group_size: "100",
      output_format_parquet_string_as_string: 1 as const,
    };
    const { stream } = await server.client.exec({ query: `${SELECT} FORMAT Parquet`, clickhouse_settings: settings });
    written = await buffer(stream);
  });
  after(async () => await server[Symbol.asyncDispose]());

  test("gets ids, and every byte of the pages and every other field stays", async () => {
    const { start, thrift } = await readFooter(fileOf(written));
    const stamped = Buffer.concat([written.subarray(0, start), withFieldIds(thrift, IDS)]);
    const footer = await readFooter(fileOf(stamped));
    assert.equal(footer.start, start);
    // Every field of FileMetaData but the schema has the bytes that it had.
    const parts = (bytes: Uint8Array): readonly (readonly [number, number, Buffer])[] =>
      structFields(bytes, 0)[0].map(({ id, type, start: from, end }) => [
        id,
        type,
        Buffer.from(bytes.subarray(from, end)),
      ]);
    const [old, now] = [parts(thrift), parts(footer.thrift)];
    assert.deepEqual(
      now.filter(([id]) => id !== 2),
      old.filter(([id]) => id !== 2),
    );
    assert.ok(old.length >= 5);
    assert.deepEqual(rowGroups(footer.thrift), rowGroups(thrift));
    const names = ["a", "some", "time"];
    assert.deepEqual(
      await Array.fromAsync(parquetColumns(fileOf(stamped), names)),
      await Array.fromAsync(parquetColumns(fileOf(written), names)),
    );
    // Once more with other ids: the old ones are replaced, and without any the file is what it was.
    const again = withFieldIds(footer.thrift, new Map([...IDS].map(([path, id]) => [path, id + 1])));
    assert.equal(again.length, withFieldIds(thrift, IDS).length);
    assert.deepEqual(
      Buffer.concat([written.subarray(0, start), withFieldIds(thrift, new Map())]),
      Buffer.from(written),
    );
  });

  test("says of each row group what its columns hold, to the microsecond", async () => {
    const { thrift } = await readFooter(fileOf(written));
    const groups = rowGroups(thrift);
    assert.ok(groups.length > 1);
    const starts = groups.map((_, at) => groups.slice(0, at).reduce((rows, group) => rows + group.rows, 0));
    const micros = (bytes: Uint8Array | undefined): bigint => Buffer.from(bytes ?? []).readBigInt64LE();
    const first = 1_792_889_999_000_001n;
    const times = groups.map(({ columns }) => columns.find((one) => one.path === "time"));
    assert.deepEqual(
      times.map((one) => [micros(one?.min), micros(one?.max)]),
      groups.map(({ rows }, at) => {
        const from = first + BigInt(starts[at] ?? 0);
        return [from, from + BigInt(rows) - 1n];
      }),
    );
    const counts = (path: string): readonly [number, number] =>
      groups
        .flatMap(({ columns }) => columns.filter((one) => one.path === path))
        .reduce(([values, nulls], one) => [values + one.values, nulls + (one.nulls ?? Number.NaN)], [0, 0]);
    assert.deepEqual(counts("a"), [250, 0]);
    assert.deepEqual(counts("tags.list.element"), [500, 0]);
    assert.deepEqual(counts("none"), [250, 250]);
    assert.deepEqual(counts("some"), [250, 84]);
  });

  test("is refused where the file is cut or none", async () => {
    await assert.rejects(readFooter(fileOf(written.subarray(0, written.length - 1))), /not a whole Parquet file/);
    await assert.rejects(readFooter(fileOf(Buffer.from("PAR1"))), /not a whole Parquet file/);
    await assert.rejects(readFooter(fileOf(Buffer.from("PAR1\u00ff\u00ff\u00ff\u0000PAR1", "latin1"))), /not a whole/);
  });
});
