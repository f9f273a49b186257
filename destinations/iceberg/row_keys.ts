/** The keys and places of a file's rows, from the few columns that have them. */
import { open } from "node:fs/promises";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import { READING_ORDER } from "../../src/models/reading_order.ts";
import type { StagedFile } from "../destination.ts";
import { readKeys } from "../keys/key_file.ts";
import { LongVersion, type PackedKeys, packKeys } from "../keys/packed_keys.ts";
import { type KeyShape, keyShape } from "../keys/shape.ts";
import { localFile } from "../parquet/local_file.ts";
import { columnNames } from "../parquet/columns.ts";
import { keepFooter, type RangeReader } from "../parquet/range_reader.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { type KeyedColumns, KeyPrefixes, prunedBy } from "./pruning.ts";
import type { IcebergContext } from "./context.ts";
import type { Storage } from "./storage.ts";

/** Of a file of the table. Files of earlier loads, or of others, may lack columns of the order. */
export async function fileKeys(
  context: IcebergContext,
  storage: Storage,
  file: Pick<DataFile, "path" | "rows" | "bytes">,
  of: KeyedColumns,
  signal: AbortSignal,
): Promise<PackedKeys> {
  return await context.caches.keys.get(file.path, () =>
    packed(context, storage.range(file.path, file.bytes, signal), file.path, file.rows, of, signal),
  );
}

/** Of a staged file. What was read is kept under the path that the file gets. */
export async function stagedKeys(
  context: IcebergContext,
  staged: StagedFile,
  path: string,
  of: KeyedColumns,
  signal: AbortSignal,
): Promise<KeyPrefixes> {
  await using handle = await open(staged.path, "r");
  const range = localFile(handle, staged.bytes);
  const prefixes = new KeyPrefixes(prunedBy(of), staged.rows);
  context.caches.keys.set(path, await packed(context, range, path, staged.rows, of, signal, prefixes));
  return prefixes;
}

async function packed(
  { tableName }: IcebergContext,
  range: RangeReader,
  path: string,
  rows: number,
  of: KeyedColumns,
  signal: AbortSignal,
  prefixes?: KeyPrefixes,
): Promise<PackedKeys> {
  try {
    const file = keepFooter(range);
    const shape = shapeOf(of, await columnNames(file));
    const keys = readKeys({ ...file, format: "parquet", name: path, shape });
    return await packKeys(prefixes?.tap(keys) ?? keys, rows);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ReplayportError) throw error;
    throw unreadable(tableName, path, error);
  }
}

/** @throws Error if the file lacks a column of the key */
export function shapeOf(
  { columns, key }: KeyedColumns,
  there: ReadonlySet<string>,
  more: readonly string[] = [],
): KeyShape {
  const known = columns.filter(({ name }) => there.has(name));
  const shape = keyShape(known, key, more);
  if (shape) return shape;
  throw new Error(
    `it lacks a column of the key: ${key.join(", ")} (the order of reads needs ${READING_ORDER.join(", ")})`,
  );
}

function unreadable(tableName: string, path: string, error: unknown): ReplayportError {
  const [code, hint] =
    error instanceof LongVersion
      ? ["iceberg.long_version", "Make the texts of `_version` at most 32 bytes long, in your SELECT."]
      : ["iceberg.unreadable_file", "The file is broken, or something else wrote it with other columns."];
  return new ReplayportError(`${tableName}: can't read the keys of ${path}: ${messageOf(error)}`, {
    ...giveUp(code, hint),
    cause: error,
  });
}
