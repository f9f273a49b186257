/**
 * What is compared of a row: its key, and its place in the order of reads (src/models/reading_order.ts). Both are written as
 * bytes, so rows of a million sessions need a few typed arrays and no objects.
 */
import type { Column, ColumnType } from "../../src/models/column.ts";
import { READING_ORDER } from "../../src/models/reading_order.ts";
import type { FileFormat } from "../destination.ts";
import type { RangeReader } from "../parquet/range_reader.ts";

export type KeyColumn = Pick<Column, "name" | "type">;

/** The columns to read of a file. Rows of two files can be compared if both have the same key. */
export interface KeyShape {
  readonly key: readonly KeyColumn[];
  /** Of READING_ORDER; undefined where the file lacks the column: such a row is lowest. */
  readonly order: readonly (KeyColumn | undefined)[];
  /** Other columns that are wanted; undefined where the file lacks one. Default: none. */
  readonly more?: readonly (KeyColumn | undefined)[];
}

/** A data file, and what to read of it. */
export interface KeyFile extends RangeReader {
  readonly format: FileFormat;
  /** Its end gives the compression of a text file. */
  readonly name: string;
  readonly shape: KeyShape;
}

/** @returns undefined if the file lacks a column of the key, so that its rows can't be told apart */
export function keyShape(
  columns: readonly { readonly name: string; readonly type: string }[],
  key: readonly string[],
  more: readonly string[] = [],
): KeyShape | undefined {
  const byName = new Map(columns.map(({ name, type }) => [name, { name, type: type as ColumnType }]));
  const found = key.flatMap((name) => byName.get(name) ?? []);
  if (found.length < key.length || found.length === 0) return undefined;
  const order = READING_ORDER.map((name) => byName.get(name));
  return { key: found, order, more: more.map((name) => byName.get(name)) };
}

export function sameKey(one: KeyShape, other: KeyShape): boolean {
  const text = ({ key }: KeyShape): string => JSON.stringify(key.map(({ name, type }) => [name, type]));
  return text(one) === text(other);
}

/** The names of all columns of the shape. */
export function columnsOf({ key, order, more = [] }: KeyShape): string[] {
  return [...key, ...order, ...more].flatMap((column) => column?.name ?? []);
}
