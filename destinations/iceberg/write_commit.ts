/**
 * Writes the files of one try to commit, and its request. All of them are new and nothing refers to them before the commit, so
 * a try that loses removes them and changes nothing.
 */
import { randomBytes } from "node:crypto";
import pLimit from "p-limit";
import { commitBody, type TableCommit } from "../catalog/catalog.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { writeManifestList } from "../table_format/manifest_list.ts";
import { ancestors, currentSchema, type Snapshot } from "../table_format/metadata.ts";
import { writePositionDeletes } from "../table_format/position_deletes.ts";
import { grownSchema, type IcebergSchema, schemaJson } from "../table_format/schema.ts";
import type { Change } from "./change.ts";
import type { IcebergContext } from "./context.ts";
import type { DeadRows } from "./dead_rows.ts";
import { expiredSnapshots } from "./expiry.ts";
import { encodeGone } from "./gone_rows.ts";
import { EMPTY_LEDGER, encodeLedger } from "./ledger_file.ts";
import { ledgerParts } from "./ledger_parts.ts";
import { nextManifests } from "./manifests.ts";
import { PROPERTIES, type TryNames } from "./names.ts";
import type { TableState } from "./snapshot.ts";
import { operationOf, summaryOf } from "./summary.ts";
import { mappingProperty } from "./table_settings.ts";

const PARALLEL_WRITES = 8;

export interface CommitTry {
  readonly snapshotId: bigint;
  readonly committedAt: Date;
  /** The request, to be sent as it is, as often as it takes. */
  readonly body: string;
  /** What was written for it. */
  readonly files: readonly string[];
  readonly expired: readonly Snapshot[];
}

/** @param files gets each path before it's written, so that the caller can clean up after a rejection */
export async function writeCommit(
  context: IcebergContext,
  state: TableState,
  change: Change,
  names: TryNames,
  files: string[],
  signal: AbortSignal,
): Promise<CommitTry> {
  const { metadata, storage } = state;
  const snapshotId = newSnapshotId(state);
  const sequenceNumber = metadata.lastSequenceNumber + 1;
  const committedAt = commitTime(context, state, change);
  // None refers to another one that has to be there first.
  const limit = pLimit(PARALLEL_WRITES);
  const writes: Promise<void>[] = [];
  const write = (path: string, content: string | Uint8Array): void => {
    files.push(path);
    const one = limit(() => storage.create(path, content, committedAt, signal));
    // Handled here too, in case it fails before all are waited for.
    one.catch(() => undefined);
    writes.push(one);
  };

  // 1. One delete file for each data file with dead rows; it takes the place of those that there are.
  const deletes: DataFile[] = [];
  const writeDeletes = (path: string, dead: DeadRows): void => {
    const at = names.deletes(deletes.length);
    const { bytes, describe } = writePositionDeletes(path, Uint32Array.from(dead));
    write(at, bytes);
    deletes.push(describe(at));
  };
  const added = change.added.filter(({ file, dead }) => dead.count < file.rows);
  for (const { file, dead } of added) if (dead.count > 0) writeDeletes(file.path, dead);
  const dropped = new Set<string>(change.replaced);
  for (const { entry } of state.data) {
    const dead = change.killed.get(entry.file.path);
    if (dead?.count === entry.file.rows) dropped.add(entry.file.path);
    else if (dead) writeDeletes(entry.file.path, dead);
  }
  const isTouched = (path: string): boolean => dropped.has(path) || change.killed.has(path);
  const removed = new Set(
    state.data.flatMap((one) => (isTouched(one.entry.file.path) ? one.deletes.map(({ file }) => file.path) : [])),
  );

  // 2. Manifests and their list.
  const { schema, lastColumnId } = schemaAfter(state, change);
  const changes = { added, dropped, deletes, removed };
  const manifests = [];
  for (const next of nextManifests(state, changes, schema, snapshotId)) {
    if ("kept" in next) manifests.push(next.kept);
    else {
      const path = names.manifest(manifests.length);
      write(path, next.written.bytes);
      manifests.push(next.written.describe(path, sequenceNumber));
    }
  }
  const parentId = state.snapshot?.id;
  write(names.list, writeManifestList({ snapshotId, parentId, sequenceNumber, manifests }));

  // 3. The ledger.
  const { gone, base: before, receipts, ...ledger } = change.ledger(committedAt);
  const stays = gone.filter(({ path }) => change.gone?.replaces.has(path) !== true);
  if (change.gone) {
    write(names.gone, encodeGone(change.gone.rows));
    stays.push({ path: names.gone, rows: change.gone.rows.length });
  }
  const { base, isNewBase, tail } = ledgerParts(receipts, before, committedAt);
  const of = { snapshotId, sequenceNumber };
  if (isNewBase) write(names.base, encodeLedger(context.export, { ...EMPTY_LEDGER, ...of, receipts }));
  const parts = { base: isNewBase ? { path: names.base, at: committedAt } : base, receipts: tail };
  write(names.ledger, encodeLedger(context.export, { ...ledger, ...of, ...parts, gone: stays }));

  // All have ended when this rejects, so the caller can remove them.
  const ended = await Promise.allSettled(writes);
  for (const one of ended) if (one.status === "rejected") throw one.reason;

  // 4. The request.
  const expired = expiredSnapshots(metadata, committedAt, context.keepSnapshotsMs);
  const properties = {
    ...change.properties,
    [PROPERTIES.export]: context.export,
    [PROPERTIES.ledger]: names.ledger,
    // The ids are the catalog's: it may have given others than those that the table was created with.
    ...mappingProperty(metadata, schema),
  };
  const snapshot = {
    "snapshot-id": snapshotId,
    ...(parentId === undefined ? {} : { "parent-snapshot-id": parentId }),
    "sequence-number": sequenceNumber,
    "timestamp-ms": committedAt.getTime(),
    "manifest-list": names.list,
    "schema-id": schema.id,
    summary: {
      operation: operationOf(changes, change.replaced !== undefined),
      ...summaryOf(state, changes),
      [PROPERTIES.ledger]: names.ledger,
      "replayport.version": context.version,
    },
  };
  const commit: TableCommit = {
    requirements: [
      { type: "assert-table-uuid", uuid: metadata.uuid },
      // Also for a table without a snapshot: otherwise two first commits could both succeed.
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": parentId ?? null },
      ...(change.columns.length === 0
        ? []
        : [
            { type: "assert-current-schema-id", "current-schema-id": metadata.currentSchemaId },
            { type: "assert-last-assigned-field-id", "last-assigned-field-id": metadata.lastColumnId },
          ]),
    ],
    updates: [
      ...(change.columns.length === 0
        ? []
        : [
            { action: "add-schema", schema: schemaJson(schema), "last-column-id": lastColumnId },
            { action: "set-current-schema", "schema-id": -1 },
          ]),
      { action: "set-properties", updates: properties },
      { action: "add-snapshot", snapshot },
      {
        action: "set-snapshot-ref",
        "ref-name": "main",
        ...metadata.refs["main"]?.settings,
        type: "branch",
        "snapshot-id": snapshotId,
      },
      ...(expired.length === 0 ? [] : [{ action: "remove-snapshots", "snapshot-ids": expired.map(({ id }) => id) }]),
    ],
  };
  return { snapshotId, committedAt, body: commitBody(context.table, commit), files, expired };
}

/** 52 bits: JSON readers that round integers get it right. Not one that the table has. */
function newSnapshotId({ metadata }: TableState): bigint {
  for (;;) {
    const id = randomBytes(8).readBigUInt64BE() >> 12n;
    if (id > 0n && !metadata.snapshots.some((one) => one.id === id)) return id;
  }
}

/** Later than all that is in the table: its times must not go back, and receipts are ordered by it. */
function commitTime({ now }: IcebergContext, { metadata }: TableState, change: Change): Date {
  const latest = Math.max(
    metadata.lastUpdatedMs,
    ...ancestors(metadata).map(({ timestampMs }) => timestampMs),
    change.ledger(new Date(0)).receipts.reduce((last, one) => Math.max(last, one.committedAt.getTime()), 0),
  );
  return new Date(Math.max(now().getTime(), latest + 1));
}

function schemaAfter(
  { metadata }: TableState,
  { columns }: Change,
): { readonly schema: IcebergSchema; readonly lastColumnId: number } {
  const schema = currentSchema(metadata);
  if (columns.length === 0) return { schema, lastColumnId: metadata.lastColumnId };
  const grown = grownSchema(schema, columns, metadata.lastColumnId);
  return { ...grown, schema: { ...grown.schema, id: Math.max(...metadata.schemas.map(({ id }) => id)) + 1 } };
}
