/** Batches of sessions, in every format that Snowflake loads. */
import type { Batch } from "../../../destinations/destination.ts";
import type { Column } from "../../../src/models/column.ts";
import { BatchMaker, type BatchOf, column, hours } from "../../support/batches.ts";

export { column } from "../../support/batches.ts";

/** Default: hour 0, SESSION_COLUMNS, and a minute later than the batch before. */
export type SessionBatch = Partial<BatchOf> & Pick<BatchOf, "files">;

export interface SessionBatches extends AsyncDisposable {
  /** The folder of the staged files. */
  readonly folder: string;
  batch(of: SessionBatch): Promise<Batch>;
}

export async function sessionBatches(): Promise<SessionBatches> {
  const maker = await BatchMaker.open();
  let minute = 0;
  return {
    folder: maker.folder,
    async batch(given) {
      minute += 1;
      const readAt = new Date(Date.UTC(2026, 9, 2, 0, minute));
      return await maker.make({ of: hours(0), columns: SESSION_COLUMNS, readAt, ...given });
    },
    [Symbol.asyncDispose]: () => maker[Symbol.asyncDispose](),
  };
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
