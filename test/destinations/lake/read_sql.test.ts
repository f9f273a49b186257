/** The SQL for readers: DuckDB's is run over real files, that of the others is looked at. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import type { DataFolder, FileFormat } from "../../../destinations/destination.ts";
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

function folder(extension = ".parquet", path = DEFAULT_PATH, columns: DataFolder["columns"] = []): DataFolder {
  return { path, extension, columns };
}

function request(reader: Reader, more: Partial<ReadRequest> = {}): ReadRequest {
  return {
    reader,
    options: S3,
    export: "replays",
    folders: [folder()],
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

/** Their reader of CSV can't read what ClickHouse writes. */
const NO_CSV: ReadonlySet<Reader> = new Set<Reader>(["athena", "trino"]);

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
      await using temporary = await temporaryFolder();
      using connection = await openDuckDB();
      const file = (day: number, attempt: string): string =>
        join(temporary.path, `replays/dt=2026-10-0${day}/20261001T000000Z_20261002T000000Z.${attempt}.0${extension}`);
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
      await writeRows(connection, join(temporary.path, `replays2/dt=2026-10-01/x${extension}`), format, [
        { session: "other", version: 9, exported: "2026-10-09", text: "other" },
      ]);
      await writeRows(
        connection,
        join(temporary.path, `replays/dt=2026-10-01/.x${extension}.0123456789ab.tmp`),
        format,
        [{ session: "half", version: 9, exported: "2026-10-09", text: "half" }],
      );
      const options: LakeOptions = { type: "file", path: temporary.path };
      const sql = currentRowsSql(request("duckdb", { options, folders: [folder(extension)] }));
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
    await using temporary = await temporaryFolder();
    using connection = await openDuckDB();
    const file = (name: string): string => join(temporary.path, "replays", "dt=2026-10-01", `${name}.parquet`);
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
    const options: LakeOptions = { type: "file", path: temporary.path };
    const sql = currentRowsSql(request("duckdb", { options, columns, key: ["id"] }));
    const reader = await connection.runAndReadAll(`SELECT id, added FROM (${sql}) ORDER BY id`);
    assert.deepEqual(reader.getRowsJS(), [
      ["a", null],
      ["b", 5n],
    ]);
  });

  for (const format of ["parquet", "jsonl", "csv"] as const) {
    test(`a column that no ${format} file has yet can be named in DuckDB's statement`, async () => {
      await using temporary = await temporaryFolder();
      using connection = await openDuckDB();
      await writeRows(connection, join(temporary.path, `replays/dt=2026-10-01/x.${format}`), format, [
        { session: "one", version: 1, exported: "2026-10-02", text: "old" },
      ]);
      const added = (["string", "int64", "float64", "bool", "timestamp", "string[]", "timestamp[]"] as const).map(
        (type) => column(`added ${type}`, type, true),
      );
      const sql = currentRowsSql(
        request("duckdb", {
          options: { type: "file", path: temporary.path },
          folders: [folder(`.${format}`)],
          columns: [...COLUMNS, ...added],
        }),
      );
      const reader = await connection.runAndReadAll(sql);
      assert.deepEqual(
        reader.columnTypes().slice(COLUMNS.length).map(String),
        "VARCHAR BIGINT DOUBLE BOOLEAN TIMESTAMP VARCHAR[] TIMESTAMP[]".split(" "),
      );
      assert.deepEqual(
        reader.getRowsJS()[0]?.slice(COLUMNS.length),
        added.map(() => null),
      );
    });
  }

  test("DuckDB reads all folders and formats that a lake has had, as one table", async () => {
    await using temporary = await temporaryFolder();
    using connection = await openDuckDB();
    const kinds = [
      [".parquet", DEFAULT_PATH, "replays/dt=2026-10-01"],
      [".parquet", "x/{export}/{year}", "x/replays/2026"],
      [".jsonl.gz", DEFAULT_PATH, "replays/dt=2026-10-01"],
      [".csv", "a folder/replays", "a folder/replays"],
    ] as const;
    for (const [at, [extension, , place]] of kinds.entries()) {
      const format = extension === ".parquet" ? "parquet" : extension === ".csv" ? "csv" : "jsonl";
      await writeRows(connection, join(temporary.path, place, `x${extension}`), format, [
        { session: "all", version: at, exported: "2026-10-02", text: extension },
        { session: `only ${at}`, version: 1, exported: "2026-10-02", text: extension },
      ]);
    }
    await connection.run("SET TimeZone = 'Asia/Kolkata'");
    const [first, ...others] = kinds.map(([extension, path]) => folder(extension, path));
    const sql = currentRowsSql(
      request("duckdb", {
        options: { type: "file", path: temporary.path },
        folders: [first ?? assert.fail(), ...others],
      }),
    );
    const reader = await connection.runAndReadAll(`SELECT "session id", "od""d", "start" FROM (${sql}) ORDER BY 1`);
    const day = new Date("2026-10-01T00:00:00Z");
    assert.deepEqual(reader.getRowsJS(), [
      ["all", ".csv", day],
      ["only 0", ".parquet", day],
      ["only 1", ".parquet", day],
      ["only 2", ".jsonl.gz", day],
      ["only 3", ".csv", day],
    ]);
  });

  test("every reader is pointed at each folder and format that a lake has had", () => {
    for (const reader of READERS) {
      const text = NO_CSV.has(reader) ? ".jsonl.gz" : ".csv.gz";
      const folders = [folder(), folder(text, "old/{export}/{year}"), folder(".jsonl", "older/replays")] as const;
      const sql = currentRowsSql(request(reader, { folders }));
      for (const place of ["posthog/replays", "posthog/old/replays", "posthog/older/replays"])
        assert.match(sql, new RegExp(`${place}['/]`), reader);
      assert.equal(sql.match(/\bUNION ALL\n/g)?.length, 2, `${reader}: ${sql}`);
      assert.doesNotMatch(sql, /IF NOT EXISTS/, "a table that exists may be of another folder");
    }
  });

  test("the statement says in a comment what its engine can't read, and reads the rest", () => {
    const cases: [Reader, readonly [DataFolder, ...DataFolder[]], RegExp][] = [
      [
        "bigquery",
        [folder(), folder(".jsonl.zst")],
        /^-- NOT READ: replays\/dt=\*-\*-\*\/\*\.jsonl\.zst: bigquery cannot/,
      ],
      ["athena", [folder(), folder(".jsonl")], /^-- athena can't read replays\/: it has files of different formats/],
      [
        "trino",
        [folder(), folder(".parquet", "{year}/{export}")],
        /^-- NOT READ: .*gives no folder to this export alone/,
      ],
      ["athena", [folder(".parquet", DEFAULT_PATH, [[{ name: "count", type: "string" }]])], /another type of count/],
      ["snowflake", [folder(".csv", DEFAULT_PATH, [COLUMNS.slice(1)])], /snowflake reads wrong columns of replays/],
    ];
    for (const [reader, folders, note] of cases) {
      const sql = currentRowsSql(request(reader, { folders }));
      assert.match(sql, note);
      assert.match(sql, /replays\//);
    }
    for (const reader of READERS.filter((one) => !NO_CSV.has(one))) {
      const grown = [folder(".csv", DEFAULT_PATH, [COLUMNS.slice(0, 4), COLUMNS])] as const;
      assert.doesNotMatch(currentRowsSql(request(reader, { folders: grown })), /wrong columns|NOT READ/, reader);
    }
  });

  test("every reader takes the newest version, then the latest export, of each key, and quotes names", () => {
    for (const reader of READERS) {
      for (const format of NO_CSV.has(reader)
        ? (["parquet", "jsonl"] as const)
        : (["parquet", "jsonl", "csv"] as const)) {
        const sql = currentRowsSql(request(reader, { folders: [folder(`.${format}`)] }));
        assert.match(sql, /_version\W{1,3}.*DESC,\s.*_exported_at\W.*DESC/s, reader);
        const quoted = ["clickhouse", "bigquery", "spark"].includes(reader) ? '`od"d`' : '"od""d"';
        assert.ok(sql.includes(quoted), `${reader} ${format}: ${sql}`);
        assert.ok(!sql.includes("undefined"), sql);
        assert.ok(!sql.includes("_replayport/"), "the glob stays out of the manifests");
        for (const { name } of COLUMNS) assert.ok(sql.includes(name) || name.includes('"'), `${reader}: ${name}`);
      }
    }
  });

  test("no comment of a statement holds a semicolon, which would end it in some tools", () => {
    for (const reader of READERS) {
      const sql = currentRowsSql(request(reader, { folders: [folder(), folder(".jsonl", "old/{export}/{year}")] }));
      for (const comment of sql.match(/^\s*--.*$/gm) ?? []) assert.doesNotMatch(comment, /;/, reader);
    }
  });

  test("Trino's tables have milliseconds, which its catalogs take by default", () => {
    const sql = currentRowsSql(request("trino", { folders: [folder(), folder(".jsonl", "old/{export}/{year}")] }));
    const [tables = ""] = sql.split("CREATE OR REPLACE VIEW");
    assert.doesNotMatch(tables.replaceAll(/^--.*$/gm, ""), /timestamp\(6\)/);
    assert.match(tables, /timestamp\(3\)/);
  });

  test("every reader makes a view of the name that was asked for, quoted", () => {
    for (const reader of READERS) {
      const sql = currentRowsSql(request(reader, { view: "current replays" }));
      assert.match(sql, /^CREATE OR REPLACE VIEW (<DATASET>\.)?["`]current replays["`] AS$/m, reader);
      assert.equal(sql.match(/CREATE OR REPLACE VIEW/g)?.length, 1, reader);
    }
  });

  for (const [extension, format] of [
    [".csv", "csv"],
    [".jsonl", "jsonl"],
  ] as const) {
    test(`DuckDB reads a row of 40 MB of ${format}, and a view over them`, async () => {
      await using temporary = await temporaryFolder();
      using connection = await openDuckDB();
      await writeRows(connection, join(temporary.path, "replays/dt=2026-10-01", `x${extension}`), format, [
        { session: "large", version: 1, exported: "2026-10-02", text: "x".repeat(40_000_000) },
      ]);
      const options = { type: "file", path: temporary.path } as const;
      await connection.run(currentRowsSql(request("duckdb", { options, folders: [folder(extension)], view: "large" })));
      const reader = await connection.runAndReadAll(`SELECT length("od""d") FROM "large"`);
      assert.deepEqual(reader.getRowsJS(), [[40_000_000n]]);
    });
  }

  test("each reader is pointed at the export's files", () => {
    const where: Record<Reader, string> = {
      duckdb: "'s3://acme-lake/posthog/replays/dt=*-*-*/*.parquet'",
      clickhouse: "'https://s3.eu-west-1.amazonaws.com/acme-lake/posthog/replays/dt=*-*-*/*.parquet'",
      athena: "LOCATION 's3://acme-lake/posthog/replays/'",
      trino: "external_location = 's3://acme-lake/posthog/replays/'",
      spark: "path 's3://acme-lake/posthog/replays'",
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
      ["duckdb", { folders: [folder(".csv.lz4")] }],
      ["bigquery", { folders: [folder(".jsonl.zst")] }],
      ["athena", { options: { type: "file", path: "/lake" } }],
      ["snowflake", { options: { type: "file", path: "/lake" } }],
      ["trino", { follow: "manifests" }],
      ["athena", { folders: [folder(".parquet", "{year}/{export}")] }],
      ["athena", { folders: [folder(".csv")] }],
      ["trino", { folders: [folder(".csv.gz")] }],
      ["bigquery", { folders: [folder(".parquet", "x/{year}/{export}")] }],
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
