/** The fast reader of key columns gives what hyparquet gives, for files as ClickHouse writes them. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { parquetColumns } from "../../../destinations/parquet/columns.ts";
import { type FlatColumn, flatColumns } from "../../../destinations/parquet/flat_columns.ts";
import type { RangeReader } from "../../../destinations/parquet/range_reader.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";

const NAMES = ["constant", "number", "few", "distinct", "some", "time"];

suite("flat columns of Parquet", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  async function write(select: string, settings: Record<string, string | number>): Promise<RangeReader> {
    const { stream } = await server.client.exec({ query: `${select} FORMAT Parquet`, clickhouse_settings: settings });
    const bytes = await buffer(stream);
    return { bytes: bytes.length, read: (start, end) => Promise.resolve(bytes.subarray(start, end)) };
  }

  /** Distinct values first few, then many: a dictionary that is given up on the way. */
  const SELECT = `SELECT toInt64(7) AS constant, toInt64(number * 1000003 - 50000) AS number, toString(number % 5) AS few,
    concat('äö-', toString(sipHash64(number)), repeat('x', number % 7)) AS distinct,
    if(number < 700, 'same', hex(sipHash128(number))) AS some,
    toDateTime64('1969-12-31 23:59:59', 6, 'UTC') + number AS time FROM numbers(2500)`;

  for (const compression of ["none", "snappy", "gzip", "lz4", "zstd", "brotli"] as const) {
    test(`each value is what hyparquet reads, in several row groups and pages, ${compression}`, async () => {
      const file = await write(SELECT, {
        output_format_parquet_compression_method: compression,
        output_format_parquet_row_group_size: 1000,
        output_format_parquet_data_page_size: 4096,
        output_format_parquet_max_dictionary_size: 8192,
      });
      const flat = await flatColumns(file, NAMES);
      assert.ok(flat);
      const found: (bigint | string)[][] = NAMES.map(() => []);
      let blocks = 0;
      for await (const { rows, columns } of flat) {
        blocks += 1;
        for (const [at, column] of columns.entries()) {
          for (let row = 0; row < rows; row += 1) found[at]?.push(valueOf(column, row));
        }
      }
      const wanted: unknown[][] = NAMES.map(() => []);
      for await (const columns of parquetColumns(file, NAMES)) {
        for (const [at, values] of columns.entries()) {
          for (const value of Array.from(values))
            wanted[at]?.push(value instanceof Uint8Array ? Buffer.from(value).toString() : value);
        }
      }
      assert.deepEqual(found, wanted);
      // A page of one column ends where none of another one does.
      assert.ok(blocks > 3);
    });
  }

  test("of a large row group, only some megabytes are read at a time", async () => {
    const select = "SELECT hex(sipHash128(number)) || hex(sipHash128(number, 1)) AS x FROM numbers(200000)";
    const file = await write(select, {
      output_format_parquet_compression_method: "none",
      output_format_parquet_row_group_size: 1_000_000,
    });
    assert.ok(file.bytes > 12_000_000);
    const reads: number[] = [];
    const read: RangeReader["read"] = (start, end) => {
      reads.push(end - start);
      return file.read(start, end);
    };
    let rows = 0;
    for await (const some of (await flatColumns({ ...file, read }, ["x"])) ?? []) rows += some.rows;
    assert.equal(rows, 200_000);
    assert.ok(Math.max(...reads) <= 4 * 1024 * 1024, `${Math.max(...reads)} bytes`);
    assert.ok(reads.length < 12, `${reads.length} reads`);
  });

  test("no rows are no groups, or groups without rows", async () => {
    const flat = await flatColumns(await write(`${SELECT} LIMIT 0`, {}), NAMES);
    assert.equal(
      (await Array.fromAsync(flat ?? assert.fail())).reduce((sum, { rows }) => sum + rows, 0),
      0,
    );
  });

  test("columns that are stored in another way are left to hyparquet", async () => {
    const others = [
      "toNullable(1) AS x",
      "1.5 AS x",
      "['a'] AS x",
      "toDateTime64(1, 3, 'UTC') AS x",
      "toInt32(1) AS x",
    ];
    for (const x of others) assert.equal(await flatColumns(await write(`SELECT ${x}`, {}), ["x"]), undefined, x);
    assert.equal(await flatColumns(await write("SELECT 'a' AS x", {}), ["y"]), undefined);
  });

  test("a file that is broken is refused", async () => {
    const { bytes, read } = await write(SELECT, { output_format_parquet_compression_method: "none" });
    for (const at of [20, 500, 5000, 20_000]) {
      const broken: RangeReader = {
        bytes,
        async read(start, end) {
          const part = Uint8Array.from(await read(start, end));
          if (at >= start && at < end && end < bytes - 8) part.fill(255, at - start, at - start + 40);
          return part;
        },
      };
      const readAll = async (): Promise<void> => {
        for await (const { rows, columns } of (await flatColumns(broken, NAMES)) ?? []) {
          for (const column of columns) for (let row = 0; row < rows; row += 1) valueOf(column, row);
        }
      };
      // A value may differ without anybody noticing; what must not happen is an endless loop.
      await readAll().catch((error: unknown) => assert.ok(error instanceof Error));
    }
  });
});

function valueOf(column: FlatColumn, row: number): bigint | string {
  if (column.kind === "text") {
    return Buffer.from(column.bytes.subarray(column.starts[row], column.ends[row])).toString();
  }
  const at = row * column.stride;
  const low = BigInt((column.words[at] ?? 0) >>> 0);
  return (BigInt(column.words[at + 1] ?? 0) << 32n) | low;
}
