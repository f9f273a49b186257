/** Batches of rows that look like session replays, in every format that a warehouse loads. */
import type { Batch, FileFormat } from "../../destinations/destination.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { BatchMaker, column } from "../support/batches.ts";

export const REPLAY_COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string", { privacy: "identifier" }),
  column("distinct_id", "string", { privacy: "identifier", nullable: true }),
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  column("first_url", "string", { privacy: "content", nullable: true }),
  column("all_urls", "string[]", { privacy: "content" }),
  column("blocks", "timestamp[]"),
  column("score", "float64", { nullable: true }),
  column("is_deleted", "bool"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

export interface ReplayRow {
  /** Null: a row without its key. */
  readonly session: string | null;
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
  readonly #maker: BatchMaker;

  private constructor(maker: BatchMaker) {
    this.#maker = maker;
  }

  static async open(): Promise<ReplayBatches> {
    return new ReplayBatches(await BatchMaker.open());
  }

  /** One file, or none for no rows. */
  async batch(of: Interval, rows: readonly ReplayRow[], options: ReplayBatchOptions = {}): Promise<Batch> {
    const { format = "parquet", gzip = false, columns = REPLAY_COLUMNS, readAt = new Date() } = options;
    const names = columns.map(({ name }) => name).join(", ");
    const all = rows.map((row) => selectOf(row, readAt)).join(" UNION ALL ");
    const files = rows.length === 0 ? [] : [`SELECT ${names} FROM (${all})`];
    return await this.#maker.make({ of, columns, files, readAt, format, extension: `.${format}${gzip ? ".gz" : ""}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#maker[Symbol.asyncDispose]();
  }
}

function selectOf({ session, version, start, end, deleted = false, ...row }: ReplayRow, readAt: Date): string {
  const url = row.url === undefined ? `https://acme.test/${session}` : row.url;
  const time = (at: string): string => `TIMESTAMPTZ '${at}+00'`;
  const values = {
    team_id: "1::BIGINT",
    session_id: text(session),
    distinct_id: text(`person of ${session}`),
    start_time: time(start),
    end_time: time(end),
    first_url: text(url),
    all_urls: `[${(row.urls ?? [url ?? ""]).map(text).join(", ")}]::VARCHAR[]`,
    blocks: `[${time(start)}, ${time(end)}]`,
    score: `${version / 4}::DOUBLE`,
    is_deleted: String(deleted),
    _version: `${version}::BIGINT`,
    _exported_at: time(readAt.toISOString().replace("T", " ").replace("Z", "")),
  };
  return `SELECT ${Object.entries(values)
    .map(([name, value]) => `${value} AS ${name}`)
    .join(", ")}`;
}

function text(value: string | null): string {
  return value === null ? "NULL::VARCHAR" : `'${value.replaceAll("'", "''")}'`;
}
