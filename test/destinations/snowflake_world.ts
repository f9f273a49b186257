/** Snowflake's emulator with a schema of one test's own, and batches of any columns. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Batch, Destination, FileFormat, StagedFile } from "../../destinations/destination.ts";
import { sessionOpener } from "../../destinations/snowflake/client.ts";
import { openSnowflakeOn, type SnowflakeDeps, type SnowflakeOptions } from "../../destinations/snowflake/index.ts";
import type { OpenSession, Statement } from "../../destinations/snowflake/statement.ts";
import { intervalName, type Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { EXPORT, hours } from "../conformance/batches.ts";
import { openTestSnowflake, snowflakeOptions, TEST_DEPS } from "../conformance/snowflake_harness.ts";
import { DATABASE, snowflakeServer, type SnowflakeServer } from "../harness/snowflake.ts";

const found = await snowflakeServer();

/** For the option `skip` of a suite: why there is no server, or `false`. */
export const skip = "skip" in found ? found.skip : false;
/** Only to be used where `skip` is false. */
export const server = found as SnowflakeServer;
export const SIGNAL = AbortSignal.timeout(600_000);

/** Called around each statement of the destination's sessions, also where it fails; it may wait, or throw. */
export interface StatementHook {
  readonly before?: (statement: Statement) => Promise<void> | void;
  readonly after?: (statement: Statement) => Promise<void> | void;
}

export function hookedSessions(open: OpenSession, { before, after }: StatementHook): OpenSession {
  return async (purpose, signal) => {
    const session = await open(purpose, signal);
    return {
      async execute(statement, inner) {
        await before?.(statement);
        try {
          return await session.execute(statement, inner);
        } finally {
          await after?.(statement);
        }
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  };
}

/** A destination on sessions that are hooked; its warnings are nobody's concern. */
export function openHooked(options: SnowflakeOptions, hook: StatementHook): Destination {
  const open = hookedSessions(sessionOpener(options), hook);
  return openSnowflakeOn(open, options, { export: EXPORT }, { ...TEST_DEPS, onWarning: () => undefined });
}

/** Resolves when the server has been told something that matches, also where it has not answered yet. */
export async function told(pattern: RegExp): Promise<void> {
  while (!(await server.log()).some(({ sql }) => sql !== undefined && pattern.test(sql))) await setTimeout(20);
}

export interface BatchOf {
  readonly columns?: readonly Column[];
  /** SELECT in DuckDB's SQL: the rows of one file. */
  readonly files: readonly string[];
  readonly of?: Interval;
  readonly format?: FileFormat;
  readonly extension?: string;
  readonly replace?: boolean;
  readonly readAt?: Date;
  readonly key?: readonly string[];
}

export interface World extends AsyncDisposable {
  readonly schema: string;
  /** Of the staged files; goes with the world. */
  readonly folder: string;
  readonly options: SnowflakeOptions;
  open(options?: Partial<SnowflakeOptions>, deps?: Partial<SnowflakeDeps>): Destination;
  batch(of: BatchOf): Promise<Batch>;
  /** Rows of a table in the schema, ordered by the first columns. */
  rows(table: string, columns?: string): Promise<Readonly<Record<string, unknown>>[]>;
  sql(...statements: string[]): Promise<Readonly<Record<string, unknown>>[]>;
  /** Statements that the destination sent, without those of the layer itself. */
  sent(): Promise<string[]>;
}

export async function openWorld(): Promise<World> {
  const schema = await server.schema();
  await server.inject();
  await server.clearLog();
  const folder = await mkdtemp(join(tmpdir(), "replayport-snowflake-"));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  const options = snowflakeOptions(server, schema);
  let minute = 0;
  const sql = (...statements: string[]): Promise<Readonly<Record<string, unknown>>[]> =>
    server.sql(schema, ...statements);
  return {
    schema,
    folder,
    options,
    open: (more = {}, deps = {}) => openTestSnowflake({ ...options, ...more }, deps),
    sql,
    rows: (table, columns = "*") => sql(`SELECT ${columns} FROM "${DATABASE}"."${schema}"."${table}" ORDER BY 1, 2`),
    sent: async () => (await server.log()).flatMap((entry) => (entry.sql === undefined ? [] : [entry.sql])),
    async batch({ columns = SESSION_COLUMNS, files, of = hours(0), format = "parquet", replace = false, ...more }) {
      minute += 1;
      const attempt = randomBytes(6).toString("hex");
      const extension = more.extension ?? `.${format}`;
      const staged: StagedFile[] = [];
      for (const [index, select] of files.entries()) {
        const path = join(folder, `${attempt}.${index}${extension}`);
        await connection.run(`COPY (${select}) TO '${path}' (${COPY_OPTIONS[format](extension)})`);
        const counted = await connection.runAndReadAll(`SELECT COUNT(*) FROM (${select})`);
        const bytes = await readFile(path);
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        staged.push({ path, index, rows: Number(counted.getRows()[0]?.[0]), bytes: bytes.length, sha256 });
      }
      return {
        id: `${EXPORT}/${intervalName(of)}`,
        export: EXPORT,
        interval: of,
        attempt,
        format,
        extension,
        columns,
        key: more.key ?? ["team_id", "session_id"],
        fingerprint: "0123456789abcdef",
        replace,
        readAt: more.readAt ?? new Date(Date.UTC(2026, 9, 2, 0, minute)),
        sourceVersion: "26.3.1.1",
        // oxlint-disable-next-line typescript/require-await
        files: (async function* inTurn() {
          yield* staged;
        })(),
      };
    },
    async [Symbol.asyncDispose]() {
      connection.closeSync();
      await rm(folder, { recursive: true, force: true });
      await server.inject();
    },
  };
}

const packed = (extension: string): string =>
  extension.endsWith(".gz") ? ", COMPRESSION gzip" : extension.endsWith(".zst") ? ", COMPRESSION zstd" : "";

const COPY_OPTIONS: Readonly<Record<FileFormat, (extension: string) => string>> = {
  parquet: () => "FORMAT parquet",
  jsonl: (extension) => `FORMAT json${packed(extension)}`,
  csv: (extension) => String.raw`FORMAT csv, HEADER, NULLSTR '\N', FORCE_QUOTE (session_id)${packed(extension)}`,
};

export function column(name: string, type: Column["type"], more: Partial<Column> = {}): Column {
  return { name, type, nullable: false, privacy: "none", description: `The ${name} of a test.`, ...more };
}

/** What a replay has, in small. */
export const SESSION_COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string", { privacy: "identifier" }),
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  column("first_url", "string", { nullable: true, privacy: "content" }),
  column("all_urls", "string[]", { privacy: "content" }),
  column("clicks", "int64", { nullable: true }),
  column("score", "float64", { nullable: true }),
  column("is_deleted", "bool", { nullable: true }),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

export interface SessionRow {
  readonly session: string;
  readonly version: number;
  /** `2026-10-01 00:00:00.123456` */
  readonly start?: string;
  readonly end?: string;
  readonly exported?: string;
  readonly clicks?: number;
  readonly deleted?: boolean;
}

/** Rows of SESSION_COLUMNS; times carry a zone, as ClickHouse writes them into Parquet. */
export function sessions(...rows: readonly SessionRow[]): string {
  return rows
    .map(
      ({ session, version, clicks = version, deleted = false, ...row }) =>
        `SELECT 1::BIGINT AS team_id, '${session}' AS session_id, ` +
        `TIMESTAMPTZ '${row.start ?? "2026-10-01 00:00:00"}+00' AS start_time, ` +
        `TIMESTAMPTZ '${row.end ?? "2026-10-01 00:30:00"}+00' AS end_time, ` +
        `'https://acme.test/${session}' AS first_url, ['https://acme.test/', '${session}'] AS all_urls, ` +
        `${clicks}::BIGINT AS clicks, 0.5::DOUBLE AS score, ${deleted} AS is_deleted, ${version}::BIGINT AS _version, ` +
        `TIMESTAMPTZ '${row.exported ?? "2026-10-02 00:00:00"}+00' AS _exported_at`,
    )
    .join(" UNION ALL ");
}
