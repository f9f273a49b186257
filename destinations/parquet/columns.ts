/** Reads some columns of a Parquet file by ranges of bytes: nothing else of the file is fetched. */
import * as zlib from "node:zlib";
import { type Compressors, parquetScan } from "hyparquet";
import { lz4Block } from "./lz4_block.ts";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/**
 * What a value is, by the column's type: text is its UTF-8 bytes, int64 and timestamps (in the file's unit) are bigints, bool
 * and float64 are themselves, NULL is null or undefined.
 */
export type ParquetValue = Uint8Array | bigint | boolean | number | null | undefined;

/** Some rows: one array for each column that was asked for, all of the same length. */
export type ParquetRows = readonly ArrayLike<ParquetValue>[];

const COMPRESSORS: Compressors = {
  GZIP: (input) => zlib.gunzipSync(input),
  BROTLI: (input) => zlib.brotliDecompressSync(input),
  LZ4_RAW: (input, bytes) => lz4Block(input, bytes),
  ZSTD: (input) => zlib.zstdDecompressSync(input),
};

/** No strings and no dates are made: that takes most of the time. */
const RAW = {
  stringFromBytes: (bytes: Uint8Array) => bytes,
  timestampFromMilliseconds: (millis: bigint) => millis * 1000n,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: (nanos: bigint) => nanos / 1000n,
};

/** The rows in order, one row group at a time. Rejects if a column is missing or the file can't be read. */
export async function* parquetColumns(file: RangeReader, columns: readonly string[]): AsyncIterable<ParquetRows> {
  const scan = await parquetScan({
    file: asyncBuffer(file),
    columns: [...columns],
    compressors: COMPRESSORS,
    parsers: RAW,
    utf8: false,
    geoparquet: false,
  });
  for (const { rowStart, rowEnd } of scan.ranges) {
    yield await Promise.all(
      columns.map(async (column) => (await scan.readColumn({ column, rowStart, rowEnd })) as ArrayLike<ParquetValue>),
    );
  }
}
