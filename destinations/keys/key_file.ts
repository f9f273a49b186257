/** Reads the keys and places of a data file: the columns' ranges of Parquet, all of a text file. */
import { parquetColumns } from "../parquet/columns.ts";
import type { KeyValue } from "./encode.ts";
import { columnsOf, type KeyFile } from "./shape.ts";
import { textRows } from "./text_rows.ts";

/** Takes one row. The arrays are reused for the next one. */
export type KeySink = (key: readonly KeyValue[], order: readonly KeyValue[]) => void;

/** Rejects if the file can't be read: it's broken, a column is missing, or its compression is unknown here. */
export async function readKeys(file: KeyFile, sink: KeySink): Promise<void> {
  const { shape } = file;
  const key: KeyValue[] = shape.key.map(() => undefined);
  const order: KeyValue[] = shape.order.map(() => undefined);
  const names = columnsOf(shape);
  const present = shape.order.flatMap((column, index) => (column ? [index] : []));
  if (file.format !== "parquet") {
    for await (const row of textRows(file, names)) {
      for (let at = 0; at < key.length; at += 1) key[at] = row[at];
      present.forEach((index, at) => (order[index] = row[key.length + at]));
      sink(key, order);
    }
    return;
  }
  for await (const columns of parquetColumns(file, names)) {
    const rows = columns[0]?.length ?? 0;
    for (let row = 0; row < rows; row += 1) {
      for (let at = 0; at < key.length; at += 1) key[at] = columns[at]?.[row];
      for (let at = 0; at < present.length; at += 1) order[present[at] ?? 0] = columns[key.length + at]?.[row];
      sink(key, order);
    }
  }
}
