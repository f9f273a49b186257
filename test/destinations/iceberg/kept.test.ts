/** What others have set on a table stays as it is, and their snapshots and files with it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { readManifest } from "../../../destinations/table_format/manifest.ts";
import { readManifestList } from "../../../destinations/table_format/manifest_list.ts";
import { parseJson, printJson } from "../../../destinations/table_format/json.ts";
import { readTableMetadata } from "../../../destinations/table_format/metadata.ts";
import { column } from "../../support/batches.ts";
import { COLUMNS, openBatches, SIGNAL, type SqlBatches } from "./fixture.ts";
import { type Json, MemoryLake } from "./memory.ts";

const DAY_MS = 86_400_000;
const ROOT = "s3://lake/";

/** Loads that each kill the row of the one before, then one of days later, after `change`. */
async function loadsAndExpiry(batches: SqlBatches, change: (table: Json) => void): Promise<MemoryLake> {
  const lake = new MemoryLake();
  let now = Date.now();
  await using destination = lake.open({ keepSnapshotsMs: DAY_MS }, { now: () => new Date(now) });
  for (let hour = 0; hour < 15; hour += 1)
    await destination.load(await batches.batch(hour, [[["again", hour + 1]]]), SIGNAL);
  assert.ok(lake.table);
  change(lake.table);
  now += 2 * DAY_MS;
  await destination.load(await batches.batch(15, [[["again", 16]]]), SIGNAL);
  return lake;
}

const snapshotIds = ({ snapshots }: MemoryLake): unknown[] => snapshots.map((one) => one["snapshot-id"]);
const idAt = (table: Json, at: number): unknown => (table["snapshots"] as Json[])[at]?.["snapshot-id"];

/** Fails if a snapshot names a file that isn't there. */
function expectFiles({ table, files }: MemoryLake): void {
  const bytes = (path: string): Uint8Array => {
    const found = files.get(path.slice(ROOT.length));
    assert.ok(found, `${path} is gone`);
    return found.bytes;
  };
  for (const { manifestList } of readTableMetadata(parseJson(printJson(table))).snapshots) {
    for (const manifest of readManifestList(bytes(manifestList), manifestList)) {
      for (const { status, file } of readManifest(bytes(manifest.path), manifest))
        if (status !== "deleted") bytes(file.path);
    }
  }
}

/** Text without the names that mean something to us. */
const name = fc.stringMatching(/^[a-z]{1,8}$/).map((text) => `x-${text}`);
const value = fc.oneof(fc.string(), fc.integer(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 62n }), fc.constant(null));
const extras = fc.dictionary(name, value, { maxKeys: 4 });

suite("what others have set on an Iceberg table", () => {
  test("whatever a table has that a load doesn't set is the same after it", async () => {
    await using batches = await openBatches();
    const settings = fc.record(
      {
        "min-snapshots-to-keep": fc.integer({ min: 1, max: 99 }),
        "max-snapshot-age-ms": fc.maxSafeNat(),
        "max-ref-age-ms": fc.maxSafeNat(),
      },
      { requiredKeys: [] },
    );
    const given = {
      table: extras,
      schema: extras,
      field: extras,
      properties: fc.dictionary(name, fc.string()),
      settings,
    };
    const property = fc.asyncProperty(fc.record({ ...given, tag: settings }), async (more) => {
      const lake = new MemoryLake();
      await using destination = lake.open();
      await destination.load(await batches.batch(0, [[["a", 1]]]), SIGNAL);
      const table = lake.table ?? {};
      Object.assign(table, more.table);
      Object.assign(table["properties"] as Json, more.properties);
      const [schema] = table["schemas"] as [Json];
      Object.assign(schema, more.schema);
      Object.assign((schema["fields"] as Json[])[3] ?? {}, more.field);
      const refs = table["refs"] as Record<string, Json>;
      Object.assign(refs["main"] ?? {}, more.settings);
      refs["tagged"] = { type: "tag", "snapshot-id": idAt(table, 0), ...more.tag };
      const before = parseJson(printJson(table)) as Json;
      const wider = [...COLUMNS, column("url", "string", { nullable: true })];
      await destination.load(await batches.batch(1, [[["a", 2]]], wider), SIGNAL);
      const after = parseJson(printJson(lake.table)) as Json;
      for (const key of Object.keys(more.table)) assert.deepEqual(after[key], before[key]);
      for (const key of Object.keys(more.properties))
        assert.deepEqual((after["properties"] as Json)[key], more.properties[key]);
      const [old, grown] = after["schemas"] as [Json, Json];
      assert.deepEqual(old, (before["schemas"] as Json[])[0]);
      const kept = (grown["fields"] as Json[]).slice(0, COLUMNS.length);
      assert.deepEqual({ ...grown, "schema-id": old["schema-id"], fields: kept }, old);
      const [refsBefore, refsAfter] = [before["refs"], after["refs"]] as [Record<string, Json>, Record<string, Json>];
      assert.deepEqual(refsAfter["tagged"], refsBefore["tagged"]);
      assert.deepEqual({ ...refsAfter["main"], "snapshot-id": 0 }, { ...refsBefore["main"], "snapshot-id": 0 });
    });
    await fc.assert(property, { numRuns: 25 });
  });

  test("names that a name mapping has for files of others stay, and new columns come to it", async () => {
    await using batches = await openBatches();
    const lake = new MemoryLake();
    await using destination = lake.open();
    await destination.load(await batches.batch(0, [[["a", 1]]]), SIGNAL);
    const { properties } = lake;
    const mapping = JSON.parse(properties["schema.name-mapping.default"] ?? "[]") as { names: string[] }[];
    mapping[3]?.names.push("an_old_name");
    const theirs = JSON.stringify(mapping, undefined, 2);
    properties["schema.name-mapping.default"] = theirs;
    const now = (): string | undefined => lake.properties["schema.name-mapping.default"];
    await destination.load(await batches.batch(1, [[["a", 2]]]), SIGNAL);
    assert.equal(now(), theirs);
    const wider = [...COLUMNS, column("url", "string", { nullable: true })];
    await destination.load(await batches.batch(2, [[["a", 3]]], wider), SIGNAL);
    const after = JSON.parse(now() ?? "[]") as { names: string[] }[];
    assert.deepEqual(after.slice(0, -1), mapping);
    assert.deepEqual(after.at(-1)?.names, ["url"]);
  });

  test("an unpartitioned table of another spec id gets files of that spec", async () => {
    await using batches = await openBatches();
    const lake = new MemoryLake();
    await using destination = lake.open();
    await destination.records.add("corrections", "one", new Date(), SIGNAL);
    const field = { "source-id": 1, "field-id": 1000, name: "p", transform: "identity" };
    const specs = [
      { "spec-id": 0, fields: [field] },
      { "spec-id": 5, fields: [] },
    ];
    Object.assign(lake.table ?? {}, { "partition-specs": specs, "default-spec-id": 5 });
    await destination.load(await batches.batch(0, [[["a", 1]]]), SIGNAL);
    const list = String(lake.snapshots.at(-1)?.["manifest-list"]);
    const bytes = lake.files.get(list.slice(ROOT.length))?.bytes ?? new Uint8Array();
    assert.deepEqual(
      readManifestList(bytes, list).map(({ specId }) => specId),
      [5],
    );
  });

  test("expiry keeps what a tag or a branch needs, and its files", async () => {
    await using batches = await openBatches();
    const kept: unknown[] = [];
    const lake = await loadsAndExpiry(batches, (table) => {
      kept.push(idAt(table, 1), idAt(table, 3));
      const tagged = { type: "tag", "snapshot-id": kept[0], "max-ref-age-ms": 1 };
      Object.assign(table["refs"] as Json, { tagged, other: { type: "branch", "snapshot-id": kept[1] } });
    });
    const ids = snapshotIds(lake);
    for (const id of kept) assert.ok(ids.includes(id));
    assert.equal(ids.length, 15, "the one that no branch or tag needs has expired");
    expectFiles(lake);
  });

  test("expiry leaves the files of a snapshot that was staged", async () => {
    await using batches = await openBatches();
    const lake = await loadsAndExpiry(batches, (table) => {
      const [, second] = table["snapshots"] as Json[];
      (table["snapshots"] as Json[]).push({ ...second, "snapshot-id": 99, summary: { "wap.id": "w" } });
    });
    assert.ok(snapshotIds(lake).includes(99));
    expectFiles(lake);
  });

  for (const [what, change] of Object.entries<(table: Json) => void>({
    "its branch": (table) =>
      void Object.assign((table["refs"] as Record<string, Json>)["main"] ?? {}, { "min-snapshots-to-keep": 14 }),
    "a property": (table) =>
      void Object.assign(table["properties"] as Json, { "history.expire.min-snapshots-to-keep": "14" }),
  })) {
    test(`no more snapshots expire than ${what} allows`, async () => {
      await using batches = await openBatches();
      const lake = await loadsAndExpiry(batches, change);
      // Those before the load, and its own.
      assert.equal(snapshotIds(lake).length, 15);
      expectFiles(lake);
    });
  }

  test("no snapshot expires that is younger than the table allows", async () => {
    await using batches = await openBatches();
    const lake = await loadsAndExpiry(
      batches,
      (table) =>
        void Object.assign(table["properties"] as Json, { "history.expire.max-snapshot-age-ms": String(9 * DAY_MS) }),
    );
    assert.equal(snapshotIds(lake).length, 16);
  });

  test("a table with gc.enabled false loses no snapshot and no file", async () => {
    await using batches = await openBatches();
    let before = 0;
    const lake = await loadsAndExpiry(batches, (table) => {
      Object.assign(table["properties"] as Json, { "gc.enabled": "false" });
    });
    assert.equal(snapshotIds(lake).length, 16);
    expectFiles(lake);
    before = lake.files.size;
    await using destination = lake.open({}, { now: () => new Date(Date.now() + 9 * DAY_MS) });
    lake.files.set("t/data/x.0123456789ab.0.parquet", { bytes: Uint8Array.of(1), modified: new Date(0) });
    const collect = async (remove: boolean) =>
      await Array.fromAsync(destination.collectGarbage?.(remove, SIGNAL) ?? []);
    assert.equal((await collect(false)).length, 1);
    await assert.rejects(collect(true), { code: "iceberg.gc_disabled", remedy: "give-up" });
    assert.equal(lake.files.size, before + 1);
  });

  test("columns whose metrics are turned off have no bounds in the manifests", async () => {
    await using batches = await openBatches();
    const lake = new MemoryLake();
    await using destination = lake.open();
    await destination.records.add("corrections", "one", new Date(), SIGNAL);
    Object.assign(lake.properties, { "write.metadata.metrics.column.value": "counts" });
    await destination.load(await batches.batch(0, [[["a", 1, { value: "5" }]]]), SIGNAL);
    const metadata = readTableMetadata(parseJson(printJson(lake.table)));
    const path = metadata.snapshots.at(-1)?.manifestList ?? "";
    const at = (one: string): Uint8Array => lake.files.get(one.slice(ROOT.length))?.bytes ?? new Uint8Array();
    const [manifest] = readManifestList(at(path), path);
    assert.ok(manifest);
    const [entry] = readManifest(at(manifest.path), manifest);
    const ids = new Map(metadata.schemas.at(-1)?.fields.map((field) => [field.name, field.id]));
    assert.equal(entry?.file.lowerBounds?.has(ids.get("value") ?? -1), false);
    assert.equal(entry.file.lowerBounds.has(ids.get("session_id") ?? -1), true);
  });
});
