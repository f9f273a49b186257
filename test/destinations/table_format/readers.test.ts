/** A table of our files, committed through a real catalog, as other people's readers see it: PyIceberg, DuckDB, ClickHouse, fastavro. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { encodeBound } from "../../../destinations/table_format/bounds.ts";
import { commitBody, type LoadedTable, openCatalog } from "../../../destinations/catalog/catalog.ts";
import { readFooter, withFieldIds } from "../../../destinations/parquet/footer.ts";
import type { RangeReader } from "../../../destinations/parquet/range_reader.ts";
import { parseJson } from "../../../destinations/table_format/json.ts";
import { type DataFile, readManifest, writeManifest } from "../../../destinations/table_format/manifest.ts";
import { readManifestList, writeManifestList } from "../../../destinations/table_format/manifest_list.ts";
import { currentSchema, currentSnapshot } from "../../../destinations/table_format/metadata.ts";
import { fileMetrics } from "../../../destinations/table_format/metrics.ts";
import { writePositionDeletes } from "../../../destinations/table_format/position_deletes.ts";
import { fieldIds, newSchema } from "../../../destinations/table_format/schema.ts";
import type { Column, ColumnType } from "../../../src/models/column.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";
import { icebergPython, icebergServer } from "../../support/iceberg.ts";

const column = (name: string, type: ColumnType, nullable = false): Column => ({
  name,
  type,
  nullable,
  privacy: "none",
  description: name,
});
const COLUMNS = [
  column("team_id", "int64"),
  column("session_id", "string"),
  column("start_time", "timestamp"),
  column("tags", "string[]"),
  column("times", "timestamp[]"),
  column("score", "float64", true),
  column("url", "string", true),
  column("deleted", "bool"),
];
/** Rows whose values are all different, a list that is empty, NULLs, microseconds, a negative and a large number. */
const rowsSql = (from: number, count: number): string => `
  SELECT toInt64(if(number % 2 = 0, -7, 9007199254740993)) AS team_id,
    concat('sitzung-ä-', leftPad(toString(number), 6, '0')) AS session_id,
    toDateTime64('2026-10-25 00:59:59.000001', 6, 'UTC') + toIntervalMicrosecond(number * 999999) AS start_time,
    arrayMap(i -> concat('tag', toString(i)), range(number % 3)) AS tags,
    arrayMap(i -> toDateTime64('1969-12-31 23:59:59.999999', 6, 'UTC') + toIntervalMicrosecond(i), range(number % 2)) AS times,
    if(number % 4 = 0, NULL, number / 8)::Nullable(Float64) AS score,
    if(number % 3 = 0, NULL, concat('https://example.org/', repeat('x', 80), toString(number)))::Nullable(String) AS url,
    (number % 5 = 0)::Bool AS deleted
  FROM numbers(${from}, ${count})`;

type Pairs = readonly { readonly key: number; readonly value: unknown }[];
/** A manifest's entry as fastavro reads it. */
interface Entry {
  readonly snapshot_id: bigint;
  readonly data_file: {
    readonly content: number;
    readonly record_count: number;
    readonly lower_bounds: Pairs;
    readonly upper_bounds: Pairs;
    readonly null_value_counts: Pairs;
    readonly value_counts: Pairs;
    readonly referenced_data_file: string | null;
  };
}

const server = await icebergServer();
const python = await icebergPython();
const missing = [server, python].flatMap((one) => ("skip" in one ? [one.skip] : []));
const skip = missing[0] ?? clickhouseSkip;

suite("our files, read by others", { skip }, () => {
  if ("skip" in server || "skip" in python) return;
  const signal = AbortSignal.timeout(120_000);
  const { client, tableBucket, endpoint, credentials, region, catalog: address } = server.server;
  const catalog = openCatalog(server.options("oauth2"));
  const id = { namespace: [`ours_${randomUUID().slice(0, 8)}`], name: "sessions" };
  let engine: ClickHouseHarness;
  let table: LoadedTable;
  before(async () => {
    engine = await clickhouse();
    await catalog.createNamespace(id.namespace, signal);
    const schema = newSchema(COLUMNS, { key: ["team_id", "session_id"], required: ["start_time"] });
    const created = await catalog.createTable(id, { schema, properties: { "format-version": "2" } }, signal);
    assert.ok(created !== "exists");
    table = created;
  });
  after(async () => {
    await catalog.dropTable(id, signal);
    await catalog.dropNamespace(id.namespace, signal);
    await engine[Symbol.asyncDispose]();
  });

  const put = async (name: string, bytes: Uint8Array): Promise<string> => {
    const path = `${table.metadata.location}/${name}`;
    const Key = path.replace(`s3://${tableBucket}/`, "");
    await client.send(new PutObjectCommand({ Bucket: tableBucket, Key, Body: bytes }));
    return path;
  };
  const dataFile = async (name: string, select: string): Promise<DataFile> => {
    const settings = { output_format_parquet_row_group_size: "20", output_format_parquet_string_as_string: 1 as const };
    const { stream } = await engine.client.exec({ query: `${select} FORMAT Parquet`, clickhouse_settings: settings });
    const written = await buffer(stream);
    const file: RangeReader = { bytes: written.length, read: (a, b) => Promise.resolve(written.subarray(a, b)) };
    const { start, thrift } = await readFooter(file);
    const schema = currentSchema(table.metadata);
    const bytes = Buffer.concat([written.subarray(0, start), withFieldIds(thrift, fieldIds(schema))]);
    const path = await put(`data/${name}.parquet`, bytes);
    return { content: "data", path, format: "PARQUET", bytes: bytes.length, ...fileMetrics(thrift, schema) };
  };
  const sql = async (query: string): Promise<unknown[]> => {
    const settings = { date_time_output_format: "iso" as const, output_format_json_quote_64bit_integers: 0 as const };
    const result = await engine.client.query({ query, format: "JSONEachRow", clickhouse_settings: settings });
    const text = await result.text();
    return text.trim().split("\n").map(parseJson);
  };
  /** Rows of any reader in one form and order. */
  const comparable = (rows: readonly unknown[]): unknown[] =>
    (rows as { session_id: string }[]).toSorted((a, b) => (a.session_id < b.session_id ? -1 : 1));

  test("rows, deletions, bounds and counts are what PyIceberg, DuckDB, ClickHouse and fastavro read", async () => {
    const files = [await dataFile("first", rowsSql(0, 50)), await dataFile("second", rowsSql(50, 30))];
    const dead = [0, 19, 20, 49];
    const deletes = writePositionDeletes(files[0]?.path ?? "", dead);
    const deleteFile = deletes.describe(await put("data/first-deletes.parquet", deletes.bytes));
    const snapshotId = 2n ** 62n + 1n;
    const schema = currentSchema(table.metadata);
    const sequenceNumber = table.metadata.lastSequenceNumber + 1;
    const added = (file: DataFile) => ({ status: "added", file }) as const;
    const manifests = [];
    for (const [content, entries] of [
      ["data", files.map(added)],
      ["deletes", [added(deleteFile)]],
    ] as const) {
      const manifest = writeManifest({ content, schema, specId: 0, snapshotId, entries });
      const path = await put(`metadata/${content}.avro`, manifest.bytes);
      manifests.push(manifest.describe(path, sequenceNumber));
      const read = readManifest(manifest.bytes, { path, addedSnapshotId: snapshotId, sequenceNumber });
      assert.deepEqual(
        read.map(({ file }) => file.path),
        entries.map(({ file }) => file.path),
      );
    }
    const list = writeManifestList({ snapshotId, parentId: undefined, sequenceNumber, manifests });
    assert.deepEqual(readManifestList(list, "list"), manifests);
    const listPath = await put("metadata/list.avro", list);
    const body = commitBody(id, {
      requirements: [
        { type: "assert-table-uuid", uuid: table.metadata.uuid },
        { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": null },
      ],
      updates: [
        {
          action: "add-snapshot",
          snapshot: {
            "snapshot-id": snapshotId,
            "sequence-number": sequenceNumber,
            "timestamp-ms": Date.now(),
            "manifest-list": listPath,
            summary: { operation: "overwrite" },
            "schema-id": schema.id,
          },
        },
        { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": snapshotId },
      ],
    });
    assert.deepEqual(await catalog.commit(id, body, signal), { answer: "won" });
    const loaded = await catalog.loadTable(id, signal);
    assert.ok(loaded);
    assert.equal(currentSnapshot(loaded.metadata)?.id, snapshotId);

    const wanted = await sql(
      `SELECT * FROM (${rowsSql(0, 80)}) WHERE substring(session_id, -2)::Int64 NOT IN (${dead.join()}) ORDER BY session_id`,
    );
    assert.equal(wanted.length, 76);
    const given = { catalog: address, warehouse: tableBucket, endpoint, region, id: credentials.accessKeyId };
    const read = (await python(
      join(import.meta.dirname, "..", "..", "support", "iceberg_read.py"),
      JSON.stringify({ ...given, secret: credentials.secretAccessKey, namespace: id.namespace, table: id.name }),
    )) as Record<string, unknown[]>;
    assert.deepEqual(comparable(read["pyiceberg"] ?? []), wanted);
    assert.deepEqual(comparable(read["duckdb"] ?? []), wanted);
    const location = `${endpoint}/${tableBucket}/${id.namespace.join("/")}/${id.name}/`;
    const { accessKeyId, secretAccessKey } = credentials;
    const seen = await sql(
      `SELECT * FROM icebergS3('${location}', '${accessKeyId}', '${secretAccessKey}') ORDER BY session_id`,
    );
    assert.deepEqual(seen, wanted);

    const times = "toUnixTimestamp64Micro(min(start_time)) AS first, toUnixTimestamp64Micro(max(start_time)) AS last";
    const [range] = (await sql(`SELECT ${times} FROM (${rowsSql(0, 50)})`)) as [{ first: number; last: number }];
    const [entry, , gone] = read["entries"] as [Entry, Entry, Entry];
    const idOf = (name: string): number => schema.fields.find((field) => field.name === name)?.id ?? 0;
    const valueOf = (pairs: Pairs, name: string): unknown => pairs.find(({ key }) => key === idOf(name))?.value;
    const hex = (micros: number): string =>
      Buffer.from(encodeBound("timestamptz", BigInt(micros)) ?? []).toString("hex");
    assert.equal(entry.snapshot_id, snapshotId);
    assert.equal(entry.data_file.record_count, 50);
    assert.equal(valueOf(entry.data_file.lower_bounds, "start_time"), hex(range.first));
    assert.equal(valueOf(entry.data_file.upper_bounds, "start_time"), hex(range.last));
    assert.equal(valueOf(entry.data_file.null_value_counts, "score"), 13);
    assert.equal(valueOf(entry.data_file.value_counts, "url"), 50);
    assert.equal(gone.data_file.content, 1);
    assert.equal(gone.data_file.referenced_data_file, files[0]?.path);
  });
});
