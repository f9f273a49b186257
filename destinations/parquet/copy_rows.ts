/**
 * Copies a Parquet file without some of its rows: the same columns, types and field ids, and the same values. Only what ClickHouse and
 * Replayport write: columns without parts, and lists of such.
 */
import { zstdCompressSync } from "node:zlib";
import { parquetMetadataAsync, parquetScan, parquetSchema } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { COMPRESSORS } from "./compressors.ts";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/** In memory at once, all columns of them. Each is a row group of the copy. */
const MOST_ROWS = 65_536;
/** As in the table's other files (destinations/table_format/metrics.ts). */
const LONGEST_BOUND = 64;

/** Values as they are in the file: no texts, no dates. */
const RAW = {
  stringFromBytes: (bytes: Uint8Array) => bytes,
  timestampFromMilliseconds: (millis: bigint) => millis,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: (nanos: bigint) => nanos,
};

/**
 * @param file on local disk: each step reads the columns' chunks of its row group again
 * @param keeps whether the row at a position stays
 * @param path of the copy
 */
export async function copyRows(file: RangeReader, keeps: (row: number) => boolean, path: string): Promise<void> {
  const buffer = asyncBuffer(file);
  const metadata = await parquetMetadataAsync(buffer);
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  const scan = await parquetScan({
    file: buffer,
    columns,
    compressors: COMPRESSORS,
    parsers: RAW,
    utf8: false,
    geoparquet: false,
  });
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: metadata.schema,
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    statisticsTruncateLength: LONGEST_BOUND,
  });
  for (const range of scan.ranges) {
    for (let rowStart = range.rowStart; rowStart < range.rowEnd; rowStart += MOST_ROWS) {
      const rowEnd = Math.min(range.rowEnd, rowStart + MOST_ROWS);
      const columnData = [];
      for (const column of columns) {
        const values = Array.from(await scan.readColumn({ column, rowStart, rowEnd }));
        columnData.push({ name: column, data: values.filter((_, at) => keeps(rowStart + at)) });
      }
      await writer.write({ columnData, rowGroupSize: MOST_ROWS });
    }
  }
  await writer.finish();
}
