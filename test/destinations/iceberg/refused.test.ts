/** Tables that others have made into something that a load couldn't keep right. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import { commitBody, openCatalog, type LoadedTable } from "../../../destinations/catalog/catalog.ts";
import { type DataFile, writeManifest } from "../../../destinations/table_format/manifest.ts";
import { writeManifestList } from "../../../destinations/table_format/manifest_list.ts";
import { currentSchema } from "../../../destinations/table_format/metadata.ts";
import { type Fixture, openFixture, SIGNAL, withPlace } from "./fixture.ts";

const FILE: Pick<DataFile, "rows" | "bytes"> = { rows: 1, bytes: 100 };

await withPlace("an Iceberg table of others", (place) => {
  /** Commits a snapshot that has this file, as an engine would. */
  async function add(fixture: Fixture, fileOf: (location: string) => DataFile): Promise<void> {
    const catalog = openCatalog(fixture.options.catalog);
    const id = { namespace: fixture.options.namespace, name: "replays" };
    const { metadata } = (await catalog.loadTable(id, SIGNAL)) as LoadedTable;
    await using store = new S3Store({ ...place.found.storage });
    const root = `s3://${place.found.storage.bucket}/`;
    const write = async (path: string, bytes: Uint8Array): Promise<void> => {
      await store.put(path.slice(root.length), bytes, new Date(), SIGNAL);
    };
    const [snapshotId, sequenceNumber] = [77n, metadata.lastSequenceNumber + 1];
    const file = fileOf(metadata.location);
    const content = file.content === "data" ? "data" : "deletes";
    const entries = [{ status: "added", file } as const];
    const manifest = writeManifest({ content, schema: currentSchema(metadata), snapshotId, entries });
    const path = `${metadata.location}/metadata/theirs.avro`;
    await write(path, manifest.bytes);
    const list = `${metadata.location}/metadata/their-list.avro`;
    const manifests = [manifest.describe(path, sequenceNumber)];
    const parentId = metadata.currentSnapshotId;
    await write(list, writeManifestList({ snapshotId, parentId, sequenceNumber, manifests }));
    const snapshot = {
      "snapshot-id": snapshotId,
      ...(parentId === undefined ? {} : { "parent-snapshot-id": parentId }),
      "sequence-number": sequenceNumber,
      "timestamp-ms": Date.now(),
      "manifest-list": list,
      summary: { operation: "overwrite" },
    };
    const updates = [
      { action: "add-snapshot", snapshot },
      { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": snapshotId },
    ];
    const { answer } = await catalog.commit(id, commitBody(id, { requirements: [], updates }), SIGNAL);
    assert.equal(answer, "won");
  }

  for (const [what, problem, file] of [
    [
      "equality deletes",
      /it has equality deletes/,
      (location: string): DataFile => ({
        ...FILE,
        content: "equality-deletes",
        path: `${location}/data/eq.parquet`,
        format: "PARQUET",
        equalityIds: [1, 2],
      }),
    ],
    [
      "deletion vectors",
      /it has deletion vectors/,
      (location: string): DataFile => ({
        ...FILE,
        content: "position-deletes",
        path: `${location}/data/dv.puffin`,
        format: "PUFFIN",
      }),
    ],
    [
      "files of another format",
      /files of the format ORC/,
      (location: string): DataFile => ({ ...FILE, content: "data", path: `${location}/data/a.orc`, format: "ORC" }),
    ],
  ] as const) {
    test(`a table with ${what} is refused by load and check, with what to do`, async () => {
      await using fixture = await openFixture(place);
      await using destination = fixture.open();
      await destination.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
      await add(fixture, file);
      const refused = { code: "iceberg.unsupported_table", message: problem, remedy: "give-up", hint: /new table/ };
      await assert.rejects(destination.load(await fixture.batch(1, [[["a", 2]]]), SIGNAL), refused);
      await assert.rejects(destination.check(SIGNAL), refused);
    });
  }
});
