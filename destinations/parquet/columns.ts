/** Reads some columns of a Parquet file by ranges of bytes: nothing else of the file is fetched. */
import { parquetMetadataAsync, parquetScan, parquetSchema } from "hyparquet";
import { COMPRESSORS } from "./compressors.ts";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/**
 * What a value is, by the column's type: text is its UTF-8 bytes, int64 and timestamps (in the file's unit) are bigints, bool
 * and float64 are themselves, NULL is null or undefined.
 */
export type ParquetValue = Uint8Array | bigint | boolean | number | null | undefined;

/** Some rows: one array for each column that was asked for, all of the same length. */
export type ParquetRows = readonly ArrayLike<ParquetValue>[];

/** No strings and no dates are made: that takes most of the time. */
const RAW = {
  stringFromBytes: (bytes: Uint8Array) => bytes,
  timestampFromMilliseconds: (millis: bigint) => millis * 1000n,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: (nanos: bigint) => nanos / 1000n,
};

/** So many are read at a time: an object for each value needs a hundred bytes. */
const MOST_ROWS = 131_072;

/** The rows in order, some of a row group at a time. Rejects if a column is missing or the file can't be read. */
export async function* parquetColumns(file: RangeReader, columns: readonly string[]): AsyncIterable<ParquetRows> {
  const scan = await parquetScan({
    file: asyncBuffer(file),
    columns: [...columns],
    compressors: COMPRESSORS,
    parsers: RAW,
    utf8: false,
    geoparquet: false,
  });
  for (const range of scan.ranges) {
    for (let rowStart = range.rowStart; rowStart < range.rowEnd; rowStart += MOST_ROWS) {
      const rowEnd = Math.min(range.rowEnd, rowStart + MOST_ROWS);
      yield await Promise.all(
        columns.map(async (column) => (await scan.readColumn({ column, rowStart, rowEnd })) as ArrayLike<ParquetValue>),
      );
    }
  }
}

/** The names of the columns. Rejects if the file has no whole footer. */
export async function columnNames(file: RangeReader): Promise<ReadonlySet<string>> {
  const { children } = parquetSchema(await parquetMetadataAsync(asyncBuffer(file)));
  return new Set(children.map(({ element }) => element.name));
}

/** The names of the columns by their field ids; of a file without ids none. */
export async function namesByFieldId(file: RangeReader): Promise<ReadonlyMap<number, string>> {
  const { children } = parquetSchema(await parquetMetadataAsync(asyncBuffer(file)));
  return new Map(
    children.flatMap(({ element: { field_id: id, name } }) => (id === undefined ? [] : [[id, name] as const])),
  );
}
