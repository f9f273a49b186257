/** Reads the keys and places of a data file: the columns' ranges of Parquet, all of a text file. */
import { parquetColumns } from "../parquet/columns.ts";
import { flatColumns } from "../parquet/flat_columns.ts";
import type { KeyValue, KeyValues } from "./encode.ts";
import { columnsOf, type KeyColumn, type KeyFile } from "./shape.ts";
import type { KeyRows } from "./supersession.ts";
import { textRows } from "./text_rows.ts";

/** Rejects if the file can't be read: it's broken, a column is missing, or its compression is unknown here. */
export async function* readKeys(file: KeyFile): AsyncIterable<KeyRows> {
  const { key, order, more = [] } = file.shape;
  let next = key.length;
  const placeOf = (column: KeyColumn | undefined): number | undefined => (column === undefined ? undefined : next++);
  const places = order.map(placeOf);
  const morePlaces = more.map(placeOf);
  for await (const [rows, columns] of blocksOf(file, columnsOf(file.shape))) {
    yield {
      key: columns.slice(0, key.length),
      order: places.map((place) => (place === undefined ? undefined : columns[place])),
      more: morePlaces.map((place) => (place === undefined ? undefined : columns[place])),
      rows,
    };
  }
}

/** Some rows at a time: how many, and their values of each column. */
async function* blocksOf(file: KeyFile, names: readonly string[]): AsyncIterable<[number, readonly KeyValues[]]> {
  if (file.format !== "parquet") {
    const cells: KeyValue[][] = names.map(() => [undefined]);
    const columns = cells.map((values) => ({ kind: "values", values }) as const);
    for await (const row of textRows(file, names)) {
      cells.forEach((cell, at) => (cell[0] = row[at]));
      yield [1, columns];
    }
    return;
  }
  const flat = await flatColumns(file, names);
  if (flat) {
    for await (const { rows, columns } of flat) yield [rows, columns];
    return;
  }
  for await (const columns of parquetColumns(file, names)) {
    yield [columns[0]?.length ?? 0, columns.map((values) => ({ kind: "values", values }) as const)];
  }
}
