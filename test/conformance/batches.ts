/** Batches of small Parquet files. */
import type { Batch, StagedFile } from "../../destinations/destination.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import { BatchMaker, column } from "../support/batches.ts";

export { EXPORT, hours } from "../support/batches.ts";

export const COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string"),
  column("first_url", "string", { nullable: true }),
  column("all_urls", "string[]"),
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  column("value", "int64"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

export interface TestRow {
  readonly session: string;
  readonly value: number;
  readonly version: number;
  /** Default: noon of 1 October 2026. */
  readonly start?: string;
  /** Default: the start. */
  readonly end?: string;
}

export interface BatchOptions {
  /** Minutes after which the source was read. Default: one more than the batch before. */
  readonly readMinute?: number;
  /** Stands between the staged files and the destination. */
  readonly through?: (files: AsyncIterable<StagedFile>) => AsyncIterable<StagedFile>;
}

/** Makes batches, and removes their files at the end. */
export class Batches implements AsyncDisposable {
  readonly #maker: BatchMaker;
  #minute = 0;

  private constructor(maker: BatchMaker) {
    this.#maker = maker;
  }

  static async open(): Promise<Batches> {
    return new Batches(await BatchMaker.open());
  }

  /** One file for each list of rows. */
  async batch(of: Interval, files: readonly (readonly TestRow[])[], options: BatchOptions = {}): Promise<Batch> {
    this.#minute = options.readMinute ?? this.#minute + 1;
    const readAt = new Date(Date.UTC(2026, 9, 2, 0, this.#minute));
    const selects = files.map((rows) => selectOf(rows, readAt));
    const batch = await this.#maker.make({ of, columns: COLUMNS, files: selects, readAt });
    return options.through ? { ...batch, files: options.through(batch.files) } : batch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#maker[Symbol.asyncDispose]();
  }
}

function selectOf(rows: readonly TestRow[], readAt: Date): string {
  const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
  const values = rows.map(
    ({ session, value, version, start = "2026-10-01 12:00:00", end = start }) =>
      `(1::BIGINT, ${text(session)}, NULL::VARCHAR, [${text(`https://acme.test/${session}`)}], TIMESTAMP '${start}', TIMESTAMP '${end}', ${value}::BIGINT, ${version}::BIGINT, TIMESTAMP '${readAt.toISOString().slice(0, 19)}')`,
  );
  return `SELECT * FROM (VALUES ${values.join(", ")}) AS t(${COLUMNS.map(({ name }) => name).join(", ")})`;
}
