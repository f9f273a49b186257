import { parquetMetadataAsync } from "hyparquet";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/** The rows that the footer counts. Rejects if the file has no whole footer. */
export async function parquetRowCount(file: RangeReader): Promise<number> {
  const metadata = await parquetMetadataAsync(asyncBuffer(file));
  return Number(metadata.num_rows);
}
