/** Reads Parquet files by ranges of bytes, so a file in a store is never downloaded in full. */
import { parquetMetadataAsync } from "hyparquet";

/** A file on disk, or an object of a store (`Store.readRange`). */
export interface RangeReader {
  readonly bytes: number;
  /** Exactly the bytes from `start` up to `end`, not included. Rejects if there are fewer. */
  readonly read: (start: number, end: number) => Promise<Uint8Array>;
}

/** The rows that the footer counts. Rejects if the file has no whole footer. */
export async function parquetRowCount({ bytes, read }: RangeReader): Promise<number> {
  const metadata = await parquetMetadataAsync({
    byteLength: bytes,
    async slice(start, end = bytes) {
      const part = await read(start, end);
      // A copy of its own buffer: a small Buffer is a view of a larger one.
      return new Uint8Array(part).buffer;
    },
  });
  return Number(metadata.num_rows);
}
