/**
 * `node test/destinations/engines/trino.ts`: what `replayport sql --engine trino` prints, run on Trino: over a lake in S3, in a catalog with
 * default settings and in one with microseconds, and over an Iceberg table. Every row is compared with the source. By hand: Trino
 * takes 1.5 GB and two minutes, and needs Java 25 and Maven. README.md has what it printed.
 */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { icebergSql } from "../../../destinations/iceberg/read_sql.ts";
import { currentRowsSql, DEFAULT_PATH, openLakeOn } from "../../../destinations/lake/index.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import { type ExportDefinition, fileExtension } from "../../../src/export/definition.ts";
import { exportedColumns } from "../../../src/models/session_replays_query.ts";
import { freshOptions, openTestTable } from "../iceberg/harness.ts";
import { formatSource } from "../source_formats.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { icebergServer } from "../../support/iceberg.ts";
import { FIELDS, type Row } from "../../support/replay_rows.ts";
import { freePort, startServer } from "../../support/server_process.ts";
import { exists, run, TOOLS } from "../../support/tools.ts";

const VERSION = "476";
const MINUTES_10 = 600_000;
const signal = AbortSignal.timeout(2 * MINUTES_10);

/** The folder of the server, fetched on the first use. */
async function trinoServer(): Promise<string> {
  const folder = join(TOOLS, `trino-server-${VERSION}`);
  if (await exists(join(folder, "bin", "launcher"))) return folder;
  await mkdir(TOOLS, { recursive: true });
  const artifact = `-Dartifact=io.trino:trino-server:${VERSION}:tar.gz`;
  await run("mvn", ["-q", "-B", "dependency:copy", artifact, `-DoutputDirectory=${TOOLS}`], { timeout: MINUTES_10 });
  const archive = `${folder}.tar.gz`;
  await run("tar", ["xzf", archive, "-C", TOOLS], { timeout: MINUTES_10 });
  await rm(archive);
  return folder;
}

function java25(): string {
  const found = process.env["JAVA_HOME"] ?? globSync("/usr/lib/jvm/*25*")[0];
  if (found === undefined) throw new Error("set JAVA_HOME to a Java 25");
  return found;
}

const server = await icebergServer();
if ("skip" in server) throw new Error(server.skip);
const { endpoint, region, credentials } = server.server;
const iceberg = freshOptions(server);
const bucket = await server.server.bucket();
const folder = await mkdtemp(join(tmpdir(), "replayport-trino-"));
const port = await freePort();
const uri = `http://127.0.0.1:${port}`;

/** The catalog's settings as they are printed, in comments, with what's in angle brackets filled in. */
const printed = icebergSql(iceberg, "replays", "trino")
  .split("\n")
  .flatMap((line) => /^-- {3}(?<setting>\S+=.*)$/.exec(line)?.groups?.["setting"] ?? [])
  .map((line) =>
    line.replace("<CLIENT_ID>", credentials.accessKeyId).replace("<CLIENT_SECRET>", credentials.secretAccessKey),
  );
const s3 = [
  "fs.native-s3.enabled=true",
  `s3.endpoint=${endpoint}`,
  `s3.region=${region}`,
  "s3.path-style-access=true",
  `s3.aws-access-key=${credentials.accessKeyId}`,
  `s3.aws-secret-key=${credentials.secretAccessKey}`,
];
const hive = (name: string, ...more: readonly string[]): readonly string[] => [
  "connector.name=hive",
  "hive.metastore=file",
  `hive.metastore.catalog.dir=s3://${bucket}/metastore-${name}`,
  "hive.recursive-directories=true",
  ...s3,
  ...more,
];
const FILES = {
  "node.properties": ["node.environment=test", "node.bind-ip=127.0.0.1", `node.data-dir=${join(folder, "data")}`],
  "config.properties": [
    "coordinator=true",
    "node-scheduler.include-coordinator=true",
    `http-server.http.port=${port}`,
    `discovery.uri=${uri}`,
    "node.internal-address=127.0.0.1",
  ],
  "jvm.config": ["-server", "-Xmx2G", "-XX:+UseG1GC", "-Djdk.attach.allowAttachSelf=true"],
  "catalog/lakehouse.properties": [...printed, ...s3.filter((line) => !printed.includes(line))],
  "catalog/lake.properties": hive("lake"),
  "catalog/micros.properties": hive("micros", "hive.timestamp-precision=MICROSECONDS"),
};

interface Answer {
  readonly nextUri?: string;
  readonly data?: readonly (readonly unknown[])[];
  readonly error?: { readonly message: string };
}

async function query(catalog: string, sql: string): Promise<unknown[][]> {
  const headers = { "x-trino-user": "test", "x-trino-catalog": catalog, "x-trino-schema": "posthog" };
  let response = await fetch(`${uri}/v1/statement`, { method: "POST", headers, body: sql, signal });
  const rows: unknown[][] = [];
  for (;;) {
    const { nextUri, data = [], error } = (await response.json()) as Answer;
    if (error) throw new Error(`${sql}: ${error.message}`);
    rows.push(...data.map((row) => [...row]));
    if (nextUri === undefined) return rows;
    await setTimeout(20);
    response = await fetch(nextUri, { headers, signal });
  }
}

/** Times as text, whatever their precision and zone. */
async function rowsOf(catalog: string, table: string): Promise<Row[]> {
  const items = FIELDS.map(({ column: { name, type } }) => (type === "timestamp" ? `CAST(${name} AS varchar)` : name));
  const key = "concat(CAST(team_id AS varchar), '/', session_id)";
  const found = await query(catalog, `SELECT ${key}, ${items.join(", ")} FROM ${table} ORDER BY team_id, session_id`);
  return found.map(([of, ...values]) => {
    const fields = FIELDS.map(({ field, column: { type } }, at) => {
      const value = values[at];
      return [field, type === "timestamp" && typeof value === "string" ? microsOf(value) : value];
    });
    return { key: of, ...Object.fromEntries(fields) } as Row;
  });
}

/** `2026-10-01 00:00:00.123`, with up to nine digits and maybe `UTC`. */
function microsOf(text: string): number {
  const [, seconds = "", digits = ""] = /^(\S+ [\d:]+)(?:\.(\d+))?/.exec(text) ?? [];
  return Date.parse(`${seconds.replace(" ", "T")}Z`) * 1000 + Number(digits.padEnd(6, "0").slice(0, 6));
}

const deps = { version: "test", installation: "here", onWarning: () => undefined };
const emptied = (row: Row): Row => (row["deleted"] === true ? { ...row, first_url: null, urls: null } : row);

/** @param change of the printed statement, for a catalog with other settings */
function lakeTarget(
  definition: ExportDefinition,
  catalog: string,
  change: (sql: string) => string,
  shown: (row: Row) => Row,
): ChaosTarget {
  const prefix = `${catalog}-${definition.format}`;
  const keys = { endpoint, region, credentials, forcePathStyle: true };
  return {
    open: (now, { path }) =>
      openLakeOn(new S3Store({ bucket, prefix, ...keys }), {}, { export: definition.name, path }, { ...deps, now }),
    async rows() {
      const sql = currentRowsSql({
        reader: "trino",
        options: { type: "s3", bucket, prefix, ...keys },
        export: definition.name,
        folders: [
          { path: DEFAULT_PATH, extension: fileExtension(definition.format, definition.compression), columns: [] },
        ],
        columns: exportedColumns(definition.selection),
        key: ["team_id", "session_id"],
      });
      for (const statement of change(sql).split(/;\s*(?:\n\n|$)/))
        if (statement.trim() !== "") await query(catalog, statement);
      return await rowsOf(catalog, `"${definition.name}"`);
    },
    shown: (row) => shown(emptied(row)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function icebergTarget(definition: ExportDefinition): ChaosTarget {
  return {
    open: (now) => openTestTable(iceberg, { now, onWarning: () => undefined }, { export: definition.name }),
    rows: async () => await rowsOf("lakehouse", `"${iceberg.namespace.join(".")}"."${iceberg.table ?? ""}"`),
    // This definition leaves the rows as they are; in the product the read empties them.
    shown: same,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** As a time of milliseconds is read. */
const inMilliseconds = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      name.endsWith("_us") && typeof value === "number" ? Math.round(value / 1000) * 1000 : value,
    ]),
  ) as Row;
const same = <Value>(value: Value): Value => value;

for (const [name, lines] of Object.entries(FILES)) {
  await mkdir(join(folder, "etc", "catalog"), { recursive: true });
  await writeFile(join(folder, "etc", name), `${lines.join("\n")}\n`);
}
const home = java25();
const env = { ...process.env, JAVA_HOME: home, PATH: `${join(home, "bin")}:${process.env["PATH"] ?? ""}` };
const answers = async (): Promise<boolean> => {
  const info = (await (await fetch(`${uri}/v1/info`)).json()) as { readonly starting: boolean };
  return !info.starting;
};
const launcher = join(await trinoServer(), "bin", "launcher");
const trino = await startServer(launcher, ["run", `--etc-dir=${join(folder, "etc")}`], answers, env, MINUTES_10);
if (!trino) throw new Error("Trino doesn't answer");
try {
  await using source = await formatSource();
  for (const catalog of ["lake", "micros"])
    await query(catalog, `CREATE SCHEMA posthog WITH (location = 's3://${bucket}/schema-${catalog}/')`);
  const micros = (sql: string): string => sql.replaceAll("timestamp(3)", "timestamp(6)");
  const parquet = { format: "parquet", compression: "zstd" } as const;
  const jsonl = { format: "jsonl", compression: "gzip" } as const;
  const says = (what: string): void => console.log(`Trino ${VERSION}: ${what}`);

  await source.shows((one) => Promise.resolve(lakeTarget(one, "lake", same, inMilliseconds)), parquet, signal);
  says("lake, Parquet, as printed: every row as in the source, in milliseconds");
  await source.shows((one) => Promise.resolve(lakeTarget(one, "micros", micros, same)), parquet, signal);
  says("lake, Parquet, with microseconds as the comment says: every row as in the source");
  await source.shows((one) => Promise.resolve(lakeTarget(one, "lake", same, same)), jsonl, signal);
  says("lake, JSON Lines, as printed: every row as in the source");
  const csv = { format: "csv", compression: "gzip" } as const;
  await assert.rejects(
    source.shows((one) => Promise.resolve(lakeTarget(one, "lake", same, same)), csv, signal),
    /trino cannot read CSV files/,
  );
  says("lake, CSV: refused, as documented");
  await source.shows((one) => Promise.resolve(icebergTarget(one)), parquet, signal);
  says("Iceberg, by the printed settings: every row as in the source");
} finally {
  await trino.stop();
  await rm(folder, { recursive: true, force: true });
}
