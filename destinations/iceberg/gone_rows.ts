/**
 * Rows that leave none in the table: of sessions that were deleted, where the destination leaves those out, and of sessions that
 * no longer match the export's `where`. Their keys and places are kept in files that the ledger names; otherwise a source that
 * has forgotten the deletion, or an older read that comes late, would bring the session back.
 *
 * Deletions are kept for ever, sessions that no longer match while a read may be under way.
 */
import { open } from "node:fs/promises";
import { z } from "zod";
import { messageOf } from "../../src/errors.ts";
import type { ColumnType } from "../../src/models/column.ts";
import { DELETED_COLUMN, MATCHES, tellsDeleted } from "../../src/models/deletion.ts";
import { EXPORTED_AT_COLUMN } from "../../src/models/reading_order.ts";
import type { Batch, StagedFile } from "../destination.ts";
import { type KeyValue, type KeyValues, valueAt } from "../keys/encode.ts";
import { readKeys } from "../keys/key_file.ts";
import { packKeys } from "../keys/packed_keys.ts";
import { columnNames, parquetColumns } from "../parquet/columns.ts";
import { localFile } from "../parquet/local_file.ts";
import { keepFooter } from "../parquet/range_reader.ts";
import { unreadable } from "../table_format/unreadable.ts";
import type { IcebergContext } from "./context.ts";
import { DeadRows } from "./dead_rows.ts";
import type { KeyedFile } from "./delta.ts";
import type { GoneFile } from "./ledger_file.ts";
import { readJsonFile, writeJsonFile } from "./json_file.ts";
import { shapeOf } from "./row_keys.ts";
import type { Storage } from "./storage.ts";

/** More are merged into one. */
const MOST_FILES = 16;
/** How long a session that no longer matches is kept: a read takes less. */
const READ_MS = 2 * 86_400_000;

/** A row as text; null is NULL. */
export interface GoneRow {
  /** By name: the columns of the key and of the order. */
  readonly values: Readonly<Record<string, string | null>>;
  /** False: its session no longer matches. */
  readonly deleted: boolean;
}

export interface GoneChange {
  /** For a new file. */
  readonly rows: readonly GoneRow[];
  /** The files that it takes the place of. */
  readonly replaces: ReadonlySet<string>;
}

const FILE = z.array(z.object({ values: z.record(z.string(), z.string().nullable()), deleted: z.boolean() }));

/** Which rows of a staged file leave none. Undefined for none. */
export async function goneOf(
  { onDelete }: IcebergContext,
  { columns }: Pick<Batch, "columns">,
  staged: Pick<StagedFile, "path" | "bytes" | "rows">,
): Promise<DeadRows | undefined> {
  const asked = [
    ...(onDelete === "delete" && tellsDeleted(columns) ? [{ name: DELETED_COLUMN, gone: true }] : []),
    ...(columns.some(({ name }) => name === MATCHES.name) ? [{ name: MATCHES.name, gone: false }] : []),
  ];
  if (asked.length === 0) return undefined;
  await using handle = await open(staged.path, "r");
  const gone = new DeadRows(staged.rows);
  let from = 0;
  const names = asked.map(({ name }) => name);
  for await (const values of parquetColumns(localFile(handle, staged.bytes), names)) {
    const rows = values[0]?.length ?? 0;
    for (let row = 0; row < rows; row += 1) {
      if (asked.some((one, at) => values[at]?.[row] === one.gone)) gone.add(from + row);
    }
    from += rows;
  }
  return gone.count === 0 ? undefined : gone;
}

/** The rows at these positions of a file. */
export async function goneRowsAt(
  file: Parameters<typeof keepFooter>[0],
  of: Pick<Batch, "columns" | "key">,
  positions: DeadRows,
): Promise<GoneRow[]> {
  if (positions.count === 0) return [];
  const range = keepFooter(file);
  const shape = shapeOf(of, await columnNames(range), [DELETED_COLUMN]);
  const names = [...shape.key, ...shape.order].map((column) => column?.name);
  const found: GoneRow[] = [];
  let from = 0;
  for await (const { key, order, more, rows } of readKeys({ ...range, format: "parquet", name: ".parquet", shape })) {
    for (let row = 0; row < rows; row += 1) {
      if (!positions.has(from + row)) continue;
      const values = [...key, ...order].flatMap((column, at) => {
        const name = names[at];
        return name === undefined ? [] : [[name, textOf(valueAt(column, row))] as const];
      });
      found.push({ values: Object.fromEntries(values), deleted: valueAt(more?.[0], row) === true });
    }
    from += rows;
  }
  return found;
}

/** What the ledger names, as files that a delta compares. */
export function goneFiles(
  context: IcebergContext,
  storage: Storage,
  files: readonly GoneFile[],
  of: Pick<Batch, "columns" | "key">,
  signal: AbortSignal,
): KeyedFile[] {
  const keys = async (file: GoneFile) =>
    await context.caches.keys.get(file.path, async () =>
      packKeys(asKeyRows(await readGone(storage, file, signal), of), file.rows),
    );
  return files.map((file) => ({ rows: file.rows, keys: () => keys(file) }));
}

export async function readGone(storage: Storage, { path }: GoneFile, signal: AbortSignal): Promise<readonly GoneRow[]> {
  const bytes = await storage.read(path, signal);
  try {
    return FILE.parse(readJsonFile(bytes));
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
}

export function encodeGone(rows: readonly GoneRow[]): Uint8Array {
  return writeJsonFile(rows);
}

/** Merges the files when there are many. Undefined if nothing changes. */
export async function goneChange(
  storage: Storage,
  files: readonly GoneFile[],
  rows: readonly GoneRow[],
  { key, readAt }: Pick<Batch, "key" | "readAt">,
  signal: AbortSignal,
): Promise<GoneChange | undefined> {
  if (rows.length === 0) return undefined;
  if (files.length < MOST_FILES) return { rows, replaces: new Set() };
  const earliest = BigInt(readAt.getTime() - READ_MS) * 1000n;
  const latest = new Map<string, GoneRow>();
  for (const file of files) {
    for (const row of await readGone(storage, file, signal)) {
      const exported = row.values[EXPORTED_AT_COLUMN] ?? null;
      if (!row.deleted && exported !== null && BigInt(exported) < earliest) continue;
      latest.set(JSON.stringify([...key.map((name) => row.values[name]), row.deleted]), row);
    }
  }
  // A row that came later was higher than what was there: a lower one isn't gone, but dead.
  for (const row of rows) latest.set(JSON.stringify([...key.map((name) => row.values[name]), row.deleted]), row);
  return { rows: [...latest.values()], replaces: new Set(files.map(({ path }) => path)) };
}

async function* asKeyRows(rows: readonly GoneRow[], of: Pick<Batch, "columns" | "key">) {
  const there = new Set(rows.flatMap(({ values }) => Object.keys(values)));
  if (rows.length === 0) return;
  const { key, order } = shapeOf(of, there);
  const column = ({ name, type }: { readonly name: string; readonly type: ColumnType }): KeyValues => ({
    kind: "values",
    values: rows.map(({ values }) => valueOf(values[name] ?? null, type)),
  });
  yield { key: key.map(column), order: order.map((one) => one && column(one)), rows: rows.length };
}

function valueOf(text: string | null, type: ColumnType): KeyValue {
  if (text === null) return null;
  if (type === "string") return Buffer.from(text);
  if (type === "bool") return text === "true";
  return type === "float64" ? Number(text) : BigInt(text);
}

function textOf(value: KeyValue): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.length).toString()
    : String(value);
}
