/**
 * Golden files: one per type and format, written by ClickHouse through the source and the stage, read back by readers that
 * are not ours. What a type is called in each file is asserted here, once, in words; the table stands in
 * src/models/column.ts. `UPDATE_GOLDEN=1` writes the text files anew.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { asyncBufferFromFile } from "hyparquet/src/node.js";
import { compressors } from "hyparquet-compressors";
import parquetjs from "parquetjs-lite";
import codecs from "parquetjs-lite/lib/codec/index.js";
import type { FileFormat } from "../../../destinations/destination.ts";
import type { Compression, ExportDefinition } from "../../../src/export/definition.ts";
import { fileExtension } from "../../../src/export/definition.ts";
import { loadBatch } from "../../../src/export/load_batch.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";
import { FIRST_LOAD, HOUR_ONE, REPLAYS, dependencies } from "../../support/definitions.ts";
import { memoryWarehouse } from "../../support/memory_destination.ts";

/** One row for each: ordinary values, the extremes, NULLs and empty lists. */
const EVERY_TYPE = `
SELECT number AS id,
  ['plain', 'quote " comma , line\\nbreak', 'Zoë 🦊 \\\\ back', ''][number + 1] AS a_string,
  [toInt64(0), 9223372036854775807, -9223372036854775808, 1][number + 1] AS an_int64,
  [0.1, -1e300, 1e-300, 12345.678][number + 1] AS a_float64,
  number % 2 = 1 ? true : false AS a_bool,
  [toDateTime64('2026-10-01 12:34:56.789012', 6, 'UTC'), toDateTime64('1970-01-01 00:00:00.000001', 6, 'UTC'),
   toDateTime64('2199-12-31 23:59:59.999999', 6, 'UTC'), toDateTime64('1969-12-31 23:59:59.5', 6, 'UTC')][number + 1] AS a_timestamp,
  [['a', 'b "c"'], [], [''], ['x', 'y', 'z']][number + 1] AS strings,
  [[toDateTime64('2026-10-01 12:34:56.789012', 6, 'UTC')], [], [], []][number + 1] AS timestamps,
  if(number = 2, NULL, a_string) AS null_string, if(number = 2, NULL, an_int64) AS null_int64,
  if(number = 2, NULL, a_float64) AS null_float64, if(number = 2, NULL, a_bool) AS null_bool,
  if(number = 2, NULL, a_timestamp) AS null_timestamp, toInt64(7) AS _version
FROM numbers(4) WHERE {interval_start} < {interval_end} ORDER BY id`;

const COMPRESSED: Readonly<Record<FileFormat, readonly Compression[]>> = {
  parquet: ["zstd", "snappy", "gzip", "lz4", "brotli", "none"],
  jsonl: ["none", "gzip", "zstd", "brotli"],
  csv: ["none", "gzip", "zstd", "brotli"],
};

const MICROS = [1790858096789012n, 1n, 7258118399999999n, -500000n];

suite("golden files", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let folder: string;
  const written = new Map<string, string>();

  before(async () => {
    server = await clickhouse();
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    for (const [format, compressions] of Object.entries(COMPRESSED) as [FileFormat, Compression[]][]) {
      for (const compression of compressions) written.set(`${format} ${compression}`, await write(format, compression));
    }
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function write(format: FileFormat, compression: Compression): Promise<string> {
    const definition: ExportDefinition = {
      ...REPLAYS,
      model: { kind: "sql", file: "every_type.sql", sql: EVERY_TYPE, key: ["id"] },
      format,
      compression,
    };
    const warehouse = memoryWarehouse();
    const load = dependencies(server.replays.source, warehouse.destination("replays"), folder);
    await loadBatch(definition, HOUR_ONE, FIRST_LOAD, load, AbortSignal.timeout(60_000));
    const file = join(folder, `${compression}${fileExtension(format, compression)}`);
    await writeFile(file, warehouse.loaded[0]?.contents[0] ?? "");
    return file;
  }
  const path = (format: FileFormat, compression: Compression): string => {
    const file = written.get(`${format} ${compression}`);
    assert.ok(file);
    return file;
  };

  test("Parquet's schema: each type, nullable or not", async () => {
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path("parquet", "zstd")));
    const schema = metadata.schema.map(({ name, type, repetition_type: repetition, logical_type: logical }) =>
      [
        name,
        type,
        repetition,
        logical?.type,
        logical?.type === "TIMESTAMP" ? `${logical.unit} ${logical.isAdjustedToUTC}` : undefined,
      ]
        .filter((part) => part !== undefined)
        .join(" "),
    );
    assert.deepEqual(schema, [
      "schema",
      "id INT64 REQUIRED",
      "a_string BYTE_ARRAY REQUIRED STRING",
      "an_int64 INT64 REQUIRED",
      "a_float64 DOUBLE REQUIRED",
      "a_bool BOOLEAN REQUIRED",
      "a_timestamp INT64 REQUIRED TIMESTAMP MICROS true",
      "strings REQUIRED LIST",
      "list REPEATED",
      "element BYTE_ARRAY REQUIRED STRING",
      "timestamps REQUIRED LIST",
      "list REPEATED",
      "element INT64 REQUIRED TIMESTAMP MICROS true",
      "null_string BYTE_ARRAY OPTIONAL STRING",
      "null_int64 INT64 OPTIONAL",
      "null_float64 DOUBLE OPTIONAL",
      "null_bool BOOLEAN OPTIONAL",
      "null_timestamp INT64 OPTIONAL TIMESTAMP MICROS true",
      "_version INT64 REQUIRED",
      "_exported_at INT64 REQUIRED TIMESTAMP MICROS true",
      "_interval_start INT64 REQUIRED TIMESTAMP MICROS true",
    ]);
  });

  for (const compression of COMPRESSED.parquet) {
    test(`hyparquet reads Parquet, ${compression}`, async () => {
      const file = await asyncBufferFromFile(path("parquet", compression));
      const rows = await parquetReadObjects({ file, compressors });
      assert.deepEqual(
        rows.map((row) => row["an_int64"]),
        [0n, 9223372036854775807n, -9223372036854775808n, 1n],
      );
      assert.deepEqual(
        rows.map((row) => row["strings"]),
        [["a", 'b "c"'], [], [""], ["x", "y", "z"]],
      );
      assert.deepEqual(
        rows.map((row) => row["null_string"]),
        ["plain", 'quote " comma , line\nbreak', null, ""],
      );
    });

    test(`DuckDB reads Parquet, ${compression}, to the microsecond`, async () => {
      const rows = await duckdb(
        `SELECT epoch_us(a_timestamp) AS us, epoch_us(timestamps[1]) AS first, a_string, a_float64, null_bool, typeof(strings) AS list FROM '${path("parquet", compression)}' ORDER BY id`,
      );
      assert.deepEqual(
        rows.map((row) => row["us"]),
        MICROS,
      );
      assert.deepEqual(
        rows.map((row) => row["first"]),
        [MICROS[0], null, null, null],
      );
      assert.deepEqual(
        rows.map((row) => row["a_string"]),
        ["plain", 'quote " comma , line\nbreak', "Zoë 🦊 \\ back", ""],
      );
      assert.deepEqual(
        rows.map((row) => row["a_float64"]),
        [0.1, -1e300, 1e-300, 12345.678],
      );
      assert.deepEqual(
        rows.map((row) => row["null_bool"]),
        [false, true, null, true],
      );
      assert.equal(rows[0]?.["list"], "VARCHAR[]");
    });
  }

  for (const compression of ["snappy", "gzip", "none"] as const) {
    test(`parquetjs-lite reads Parquet, ${compression}`, async () => {
      // It stopped at an older Parquet. The footer's version must be 1, and dictionaries go by their older name; the bytes
      // are the same (Parquet's Encodings.md: RLE_DICTIONARY took the place of PLAIN_DICTIONARY).
      codecs["RLE_DICTIONARY"] = codecs["PLAIN_DICTIONARY"];
      const envelope = await parquetjs.ParquetEnvelopeReader.openFile(path("parquet", compression));
      await envelope.readHeader();
      const metadata = { ...(await envelope.readFooter()), version: 1 };
      const reader = await parquetjs.ParquetReader.openEnvelopeReader(envelope, { metadata });
      // Its own TIMESTAMP_MICROS mixes numbers and BigInts and throws, so times are left to the other readers.
      const cursor = reader.getCursor(["id", "a_string", "an_int64", "a_float64", "a_bool", "strings", "null_string"]);
      const rows: Record<string, unknown>[] = [];
      for (let row = await cursor.next(); row; row = await cursor.next()) rows.push(row);
      await reader.close();
      assert.equal(rows.length, 4);
      assert.deepEqual(
        rows.map((row) => BigInt(row["an_int64"] as string)),
        [0n, 9223372036854775807n, -9223372036854775808n, 1n],
      );
      assert.deepEqual(
        rows.map((row) => row["null_string"] ?? null),
        ["plain", 'quote " comma , line\nbreak', null, ""],
      );
      assert.equal(rows[2]?.["a_string"], "Zoë 🦊 \\ back");
      assert.equal(Number(rows[0]?.["a_float64"]), 0.1);
      assert.equal(String(rows[1]?.["a_bool"]), "true");
    });
  }

  for (const format of ["jsonl", "csv"] as const) {
    test(`${format} is what it always was`, async () => {
      const golden = join(import.meta.dirname, "golden", `every_type.${format}`);
      // Times of the run differ with the test's clock, which stands still.
      const found = await readFile(path(format, "none"), "utf8");
      if (process.env["UPDATE_GOLDEN"] !== undefined || !existsSync(golden)) await writeFile(golden, found);
      assert.equal(found, await readFile(golden, "utf8"));
    });

    for (const compression of ["none", "gzip", "zstd"] as const) {
      test(`DuckDB reads ${format}, ${compression}`, async () => {
        const read = format === "jsonl" ? "read_json_auto" : "read_csv_auto";
        const nulls = format === "jsonl" ? "" : ", nullstr = '\\N'";
        const rows = await duckdb(
          `SELECT id, a_string, epoch_us(a_timestamp::TIMESTAMP) AS us, an_int64::VARCHAR AS n, null_string FROM ${read}('${path(format, compression)}'${nulls}) ORDER BY id`,
        );
        assert.deepEqual(
          rows.map((row) => row["us"]),
          MICROS,
        );
        assert.deepEqual(
          rows.map((row) => row["n"]),
          ["0", "9223372036854775807", "-9223372036854775808", "1"],
        );
        assert.deepEqual(
          rows.map((row) => row["a_string"] ?? ""),
          ["plain", 'quote " comma , line\nbreak', "Zoë 🦊 \\ back", ""],
        );
        assert.equal(rows[2]?.["null_string"], null);
      });
    }
  }
});

async function duckdb(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJS();
  } finally {
    connection.closeSync();
  }
}
