/**
 * Copies a Parquet file without some of its rows: the same columns, types and field ids, and the same values. A value is never
 * turned into text or a date on the way, and the copy is read back and compared, so a type that can't be copied is an error.
 */
import { isDeepStrictEqual } from "node:util";
import { zstdCompressSync } from "node:zlib";
import { parquetMetadataAsync } from "hyparquet";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";
import { RAW, scanRows } from "./scan.ts";
import { fileWriter, ParquetWriter } from "./writer.ts";

/** In memory at once, with all of their columns. A third of ClickHouse's row groups. Each step is a row group of the copy. */
const MOST_ROWS = 40_960;
/** As in the table's manifests (destinations/table_format/metrics.ts). */
const LONGEST_BOUND = 64;

interface SomeRows {
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly data: readonly unknown[] }[];
}

/**
 * @param file on local disk: each step reads its row group again from the start
 * @param keeps whether the row at a position stays
 * @param path of the copy
 */
export async function copyRows(
  file: RangeReader,
  keeps: (row: number) => boolean,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { schema } = await parquetMetadataAsync(asyncBuffer(file));
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema,
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    statisticsTruncateLength: LONGEST_BOUND,
  });
  for await (const { rows, columns } of keptRows(file, keeps)) {
    signal.throwIfAborted();
    await writer.write({
      columnData: columns.map(({ name, data }) => ({ name, data: [...data] })),
      rowGroupSize: rows,
    });
  }
  await writer.finish();
}

/** @returns where the copy differs from those rows; undefined if it doesn't */
export async function copyDifference(
  file: RangeReader,
  keeps: (row: number) => boolean,
  copy: RangeReader,
  signal: AbortSignal,
): Promise<string | undefined> {
  const copied = keptRows(copy, () => true);
  let rows = 0;
  for await (const expected of keptRows(file, keeps)) {
    signal.throwIfAborted();
    const { value: found } = await copied.next();
    if (found?.rows !== expected.rows) return `${found?.rows ?? 0} rows after row ${rows}, not ${expected.rows}`;
    for (const [at, { name, data }] of expected.columns.entries()) {
      const values = found.columns[at]?.data;
      const row = data.findIndex((value, index) => !isDeepStrictEqual(value, values?.[index]));
      if (row !== -1) return `column ${name} at row ${rows + row}`;
    }
    rows += expected.rows;
  }
  return (await copied.next()).done === true ? undefined : `more than ${rows} rows`;
}

/** The rows that stay, some at a time; never none. */
async function* keptRows(file: RangeReader, keeps: (row: number) => boolean): AsyncGenerator<SomeRows, undefined> {
  for await (const { names, rowStart, rowEnd, read } of scanRows(file, { parsers: RAW, mostRows: MOST_ROWS })) {
    const kept = Array.from({ length: rowEnd - rowStart }, (_, at) => at).filter((at) => keeps(rowStart + at));
    if (kept.length === 0) continue;
    const columns = [];
    for (const name of names) {
      const values = await read(name);
      // Whether a NULL is null or undefined depends on how its page is encoded.
      columns.push({ name, data: kept.map((at): unknown => values[at] ?? null) });
    }
    yield { rows: kept.length, columns };
  }
  return undefined;
}
