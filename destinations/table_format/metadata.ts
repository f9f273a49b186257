/**
 * The metadata of an Iceberg table, as far as we use them: the catalog writes them, we only read.
 * https://iceberg.apache.org/spec/#table-metadata-fields
 */
import { z } from "zod";
import { type IcebergSchema, SCHEMA } from "./schema_json.ts";
import { unreadable } from "./unreadable.ts";

/** Others' snapshot ids have 63 bits. */
const SNAPSHOT_ID = z.union([z.int(), z.bigint()]).transform(BigInt);
/** Some writers say -1 for "none". */
const OPTIONAL_ID = SNAPSHOT_ID.nullish().transform((id) => (id === null || id === -1n ? undefined : id));

const SNAPSHOT = z
  .object({
    "snapshot-id": SNAPSHOT_ID,
    "parent-snapshot-id": OPTIONAL_ID,
    "sequence-number": z.int().default(0),
    "timestamp-ms": z.int(),
    // Version 1 could list the manifests instead.
    "manifest-list": z.string().default(""),
    summary: z.record(z.string(), z.string()).default({}),
    "schema-id": z.int().optional(),
    "key-id": z.string().nullish(),
  })
  .transform((one) => ({
    id: one["snapshot-id"],
    parentId: one["parent-snapshot-id"],
    sequenceNumber: one["sequence-number"],
    timestampMs: one["timestamp-ms"],
    manifestList: one["manifest-list"],
    summary: one.summary,
    schemaId: one["schema-id"],
    encrypted: typeof one["key-id"] === "string",
  }));
export type Snapshot = Readonly<z.output<typeof SNAPSHOT>>;

const REF = z
  .looseObject({
    "snapshot-id": SNAPSHOT_ID,
    type: z.enum(["branch", "tag"]),
    "min-snapshots-to-keep": z.int().nullish(),
    "max-snapshot-age-ms": z.int().nullish(),
  })
  .transform(({ "snapshot-id": snapshotId, type, ...settings }) => ({
    snapshotId,
    type,
    minSnapshots: settings["min-snapshots-to-keep"] ?? undefined,
    maxSnapshotAgeMs: settings["max-snapshot-age-ms"] ?? undefined,
    /** All that it has besides, such as how long it's kept, as it came: setting the ref again has to repeat it. */
    settings: settings as Readonly<Record<string, unknown>>,
  }));

const METADATA = z
  .object({
    "format-version": z.int(),
    "table-uuid": z.string(),
    location: z.string(),
    "last-sequence-number": z.int().default(0),
    "last-updated-ms": z.int(),
    "last-column-id": z.int(),
    schemas: z.array(SCHEMA).default([]),
    "current-schema-id": z.int().default(0),
    "partition-specs": z
      .array(z.object({ "spec-id": z.int(), fields: z.array(z.unknown()) }))
      .transform((specs) => specs.map((spec) => ({ id: spec["spec-id"], fields: spec.fields })))
      .default([]),
    "default-spec-id": z.int().default(0),
    "sort-orders": z
      .array(z.object({ "order-id": z.int(), fields: z.array(z.unknown()) }))
      .transform((orders) => orders.map((order) => ({ id: order["order-id"], fields: order.fields })))
      .default([]),
    "default-sort-order-id": z.int().default(0),
    properties: z.record(z.string(), z.string()).default({}),
    "current-snapshot-id": OPTIONAL_ID,
    snapshots: z.array(SNAPSHOT).default([]),
    "snapshot-log": z
      .array(z.object({ "snapshot-id": SNAPSHOT_ID, "timestamp-ms": z.int() }))
      .transform((log) => log.map((one) => ({ id: one["snapshot-id"], timestampMs: one["timestamp-ms"] })))
      .default([]),
    refs: z.record(z.string(), REF).default({}),
    "encryption-keys": z.array(z.unknown()).nullish(),
  })
  .transform((one) => ({
    formatVersion: one["format-version"],
    uuid: one["table-uuid"],
    location: one.location,
    lastSequenceNumber: one["last-sequence-number"],
    lastUpdatedMs: one["last-updated-ms"],
    lastColumnId: one["last-column-id"],
    schemas: one.schemas as readonly IcebergSchema[],
    currentSchemaId: one["current-schema-id"],
    specs: one["partition-specs"],
    defaultSpecId: one["default-spec-id"],
    sortOrders: one["sort-orders"],
    defaultSortOrderId: one["default-sort-order-id"],
    properties: one.properties,
    currentSnapshotId: one["current-snapshot-id"],
    snapshots: one.snapshots,
    snapshotLog: one["snapshot-log"],
    refs: one.refs,
    encrypted: (one["encryption-keys"] ?? []).length > 0,
  }));
export type TableMetadata = Readonly<z.output<typeof METADATA>>;

/** @param json as `parseJson` gives it. @throws ReplayportError `iceberg.unreadable` */
export function readTableMetadata(json: unknown): TableMetadata {
  const { success, data, error } = METADATA.safeParse(json);
  if (!success) throw unreadable("the table's metadata", z.prettifyError(error), error);
  return data;
}

export function currentSnapshot(metadata: TableMetadata): Snapshot | undefined {
  return snapshotOf(metadata, metadata.currentSnapshotId);
}

export function snapshotOf(metadata: TableMetadata, id: bigint | undefined): Snapshot | undefined {
  return metadata.snapshots.find((one) => one.id === id);
}

/** @throws ReplayportError `iceberg.unreadable` if the table names a schema that it doesn't have */
export function currentSchema(metadata: TableMetadata): IcebergSchema {
  const schema = metadata.schemas.find((one) => one.id === metadata.currentSchemaId);
  if (!schema) throw unreadable("the table's metadata", `it has no schema ${metadata.currentSchemaId}`);
  return schema;
}

/** The snapshot and those before it, newest first, as far back as they haven't expired. */
export function ancestors(metadata: TableMetadata, id = metadata.currentSnapshotId): readonly Snapshot[] {
  const byId = new Map(metadata.snapshots.map((one) => [one.id, one]));
  const found = new Set<Snapshot>();
  for (let next = id; next !== undefined;) {
    const snapshot = byId.get(next);
    if (!snapshot || found.has(snapshot)) break;
    found.add(snapshot);
    next = snapshot.parentId;
  }
  return [...found];
}
