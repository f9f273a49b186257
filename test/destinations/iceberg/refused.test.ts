/** Tables of others, or that others have changed, that a load couldn't keep right: refused before anything is written. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AvroRecord } from "../../../destinations/avro/schema.ts";
import { type AvroValue, readAvro } from "../../../destinations/avro/read.ts";
import { writeAvro } from "../../../destinations/avro/write.ts";
import { parseJson, printJson } from "../../../destinations/table_format/json.ts";
import { type DataFile, writeManifest } from "../../../destinations/table_format/manifest.ts";
import { writeManifestList } from "../../../destinations/table_format/manifest_list.ts";
import { currentSchema, readTableMetadata } from "../../../destinations/table_format/metadata.ts";
import { openBatches, SIGNAL } from "./fixture.ts";
import { type Json, MemoryLake } from "./memory.ts";

const UNSUPPORTED = "iceberg.unsupported_table";
const ROOT = "s3://lake/";

interface Refused {
  readonly message: RegExp;
  /** Default: unsupported. */
  readonly code?: string;
  /** Default: `check`, `checkRows` and `load`. What depends on the export's columns, `check` can't know. */
  readonly by?: "rows";
  /** What somebody has done to the table. */
  readonly change: (table: Json, lake: MemoryLake) => void;
}

const properties = (more: Json) => (table: Json) => void Object.assign(table["properties"] as Json, more);
const set = (more: Json) => (table: Json) => void Object.assign(table, more);
const fields = (table: Json): Json[] => (table["schemas"] as Json[]).at(-1)?.["fields"] as Json[];
const field = (name: string, more: Json) => (table: Json) =>
  void Object.assign(fields(table).find((one) => one["name"] === name) ?? {}, more);

/** A snapshot with a file, as an engine would commit it. */
const adds =
  (file: Partial<DataFile>, of: { readonly specId?: number; readonly entry?: object; readonly listed?: object } = {}) =>
  (table: Json, lake: MemoryLake): void => {
    const metadata = readTableMetadata(parseJson(printJson(table)));
    const [snapshotId, sequenceNumber] = [77n, metadata.lastSequenceNumber + 1];
    const whole: DataFile = { content: "data", path: `${ROOT}t/data/x`, format: "PARQUET", rows: 1, bytes: 9, ...file };
    const content = whole.content === "data" ? "data" : "deletes";
    const entries = [{ status: "added", file: whole } as const];
    const schema = currentSchema(metadata);
    const manifest = writeManifest({ content, schema, specId: of.specId ?? 0, snapshotId, entries });
    const [path, list] = [`${ROOT}t/metadata/theirs.avro`, `${ROOT}t/metadata/their-list.avro`];
    const put = (at: string, bytes: Uint8Array): void => {
      lake.files.set(at.slice(ROOT.length), { bytes, modified: new Date() });
    };
    const parentId = metadata.currentSnapshotId;
    const manifests = [manifest.describe(path, sequenceNumber)];
    put(path, of.entry ? extended(manifest.bytes, of.entry, "data_file") : manifest.bytes);
    const listed = writeManifestList({ snapshotId, parentId, sequenceNumber, manifests });
    put(list, of.listed ? extended(listed, of.listed) : listed);
    const snapshot = { "snapshot-id": 77, "sequence-number": sequenceNumber, "timestamp-ms": 5, "manifest-list": list };
    (table["snapshots"] as Json[]).push({ ...snapshot, "parent-snapshot-id": parentId });
    Object.assign(table, { "current-snapshot-id": 77, refs: { main: { type: "branch", "snapshot-id": 77 } } });
  };

/** The same Avro file, whose records have one more field, or one of their records has. */
function extended(bytes: Uint8Array, more: object, within?: string): Uint8Array {
  const { schema, records } = readAvro(bytes);
  const extra = Object.keys(more).map((name, at) => {
    const type = typeof Object.values(more)[at] === "number" ? "long" : "bytes";
    return { name, type: ["null", type], "field-id": name === "key_metadata" ? 519 : 5000 + at };
  });
  const widen = (record: AvroRecord): AvroRecord => ({
    ...record,
    fields: [...record.fields.filter(({ name }) => !(name in more)), ...extra],
  });
  const { fields: all, ...root } = schema as AvroRecord;
  const whole = within
    ? {
        ...root,
        fields: all.map((one) => (one.name === within ? { ...one, type: widen(one.type as AvroRecord) } : one)),
      }
    : widen({ ...root, fields: all });
  const put = (record: AvroValue): AvroValue => {
    const values = record as Record<string, AvroValue>;
    return within ? { ...values, [within]: { ...(values[within] as object), ...more } } : { ...values, ...more };
  };
  return writeAvro({ schema: whole, records: records.map(put) });
}

const PARTITIONED = {
  "spec-id": 1,
  fields: [{ "source-id": 1, "field-id": 1000, name: "team", transform: "identity" }],
};
const SORTED = {
  "order-id": 1,
  fields: [{ "source-id": 1, transform: "identity", direction: "asc", "null-order": "nulls-first" }],
};

const CASES: Readonly<Record<string, Refused>> = {
  "of format version 1": { message: /format version 1/, change: set({ "format-version": 1 }) },
  "of format version 3": { message: /format version 3/, change: set({ "format-version": 3, "next-row-id": 0 }) },
  "that is partitioned": {
    message: /it's partitioned/,
    change: set({ "partition-specs": [{ "spec-id": 0, fields: [] }, PARTITIONED], "default-spec-id": 1 }),
  },
  "whose partitions were dropped by a void transform": {
    message: /it's partitioned/,
    change: set({ "partition-specs": [{ "spec-id": 0, fields: [{ ...PARTITIONED.fields[0], transform: "void" }] }] }),
  },
  "with files of an old partition spec": {
    message: /another partition spec/,
    change(table, lake) {
      set({ "partition-specs": [{ "spec-id": 0, fields: [] }, PARTITIONED] })(table);
      adds({}, { specId: 1 })(table, lake);
    },
  },
  "that lacks its partition spec": { message: /no partition spec 7/, change: set({ "default-spec-id": 7 }) },
  "with a sort order": {
    message: /sort order/,
    change: set({ "sort-orders": [{ "order-id": 0, fields: [] }, SORTED], "default-sort-order-id": 1 }),
  },
  "that lacks its sort order": { message: /no sort order 7/, change: set({ "default-sort-order-id": 7 }) },
  "with encryption keys": { message: /encrypted/, change: set({ "encryption-keys": [{ "key-id": "k" }] }) },
  "with an encrypted snapshot": {
    message: /encrypted/,
    change: (table) => void Object.assign((table["snapshots"] as Json[])[0] ?? {}, { "key-id": "k" }),
  },
  "that asks for encryption": { message: /encryption\.key-id/, change: properties({ "encryption.key-id": "k" }) },
  "with equality deletes": {
    message: /equality deletes/,
    change: adds({ content: "equality-deletes", equalityIds: [1, 2] }),
  },
  "with deletion vectors": {
    message: /deletion vectors/,
    change: adds({ content: "position-deletes", format: "PUFFIN" }),
  },
  "with files of another format": { message: /format ORC/, change: adds({ format: "ORC" }) },
  "with encrypted files": { message: /encrypted/, change: adds({ keyMetadata: Uint8Array.of(1) }) },
  "with an encrypted manifest": {
    message: /encrypted/,
    change: adds({}, { listed: { key_metadata: Uint8Array.of(1) } }),
  },
  "whose files have an unknown field": { message: /first_row_id/, change: adds({}, { entry: { first_row_id: 5 } }) },
  "whose manifests have an unknown field": { message: /new_thing/, change: adds({}, { listed: { new_thing: 5 } }) },
  "whose data goes elsewhere": {
    message: /write\.data\.path sends files to s3:\/\/other\/data/,
    change: properties({ "write.data.path": "s3://other/data" }),
  },
  "whose metadata goes elsewhere": {
    message: /write\.metadata\.path/,
    change: properties({ "write.metadata.path": "s3://other/metadata" }),
  },
  "that chooses the names of files": {
    message: /location-provider/,
    change: properties({ "write.location-provider.impl": "com.acme.Paths" }),
  },
  "whose current snapshot isn't there": {
    message: /lacks its current snapshot/,
    change: set({ "current-snapshot-id": 5 }),
  },
  "whose main branch is elsewhere": {
    message: /`main` isn't its current snapshot/,
    change: set({ refs: { main: { type: "branch", "snapshot-id": 5 } } }),
  },
  "that doesn't know its last column": { message: /is the last/, change: set({ "last-column-id": 2 }) },
  "that isn't on S3": { code: "iceberg.storage", message: /gs:/, change: set({ location: "gs://lake/t" }) },
  "that is a view": {
    code: "iceberg.is_view",
    message: /is a view/,
    change: (_table, lake) => void (lake.isView = true),
  },
  "of another installation": {
    code: "iceberg.foreign_owner",
    message: /belongs to another installation, there/,
    change: properties({ "replayport.installation": "there" }),
  },
  "of another export": {
    code: "iceberg.other_export",
    message: /belongs to the export other/,
    change: properties({ "replayport.export": "other" }),
  },
  "with another key": {
    by: "rows",
    code: "iceberg.other_key",
    message: /one row of each team_id;/,
    change: (table) => void Object.assign((table["schemas"] as Json[]).at(-1) ?? {}, { "identifier-field-ids": [1] }),
  },
  "with a required column that the export lacks": {
    by: "rows",
    code: "iceberg.type_clash",
    message: /extra: the table has long required/,
    change: (table) => void fields(table).push({ id: 11, name: "extra", required: true, type: "long" }),
  },
  "with a required column that may be NULL": {
    by: "rows",
    code: "iceberg.type_clash",
    message: /value: the table has long required/,
    change: field("value", { required: true }),
  },
  "with a column of another type": {
    by: "rows",
    code: "iceberg.type_clash",
    message: /value: the table has value string/,
    change: field("value", { type: "string" }),
  },
};

suite("an Iceberg table that a load couldn't keep right", () => {
  for (const [what, { message, change, by, code = UNSUPPORTED }] of Object.entries(CASES)) {
    test(`a table ${what} is refused, and nothing is written`, async () => {
      await using batches = await openBatches();
      const lake = new MemoryLake();
      {
        await using before = lake.open({}, { installation: "here" });
        await before.load(await batches.batch(0, [[["a", 1]]]), SIGNAL);
      }
      assert.ok(lake.table);
      change(lake.table, lake);
      const [files, commits] = [[...lake.files.keys()], lake.commits.length];
      // Another process, which has read nothing yet.
      await using destination = lake.open({}, { installation: "here" });
      const batch = await batches.batch(1, [[["a", 2]]]);
      const refused = { code, message, remedy: "give-up", hint: /./ };
      await assert.rejects(destination.load(batch, SIGNAL), refused);
      if (what !== "that is a view")
        await assert.rejects(async () => await destination.checkRows?.(batch, SIGNAL), refused);
      if (by !== "rows") await assert.rejects(destination.check(SIGNAL), refused);
      assert.deepEqual([...lake.files.keys()], files);
      assert.equal(lake.commits.length, commits);
    });
  }
});
