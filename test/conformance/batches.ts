/** Batches of small Parquet files, written by DuckDB. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Batch, StagedFile } from "../../destinations/destination.ts";
import { stagedFile } from "../../destinations/files/staged_file.ts";
import { interval, intervalName, type Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";

export const EXPORT = "sessions";

export const COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string"),
  { ...column("first_url", "string"), nullable: true },
  column("all_urls", "string[]"),
  column("value", "int64"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

export interface TestRow {
  readonly session: string;
  readonly value: number;
  readonly version: number;
}

/** `[hour, hour + hours)` of 1 October 2026. */
export function hours(hour: number, count = 1): Interval {
  const start = Date.UTC(2026, 9, 1, hour);
  return interval(start, start + count * 3_600_000);
}

export interface BatchOptions {
  /** Minutes after which the source was read; counted up from one batch to the next where it is not given. */
  readonly readMinute?: number;
  /** Stands between the staged files and the destination. */
  readonly through?: (files: AsyncIterable<StagedFile>) => AsyncIterable<StagedFile>;
}

/** Makes batches, and holds the folder of their files. */
export class Batches implements AsyncDisposable {
  readonly #folder: string;
  readonly #connection: DuckDBConnection;
  #minute = 0;

  private constructor(folder: string, connection: DuckDBConnection) {
    this.#folder = folder;
    this.#connection = connection;
  }

  static async open(): Promise<Batches> {
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    return new Batches(await mkdtemp(join(tmpdir(), "replayport-batches-")), await instance.connect());
  }

  /** One file for each list of rows. */
  async batch(of: Interval, files: readonly (readonly TestRow[])[], options: BatchOptions = {}): Promise<Batch> {
    this.#minute = options.readMinute ?? this.#minute + 1;
    const readAt = new Date(Date.UTC(2026, 9, 2, 0, this.#minute));
    const attempt = randomBytes(6).toString("hex");
    const staged: StagedFile[] = [];
    for (const [index, rows] of files.entries()) staged.push(await this.#stage(attempt, index, rows, readAt));
    const source = inTurn(staged);
    return {
      id: `${EXPORT}/${intervalName(of)}`,
      export: EXPORT,
      interval: of,
      attempt,
      format: "parquet",
      extension: ".parquet",
      columns: COLUMNS,
      key: ["team_id", "session_id"],
      fingerprint: "0123456789abcdef",
      readAt,
      sourceVersion: "26.3.1.1",
      sourceColumns: [],
      files: options.through ? options.through(source) : source,
    };
  }

  async #stage(attempt: string, index: number, rows: readonly TestRow[], readAt: Date): Promise<StagedFile> {
    const path = join(this.#folder, `${attempt}.${index}.parquet`);
    const values = rows.map(
      ({ session, value, version }) =>
        `(1::BIGINT, '${session}', NULL::VARCHAR, ['https://acme.test/${session}'], ${value}::BIGINT, ${version}::BIGINT, TIMESTAMP '${readAt.toISOString().slice(0, 19)}')`,
    );
    const names = COLUMNS.map(({ name }) => name).join(", ");
    await this.#connection.run(
      `COPY (SELECT * FROM (VALUES ${values.join(", ")}) AS t(${names})) TO '${path}' (FORMAT parquet)`,
    );
    return await stagedFile(path, { index, rows: rows.length });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function column(name: string, type: Column["type"]): Column {
  return { name, type, nullable: false, privacy: "none", description: `The ${name} of a test.` };
}

// oxlint-disable-next-line typescript/require-await
async function* inTurn<Item>(items: readonly Item[]): AsyncIterable<Item> {
  yield* items;
}
