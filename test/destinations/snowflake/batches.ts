/** Batches of any columns, their files written by DuckDB. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Batch, FileFormat, StagedFile } from "../../../destinations/destination.ts";
import { stagedFile } from "../../../destinations/files/staged_file.ts";
import { intervalName, type Interval } from "../../../src/intervals/interval.ts";
import type { Column } from "../../../src/models/column.ts";
import { EXPORT, hours } from "../../conformance/batches.ts";

export interface BatchOf {
  readonly columns?: readonly Column[];
  /** SELECT in DuckDB's SQL: the rows of one file. */
  readonly files: readonly string[];
  readonly of?: Interval;
  readonly format?: FileFormat;
  readonly extension?: string;
  readonly readAt?: Date;
  readonly key?: readonly string[];
}

export interface SessionBatches extends AsyncDisposable {
  /** Of the staged files; goes with them. */
  readonly folder: string;
  batch(of: BatchOf): Promise<Batch>;
}

export async function sessionBatches(): Promise<SessionBatches> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-snowflake-"));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  let minute = 0;
  return {
    folder,
    async batch({ columns = SESSION_COLUMNS, files, of = hours(0), format = "parquet", ...more }) {
      minute += 1;
      const attempt = randomBytes(6).toString("hex");
      const extension = more.extension ?? `.${format}`;
      const staged: StagedFile[] = [];
      for (const [index, select] of files.entries()) {
        const path = join(folder, `${attempt}.${index}${extension}`);
        await connection.run(`COPY (${select}) TO '${path}' (${COPY_OPTIONS[format](extension)})`);
        const counted = await connection.runAndReadAll(`SELECT COUNT(*) FROM (${select})`);
        staged.push(await stagedFile(path, { index, rows: Number(counted.getRows()[0]?.[0]) }));
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
        readAt: more.readAt ?? new Date(Date.UTC(2026, 9, 2, 0, minute)),
        sourceVersion: "26.3.1.1",
        sourceColumns: [],
        // oxlint-disable-next-line typescript/require-await
        files: (async function* inTurn() {
          yield* staged;
        })(),
      };
    },
    async [Symbol.asyncDispose]() {
      connection.closeSync();
      await rm(folder, { recursive: true, force: true });
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

/** The begin of a SELECT that writes times as ClickHouse does into JSON and CSV. */
export const TEXT_TIMES = `SELECT * REPLACE (strftime(start_time AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS start_time,
  strftime(end_time AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS end_time,
  strftime(_exported_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS _exported_at`;

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
