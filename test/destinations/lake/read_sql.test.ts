/** The SQL for readers: DuckDB's is run over real files, that of the others is looked at. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import type { FileFormat } from "../../../destinations/destination.ts";
import {
  currentRowsSql,
  DEFAULT_PATH,
  READERS,
  type LakeOptions,
  type ReadRequest,
  type Reader,
} from "../../../destinations/lake/index.ts";
import { ReplayportError } from "../../../src/errors.ts";
import type { Column, ColumnType } from "../../../src/models/column.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";

const S3: LakeOptions = { type: "s3", bucket: "acme-lake", prefix: "posthog", region: "eu-west-1" };

function column(name: string, type: ColumnType, nullable = false): Column {
  return { name, type, nullable, privacy: "none", description: "" };
}

/** A column of each type, and names that have to be quoted. */
const COLUMNS = [
  column("session id", "string"),
  column('od"d', "string", true),
  column("count", "int64", true),
  column("score", "float64", true),
  column("is_deleted", "bool"),
  column("start", "timestamp"),
  column("urls", "string[]"),
  column("times", "timestamp[]"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

function request(reader: Reader, more: Partial<ReadRequest> = {}): ReadRequest {
  const format = more.format ?? "parquet";
  return {
    reader,
    options: S3,
    export: "replays",
    pathTemplate: DEFAULT_PATH,
    format,
    extension: `.${format}`,
    columns: COLUMNS,
    key: ["session id"],
    ...more,
  };
}

interface Row {
  readonly session: string;
  readonly version: number;
  readonly exported: string;
  readonly text: string | null;
}

/** As ClickHouse writes them: moments in Parquet, with T and Z in text; NULL as \N and lists as JSON in CSV. */
async function writeRows(
  connection: DuckDBConnection,
  path: string,
  format: FileFormat,
  rows: readonly Row[],
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const text = format !== "parquet";
  const time = (value: string): string => (text ? `'${value}T00:00:00.000000Z'` : `TIMESTAMPTZ '${value} 00:00:00+00'`);
  const values = rows.map(({ session, version, exported, text: odd }) => {
    const urls = `['https://a.test/?x=1,2', 'say "hi"']`;
    const times = `[${time("2026-10-01")}]`;
    const list = (value: string): string => (format === "csv" ? `CAST(to_json(${value}) AS VARCHAR)` : value);
    const nullable = odd === null ? "NULL::VARCHAR" : `'${odd.replaceAll("'", "''")}'`;
    return `('${session}', ${nullable}, 7::BIGINT, 0.5::DOUBLE, true, ${time("2026-10-01")}, ${list(urls)}, ${list(times)}, ${version}::BIGINT, ${time(exported)})`;
  });
  const names = COLUMNS.map(({ name }) => `"${name.replaceAll('"', '""')}"`).join(", ");
  const options = {
    parquet: "FORMAT parquet",
    jsonl: "FORMAT json",
    csv: "FORMAT csv, HEADER, NULLSTR '\\N', QUOTE '\"', ESCAPE '\"'",
  }[format];
  await connection.run(`COPY (SELECT * FROM (VALUES ${values.join(", ")}) AS t(${names})) TO '${path}' (${options})`);
}

async function openDuckDB(): Promise<DuckDBConnection & Disposable> {
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  return Object.assign(connection, { [Symbol.dispose]: () => connection.closeSync() });
}

suite("lake: SQL for readers", () => {
  for (const [format, extension] of [
    ["parquet", ".parquet"],
    ["jsonl", ".jsonl"],
    ["jsonl", ".jsonl.gz"],
    ["jsonl", ".jsonl.zst"],
    ["csv", ".csv"],
    ["csv", ".csv.gz"],
  ] as const) {
    test(`DuckDB reads the current rows of ${extension} files`, async () => {
      await using folder = await temporaryFolder();
      using connection = await openDuckDB();
      const file = (day: number, attempt: string): string =>
        join(folder.path, `replays/dt=2026-10-0${day}/20261001T000000Z_20261002T000000Z.${attempt}.0${extension}`);
      await writeRows(connection, file(1, "aaaaaaaaaaaa"), format, [
        { session: "one", version: 1, exported: "2026-10-02", text: "old" },
        { session: "two", version: 3, exported: "2026-10-02", text: 'it\'s, "new"' },
        { session: "three", version: 1, exported: "2026-10-02", text: "old rules" },
      ]);
      await writeRows(connection, file(2, "bbbbbbbbbbbb"), format, [
        { session: "one", version: 2, exported: "2026-10-02", text: null },
        { session: "two", version: 2, exported: "2026-10-03", text: "old" },
        { session: "three", version: 1, exported: "2026-10-03", text: "new rules" },
      ]);
      // What a reader must not take for data: another export, a file that is being written, a manifest.
      await writeRows(connection, join(folder.path, `replays2/dt=2026-10-01/x${extension}`), format, [
        { session: "other", version: 9, exported: "2026-10-09", text: "other" },
      ]);
      await writeRows(connection, join(folder.path, `replays/dt=2026-10-01/.x${extension}.0123456789ab.tmp`), format, [
        { session: "half", version: 9, exported: "2026-10-09", text: "half" },
      ]);
      const options: LakeOptions = { type: "file", path: folder.path };
      const sql = currentRowsSql(request("duckdb", { options, format, extension }));
      // Wherever the reader is, times are in UTC.
      await connection.run("SET TimeZone = 'America/New_York'");
      const reader = await connection.runAndReadAll(`SELECT * FROM (${sql}) ORDER BY 1`);
      assert.deepEqual(
        reader.columnNames(),
        COLUMNS.map(({ name }) => name),
      );
      assert.deepEqual(
        reader.columnTypes().map(String),
        "VARCHAR VARCHAR BIGINT DOUBLE BOOLEAN TIMESTAMP VARCHAR[] TIMESTAMP[] BIGINT TIMESTAMP".split(" "),
      );
      const rows = reader.getRowsJS();
      assert.deepEqual(
        rows.map(([session, odd]) => [session, odd]),
        [
          ["one", null],
          ["three", "new rules"],
          ["two", 'it\'s, "new"'],
        ],
      );
      const day = new Date("2026-10-01T00:00:00Z");
      assert.deepEqual(rows[0]?.slice(2, 8), [7n, 0.5, true, day, ["https://a.test/?x=1,2", 'say "hi"'], [day]]);
    });
  }

  test("files from before a column was added give NULL for it", async () => {
    await using folder = await temporaryFolder();
    using connection = await openDuckDB();
    const file = (name: string): string => join(folder.path, "replays", "dt=2026-10-01", `${name}.parquet`);
    await mkdir(dirname(file("x")), { recursive: true });
    const own = "1::BIGINT AS _version, TIMESTAMP '2026-10-01' AS _exported_at";
    await connection.run(`COPY (SELECT 'a' AS id, ${own}) TO '${file("old")}' (FORMAT parquet)`);
    await connection.run(`COPY (SELECT 'b' AS id, 5::BIGINT AS added, ${own}) TO '${file("new")}' (FORMAT parquet)`);
    const columns = [
      column("id", "string"),
      column("added", "int64", true),
      column("_version", "int64"),
      column("_exported_at", "timestamp"),
    ];
    const options: LakeOptions = { type: "file", path: folder.path };
    const sql = currentRowsSql(request("duckdb", { options, columns, key: ["id"] }));
    const reader = await connection.runAndReadAll(`SELECT id, added FROM (${sql}) ORDER BY id`);
    assert.deepEqual(reader.getRowsJS(), [
      ["a", null],
      ["b", 5n],
    ]);
  });

  test("every reader takes the newest version, then the latest export, of each key, and quotes names", () => {
    for (const reader of READERS) {
      for (const format of ["parquet", "jsonl", "csv"] as const) {
        const sql = currentRowsSql(request(reader, { format }));
        assert.match(sql, /_version\W{1,3}.*DESC,\s.*_exported_at\W.*DESC/s, reader);
        const quoted = reader === "clickhouse" || reader === "bigquery" ? '`od"d`' : '"od""d"';
        assert.ok(sql.includes(quoted), `${reader} ${format}: ${sql}`);
        assert.ok(!sql.includes("undefined"), sql);
        assert.ok(!sql.includes("_replayport/"), "the glob stays out of the manifests");
        for (const { name } of COLUMNS) assert.ok(sql.includes(name) || name.includes('"'), `${reader}: ${name}`);
      }
    }
  });

  test("each reader is pointed at the export's files", () => {
    const where: Record<Reader, string> = {
      duckdb: "'s3://acme-lake/posthog/replays/dt=*-*-*/*.parquet'",
      clickhouse: "'https://s3.eu-west-1.amazonaws.com/acme-lake/posthog/replays/dt=*-*-*/*.parquet'",
      athena: "LOCATION 's3://acme-lake/posthog/replays/'",
      trino: "external_location = 's3://acme-lake/posthog/replays/'",
      snowflake: "URL = 's3://acme-lake/posthog/replays/'",
      bigquery: "['s3://acme-lake/posthog/replays/*.parquet']",
    };
    for (const reader of READERS) assert.ok(currentRowsSql(request(reader)).includes(where[reader]), reader);
    const google: LakeOptions = { type: "s3", bucket: "acme", endpoint: "https://storage.googleapis.com" };
    assert.match(currentRowsSql(request("bigquery", { options: google })), /\['gs:\/\/acme\/replays\/\*\.parquet'\]/);
  });

  test("no statement holds a secret", () => {
    const credentials = { accessKeyId: "AKIDSECRET", secretAccessKey: "hunter2", sessionToken: "hunter3" };
    for (const reader of READERS) {
      assert.doesNotMatch(currentRowsSql(request(reader, { options: { ...S3, credentials } })), /AKIDSECRET|hunter/);
    }
  });

  test("what an engine cannot read is refused, with what to do", () => {
    const refused: [Reader, Partial<ReadRequest>][] = [
      ["duckdb", { format: "csv", extension: ".csv.lz4" }],
      ["bigquery", { format: "jsonl", extension: ".jsonl.zst" }],
      ["athena", { options: { type: "file", path: "/lake" } }],
      ["snowflake", { options: { type: "file", path: "/lake" } }],
      ["trino", { follow: "manifests" }],
      ["athena", { pathTemplate: "{year}/{export}" }],
      ["bigquery", { pathTemplate: "x/{year}/{export}" }],
    ];
    for (const [reader, more] of refused) {
      assert.throws(
        () => currentRowsSql(request(reader, more)),
        (error) => error instanceof ReplayportError && error.code === "lake.reader" && error.hint !== undefined,
        reader,
      );
    }
  });
});
