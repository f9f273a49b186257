/** Walks through the rows of a Parquet file, some of a row group at a time. */
import { parquetMetadataAsync, parquetScan, parquetSchema } from "hyparquet";
import { COMPRESSORS } from "./compressors.ts";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/** No strings and no dates are made: that takes most of the time. Times stay in the file's unit. */
export const RAW = {
  stringFromBytes: (bytes: Uint8Array) => bytes,
  timestampFromMilliseconds: (millis: bigint) => millis,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: (nanos: bigint) => nanos,
};

export interface ScannedRows {
  /** The columns that were asked for, or all. */
  readonly names: readonly string[];
  readonly rowStart: number;
  /** Not included. */
  readonly rowEnd: number;
  /** Reads these rows of one of the columns. */
  readonly read: (column: string) => Promise<ArrayLike<unknown>>;
}

/** @param how.columns all of the file's by default @param how.mostRows at a time. Rejects if a column is missing or the file can't be read. */
export async function* scanRows(
  file: RangeReader,
  how: { readonly columns?: readonly string[]; readonly parsers: typeof RAW; readonly mostRows: number },
): AsyncGenerator<ScannedRows, undefined> {
  const buffer = asyncBuffer(file);
  const metadata = await parquetMetadataAsync(buffer);
  const names = how.columns ?? parquetSchema(metadata).children.map(({ element }) => element.name);
  const scan = await parquetScan({
    file: buffer,
    metadata,
    columns: [...names],
    compressors: COMPRESSORS,
    parsers: how.parsers,
    utf8: false,
    geoparquet: false,
  });
  for (const range of scan.ranges) {
    for (let rowStart = range.rowStart; rowStart < range.rowEnd; rowStart += how.mostRows) {
      const rowEnd = Math.min(range.rowEnd, rowStart + how.mostRows);
      yield { names, rowStart, rowEnd, read: async (column) => await scan.readColumn({ column, rowStart, rowEnd }) };
    }
  }
  return undefined;
}
