/** What `replayport sql` prints, parsed by sqlglot as each engine's SQL: every format, as a view too, and with hostile names. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { IcebergOptions } from "../../../destinations/iceberg/options.ts";
import { ICEBERG_READERS, type IcebergReader, icebergSql } from "../../../destinations/iceberg/read_sql.ts";
import { currentRowsSql, READERS, type Reader, type LakeOptions } from "../../../destinations/lake/index.ts";
import { ReplayportError } from "../../../src/errors.ts";
import type { Column, ColumnType } from "../../../src/models/column.ts";
import { firstLine, pythonEnvironment } from "../../support/tools.ts";

const python = await pythonEnvironment("sqlglot", ["sqlglot==30.30.0"]).then(
  (folder) => ({ program: join(folder, "bin", "python") }),
  (error: unknown) => ({ skip: `sqlglot could not be installed (${firstLine(error)}): install Python 3 with pip` }),
);
const skip = "skip" in python ? python.skip : false;

/** What sqlglot can't parse although the engine can, as its documentation says. */
const UNKNOWN: Readonly<Partial<Record<Reader | IcebergReader, readonly [construct: RegExp, instead: string][]>>> = {
  duckdb: [
    [/LOAD \w+;/g, ""],
    [/CREATE SECRET .*;/g, ""],
  ],
  snowflake: [
    [/CREATE CATALOG INTEGRATION[^]*?ENABLED = TRUE;/g, ""],
    [/CREATE ICEBERG TABLE[^]*?AUTO_REFRESH = TRUE;/g, ""],
  ],
  bigquery: [[/WITH CONNECTION \S+/g, ""]],
};

const NAMES = [
  "replays",
  "a b",
  'od"d',
  "it's",
  "ti`ck",
  "select",
  "Zoë 🦊",
  "a.b",
  "--x",
  "/* x",
  "x; DROP TABLE y; --",
  "$$",
  "${x}",
  "{{ x }}",
  "@x",
  "?",
  String.raw`back\slash`,
  "line\nbreak",
];
const TYPES: readonly ColumnType[] = ["string", "int64", "float64", "bool", "timestamp", "string[]", "timestamp[]"];
const columns: readonly Column[] = [
  ...NAMES.map((name, at) => ({ name, type: TYPES[at % TYPES.length] ?? "string" })),
  { name: "session_id", type: "string" as const },
  { name: "is_deleted", type: "bool" as const },
  { name: "_version", type: "int64" as const },
  { name: "_exported_at", type: "timestamp" as const },
].map((column) => ({ ...column, nullable: true, privacy: "none", description: "it's" }));

interface Statement {
  readonly name: string;
  readonly dialect: string;
  readonly sql: string;
}

function statement(engine: Reader | IcebergReader, what: string, write: () => string): Statement | undefined {
  try {
    const sql = write();
    const known = (UNKNOWN[engine] ?? []).reduce(
      (text, [construct, instead]) => text.replaceAll(construct, instead),
      sql,
    );
    // What is to be filled in is a name, or a text in quotes.
    const filled = known.replaceAll(/(?<!ARRAY)<([A-Z_]+)>/g, "$1");
    return { name: `${engine}, ${what}`, dialect: engine, sql: filled };
  } catch (error) {
    // Refused with what to do instead.
    assert.ok(error instanceof ReplayportError && error.hint !== undefined, String(error));
    return undefined;
  }
}

function problems(statements: readonly (Statement | undefined)[]): unknown {
  const given = statements.filter((one) => one !== undefined);
  assert.ok(given.length > 0);
  const input = JSON.stringify(given);
  assert.ok("program" in python);
  const { stdout, stderr } = spawnSync(python.program, [join(import.meta.dirname, "parse_sql.py")], {
    input,
    encoding: "utf8",
    maxBuffer: 1e8,
  });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

const S3: LakeOptions = { type: "s3", bucket: "acme-lake", prefix: "it's/a\"b`c;--d", region: "eu-west-1" };
const GOOGLE: LakeOptions = { ...S3, endpoint: "https://storage.googleapis.com" };
const EXTENSIONS = [".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".csv", ".csv.gz", ".csv.zst"];

suite("the SQL for readers, parsed", { skip }, () => {
  for (const reader of READERS) {
    test(`${reader} gets SQL that parses, for every format, view and hostile name`, () => {
      const all: (Statement | undefined)[] = [];
      const first: string[] = [];
      for (const [extension, options, follow] of [
        ...EXTENSIONS.flatMap((one) => [
          [one, S3, "folder"] as const,
          [one, GOOGLE, "folder"] as const,
          [one, { type: "file", path: "/srv/it's a; lake" } as const, "folder"] as const,
        ]),
        [".parquet", S3, "manifests"] as const,
      ]) {
        const views = extension === ".parquet" && options === S3 ? NAMES : [`it's a "b\`; --`];
        for (const view of [undefined, ...views]) {
          all.push(
            statement(reader, `${extension} ${options.type} ${follow} ${view}`, () => {
              const folder = { path: "{export}/dt={year}-{month}-{day}", extension, columns: [columns] };
              // The folder of a key that a manifest names, which may be anything.
              const older = { ...folder, path: "older, it's;\nDROP TABLE x; --", columns: [columns.slice(1)] };
              const folders = [folder, older] as const;
              const sql = currentRowsSql({
                reader,
                options,
                export: "replays",
                folders,
                columns,
                key: ["session_id"],
                follow,
                view,
              });
              first.push(sql.split("\n", 1)[0] ?? "");
              return sql;
            }),
          );
        }
      }
      assert.deepEqual(problems(all), []);
      assert.deepEqual(
        first.filter((line) => line.startsWith("--") && line.endsWith(";")),
        [],
      );
    });
  }

  for (const reader of ICEBERG_READERS.filter((one) => one !== "pyiceberg")) {
    test(`${reader} gets SQL for an Iceberg table that parses, whatever it's called`, () => {
      const all = NAMES.flatMap((name) => {
        const auths: IcebergOptions["catalog"]["auth"][] = [
          { type: "none" },
          { type: "oauth2", clientId: "me", clientSecret: "secret" },
          { type: "sigv4", service: "glue", region: "eu-central-1" },
        ];
        return auths.map((auth) => {
          const catalog = { uri: "https://catalog.acme.com/x", warehouse: name, auth };
          return statement(reader, `${auth.type} ${name}`, () =>
            icebergSql({ type: "iceberg", catalog, namespace: [name, "b"] }, name, reader, name),
          );
        });
      });
      assert.deepEqual(problems(all), []);
    });
  }
});
