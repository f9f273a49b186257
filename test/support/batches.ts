/** Makes batches of any columns. DuckDB writes their files, in the forms that ClickHouse uses. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Batch, FileFormat, StagedFile } from "../../destinations/destination.ts";
import { stagedFile } from "../../destinations/files/staged_file.ts";
import { interval, intervalName, type Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";

export const EXPORT = "sessions";

/** `[hour, hour + hours)` of 1 October 2026. */
export function hours(hour: number, count = 1): Interval {
  const start = Date.UTC(2026, 9, 1, hour);
  return interval(start, start + count * 3_600_000);
}

export function column(name: string, type: Column["type"], more: Partial<Column> = {}): Column {
  return { name, type, nullable: false, privacy: "none", description: `The ${name} of a test.`, ...more };
}

export interface BatchOf {
  readonly of: Interval;
  readonly columns: readonly Column[];
  readonly key?: readonly string[];
  /** The rows of each file, as a SELECT in DuckDB's SQL. */
  readonly files: readonly string[];
  readonly format?: FileFormat;
  /** Default: the format's, not compressed. */
  readonly extension?: string;
  readonly readAt: Date;
}

export class BatchMaker implements AsyncDisposable {
  readonly folder: string;
  readonly #connection: DuckDBConnection;

  private constructor(folder: string, connection: DuckDBConnection) {
    this.folder = folder;
    this.#connection = connection;
  }

  static async open(): Promise<BatchMaker> {
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    return new BatchMaker(await mkdtemp(join(tmpdir(), "replayport-batches-")), connection);
  }

  async make({ of, columns, files, readAt, format = "parquet", ...more }: BatchOf): Promise<Batch> {
    const attempt = randomBytes(6).toString("hex");
    const extension = more.extension ?? `.${format}`;
    const staged: StagedFile[] = [];
    for (const [index, select] of files.entries()) {
      const path = join(this.folder, `${attempt}.${index}${extension}`);
      const copy = `COPY (${written(select, columns, format)}) TO '${path}' (${optionsOf(columns, format, extension)})`;
      const copied = await this.#connection.runAndReadAll(copy);
      staged.push(await stagedFile(path, { index, rows: Number(copied.getRows()[0]?.[0]) }));
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
      readAt,
      // A model may have none.
      watermark: files.length === 0 ? undefined : new Date(Math.floor(readAt.getTime() / 1000 - 1) * 1000),
      sourceVersion: "26.3.1.1",
      sourceColumns: [],
      // oxlint-disable-next-line typescript/require-await -- a list that is pulled from.
      files: (async function* each() {
        yield* staged;
      })(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** In text, times are ISO in UTC. CSV has no lists, so they are JSON. */
function written(select: string, columns: readonly Column[], format: FileFormat): string {
  if (format === "parquet") return select;
  const iso = (time: string): string => `strftime(${time} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')`;
  const items = columns.map(({ name, type }) => {
    const item = `"${name}"`;
    const value =
      type === "timestamp" ? iso(item) : type === "timestamp[]" ? `[${iso("each")} FOR each IN ${item}]` : item;
    return `${format === "csv" && type.endsWith("[]") ? `to_json(${value})::VARCHAR` : value} AS ${item}`;
  });
  return `SELECT ${items.join(", ")} FROM (${select})`;
}

function optionsOf(columns: readonly Column[], format: FileFormat, extension: string): string {
  const packing = { gz: ", COMPRESSION gzip", zst: ", COMPRESSION zstd" }[extension.split(".").at(-1) ?? ""] ?? "";
  if (format === "parquet") return "FORMAT parquet";
  if (format === "jsonl") return `FORMAT json${packing}`;
  const quoted = columns.filter(({ type }) => !["int64", "float64", "bool"].includes(type)).map(({ name }) => name);
  return String.raw`FORMAT csv, HEADER, NULLSTR '\N', FORCE_QUOTE (${quoted.join(", ")})${packing}`;
}
