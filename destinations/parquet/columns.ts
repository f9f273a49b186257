/** Reads some columns of a Parquet file by ranges of bytes: nothing else of the file is fetched. */
import { parquetMetadataAsync, parquetSchema } from "hyparquet";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";
import { RAW, scanRows } from "./scan.ts";

/**
 * What a value is, by the column's type: text is its UTF-8 bytes, int64 and timestamps (in the file's unit) are bigints, bool
 * and float64 are themselves, NULL is null or undefined.
 */
export type ParquetValue = Uint8Array | bigint | boolean | number | null | undefined;

/** Some rows: one array for each column that was asked for, all of the same length. */
export type ParquetRows = readonly ArrayLike<ParquetValue>[];

/** Times in microseconds. */
const PARSERS = {
  ...RAW,
  timestampFromMilliseconds: (millis: bigint) => millis * 1000n,
  timestampFromNanoseconds: (nanos: bigint) => nanos / 1000n,
};

/** So many are read at a time: an object for each value needs a hundred bytes. */
const MOST_ROWS = 131_072;

/** The rows in order, some of a row group at a time. Rejects if a column is missing or the file can't be read. */
export async function* parquetColumns(file: RangeReader, columns: readonly string[]): AsyncIterable<ParquetRows> {
  for await (const { read } of scanRows(file, { columns, parsers: PARSERS, mostRows: MOST_ROWS })) {
    yield await Promise.all(columns.map(async (column) => (await read(column)) as ArrayLike<ParquetValue>));
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
