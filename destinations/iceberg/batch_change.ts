/** What a batch changes of a table. */
import pLimit from "p-limit";
import { ReplayportError, retry } from "../../src/errors.ts";
import type { Batch, Receipt } from "../destination.ts";
import { describeBatch } from "../races.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { currentSchema } from "../table_format/metadata.ts";
import { fieldIds, grownSchema, type IcebergSchema } from "../table_format/schema.ts";
import type { Change } from "./change.ts";
import type { Basis } from "./commit.ts";
import type { IcebergContext } from "./context.ts";
import { DeadRows } from "./dead_rows.ts";
import { computeDelta } from "./delta.ts";
import { goneChange, goneFiles, type GoneRow, goneRowsAt } from "./gone_rows.ts";
import { withReceipt } from "./ledger.ts";
import { candidates, type KeyPrefixes } from "./pruning.ts";
import { fileKeys } from "./row_keys.ts";
import { deadRows, type TableState } from "./snapshot.ts";
import { missingColumns } from "./tables.ts";

const PARALLEL_READS = 8;

/** A file of the batch in the table's storage. */
export interface Uploaded {
  readonly file: DataFile;
  /** Rows that leave none in the table: of sessions that were deleted, or no longer match. */
  readonly gone: DeadRows | undefined;
  readonly prefixes: KeyPrefixes;
}

export interface UploadedBatch {
  readonly batch: Batch;
  readonly files: readonly Uploaded[];
  /** The table's id, and the schema that its field ids are from. */
  readonly uuid: string;
  readonly schema: IcebergSchema;
  readonly receipt: (committedAt: Date) => Receipt;
}

export async function batchChange(
  context: IcebergContext,
  { batch, files, uuid, schema, receipt }: UploadedBatch,
  { state, ledger }: Basis,
  signal: AbortSignal,
): Promise<Change> {
  const { storage } = state;
  const columns = missingColumns(context, state.loaded, batch);
  if (state.metadata.uuid !== uuid || !sameIds(schema, schemaAfter(state, columns), batch)) throw changed(batch);
  const keysOf = (file: DataFile) => ({ rows: file.rows, keys: () => fileKeys(context, storage, file, batch, signal) });
  const chosen = candidates(
    batch,
    files.map(({ prefixes }) => prefixes),
    state,
  );
  const live = await pLimit(PARALLEL_READS).map(chosen, async (one) => ({
    ...keysOf(one.entry.file),
    dead: await deadRows(context, state, one, signal),
  }));
  const delta = await computeDelta({
    batch: files.map(({ file, gone }) => ({ ...keysOf(file), gone })),
    live,
    gone: goneFiles(context, storage, ledger.gone, batch, signal),
  });
  const killed = new Map<string, DeadRows>();
  for (const [at, one] of chosen.entries()) {
    const dead = delta.live[at];
    if (dead) killed.set(one.entry.file.path, dead);
  }
  const gone: GoneRow[] = [];
  for (const [at, { file }] of files.entries()) {
    const positions = delta.gone[at] ?? new DeadRows(0);
    gone.push(...(await goneRowsAt(storage.range(file.path, file.bytes, signal), batch, positions)));
  }
  return {
    added: files.map(({ file }, at) => ({ file, dead: delta.own[at] ?? new DeadRows(file.rows) })),
    killed,
    columns,
    properties: {},
    gone: await goneChange(storage, ledger.gone, gone, batch, signal),
    ledger: (committedAt) => withReceipt(ledger, receipt(committedAt)),
  };
}

/** The schema that the table has with these columns. */
export function schemaAfter({ metadata }: Pick<TableState, "metadata">, columns: Change["columns"]): IcebergSchema {
  const schema = currentSchema(metadata);
  return columns.length === 0 ? schema : grownSchema(schema, columns, metadata.lastColumnId).schema;
}

/** Whether the uploaded files' field ids mean the same columns. */
function sameIds(one: IcebergSchema, other: IcebergSchema, { columns }: Batch): boolean {
  const [ours, theirs] = [fieldIds(one), fieldIds(other)];
  return columns.every(({ name }) => ours.get(name) === theirs.get(name));
}

function changed(batch: Batch): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: the table's columns were changed during the load`,
    retry("iceberg.table_changed", "Nothing is wrong: the next load uses the table's new columns."),
  );
}
