/** Batches of rows that look like session replays, in every format that a warehouse loads. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Batch, FileFormat, StagedFile } from "../../destinations/destination.ts";
import { stagedFile } from "../../destinations/files/staged_file.ts";
import { intervalName, type Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { EXPORT } from "../conformance/batches.ts";

export const REPLAY_COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  { ...column("session_id", "string"), privacy: "identifier" },
  { ...column("distinct_id", "string"), privacy: "identifier", nullable: true },
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  { ...column("first_url", "string"), privacy: "content", nullable: true },
  { ...column("all_urls", "string[]"), privacy: "content" },
  column("blocks", "timestamp[]"),
  { ...column("score", "float64"), nullable: true },
  column("is_deleted", "bool"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

export interface ReplayRow {
  readonly session: string;
  readonly version: number;
  /** `2026-10-01 00:00:00.123456`, in UTC. */
  readonly start: string;
  readonly end: string;
  readonly deleted?: boolean;
  readonly url?: string | null;
  readonly urls?: readonly string[];
}

export interface ReplayBatchOptions {
  readonly format?: FileFormat;
  readonly gzip?: boolean;
  readonly readAt?: Date;
  readonly columns?: readonly Column[];
}

export class ReplayBatches implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<ReplayBatches> {
    return new ReplayBatches(await mkdtemp(join(tmpdir(), "replayport-batches-")));
  }

  /** One file, or none for no rows. */
  async batch(of: Interval, rows: readonly ReplayRow[], options: ReplayBatchOptions = {}): Promise<Batch> {
    const { format = "parquet", gzip = false, columns = REPLAY_COLUMNS, readAt = new Date() } = options;
    const attempt = randomBytes(6).toString("hex");
    const extension = `.${format}${gzip ? ".gz" : ""}`;
    const files =
      rows.length === 0 ? [] : [await this.#stage(attempt, extension, rows, { format, gzip, columns, readAt })];
    return {
      id: `${EXPORT}/${intervalName(of)}`,
      export: EXPORT,
      interval: of,
      attempt,
      format,
      extension,
      columns,
      key: ["team_id", "session_id"],
      fingerprint: "0123456789abcdef",
      readAt,
      sourceVersion: "26.3.1.1",
      sourceColumns: [],
      files: inTurn(files),
    };
  }

  async #stage(
    attempt: string,
    extension: string,
    rows: readonly ReplayRow[],
    { format, gzip, columns, readAt }: Required<Pick<ReplayBatchOptions, "format" | "gzip" | "columns" | "readAt">>,
  ): Promise<StagedFile> {
    const path = join(this.#folder, `${attempt}${extension}`);
    const records = rows.map((row) => recordOf(row, readAt));
    const names = columns.map(({ name }) => name);
    if (format === "parquet") {
      await writeParquet(path, records, columns);
    } else {
      const lines =
        format === "jsonl"
          ? records.map((record) => JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name]]))))
          : [names.join(","), ...records.map((record) => names.map((name) => csv(record[name])).join(","))];
      const text = `${lines.join("\n")}\n`;
      await writeFile(path, gzip ? gzipSync(text) : text);
    }
    return await stagedFile(path, { rows: rows.length });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function recordOf(row: ReplayRow, readAt: Date): Record<string, unknown> {
  const url = row.url === undefined ? `https://acme.test/${row.session}` : row.url;
  return {
    team_id: 1,
    session_id: row.session,
    distinct_id: `person of ${row.session}`,
    start_time: iso(row.start),
    end_time: iso(row.end),
    first_url: url,
    all_urls: row.urls ?? [url ?? ""],
    blocks: [iso(row.start), iso(row.end)],
    score: row.version / 4,
    is_deleted: row.deleted ?? false,
    _version: row.version,
    _exported_at: iso(readAt.toISOString().replace("T", " ").replace("Z", "000")),
  };
}

/** As ClickHouse writes it with `date_time_output_format = 'iso'`. */
function iso(time: string): string {
  return `${time.replace(" ", "T")}Z`;
}

function csv(value: unknown): string {
  if (value === null || value === undefined) return "\\N";
  if (Array.isArray(value)) return quoted(JSON.stringify(value));
  return typeof value === "string" ? quoted(value) : JSON.stringify(value);
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

const DUCKDB: Readonly<Record<Column["type"], string>> = {
  string: "VARCHAR",
  int64: "BIGINT",
  float64: "DOUBLE",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMPTZ",
  "string[]": "VARCHAR[]",
  "timestamp[]": "TIMESTAMPTZ[]",
};

/** TIMESTAMPTZ is what ClickHouse writes too: microseconds, adjusted to UTC. */
async function writeParquet(
  path: string,
  records: readonly Record<string, unknown>[],
  columns: readonly Column[],
): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const json = `${path}.json`;
    await writeFile(json, records.map((record) => JSON.stringify(record)).join("\n"));
    const types = columns.map(
      ({ name, type }) => `'${name}': '${type.startsWith("timestamp") ? "VARCHAR" : DUCKDB[type]}'`,
    );
    const wanted = types.map((item, index) =>
      columns[index]?.type === "timestamp[]" ? item.replace("'VARCHAR'", "'VARCHAR[]'") : item,
    );
    const items = columns.map(({ name, type }) => `CAST("${name}" AS ${DUCKDB[type]}) AS "${name}"`);
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(
      `COPY (SELECT ${items.join(", ")} FROM read_json('${json}', format = 'newline_delimited', columns = {${wanted.join(", ")}})) TO '${path}' (FORMAT parquet)`,
    );
  } finally {
    connection.closeSync();
  }
}

function column(name: string, type: Column["type"]): Column {
  return { name, type, nullable: false, privacy: "none", description: `The ${name} of a test.` };
}

// oxlint-disable-next-line typescript/require-await
async function* inTurn<Item>(items: readonly Item[]): AsyncIterable<Item> {
  yield* items;
}
