/** A replay table of PostHog's shape in an embedded engine, with a source that reads it and rows to put into it. */
import type { ClickHouseClient } from "@clickhouse/client";
import { createReplayTables } from "../../src/demo/replay_table.ts";
import type { Source } from "../../src/export/source.ts";
import { type ClickHouseOptions, openClickHouse } from "../../src/clickhouse/clickhouse.ts";

/** One partial row, as PostHog's consumer inserts it. Times are microseconds since the epoch. */
export interface PartialRow {
  readonly team: number;
  readonly session: string;
  readonly firstMicros: number;
  readonly lastMicros: number;
  /** Whole seconds since the epoch. */
  readonly ingested: number;
  readonly url?: string;
  readonly urls?: readonly string[];
  readonly clicks?: number;
  readonly messages?: number;
  readonly retention?: number;
  readonly deleted?: boolean;
  readonly tags?: readonly string[];
  readonly score?: number;
  readonly mobile?: boolean;
}

export interface ReplaySource extends AsyncDisposable {
  readonly source: Source;
  readonly database: string;
  insert(rows: readonly PartialRow[]): Promise<void>;
  /** Merges what ClickHouse would merge some day. */
  merge(): Promise<void>;
  truncate(): Promise<void>;
}

export async function replaySource(client: ClickHouseClient, options: ClickHouseOptions): Promise<ReplaySource> {
  const { database } = options;
  for (const query of createReplayTables(database)) await client.command({ query });
  const table = `${database}.session_replay_events`;
  const source = await openClickHouse(options);
  return {
    source,
    database,
    insert: async (rows) => await insertRows(client, table, rows),
    merge: async () => void (await client.command({ query: `OPTIMIZE TABLE ${table} FINAL` })),
    truncate: async () => void (await client.command({ query: `TRUNCATE TABLE ${table}` })),
    [Symbol.asyncDispose]: async () => await source[Symbol.asyncDispose](),
  };
}

async function insertRows(client: ClickHouseClient, table: string, rows: readonly PartialRow[]): Promise<void> {
  const values = rows.map((row) => ({
    session: row.session,
    team: row.team,
    first: row.firstMicros,
    last: row.lastMicros,
    ingested: row.ingested,
    url: row.url ?? null,
    urls: row.urls ?? (row.url === undefined ? [] : [row.url]),
    clicks: row.clicks ?? 0,
    messages: row.messages ?? 1,
    retention: row.retention ?? null,
    deleted: row.deleted === true ? 1 : 0,
    tags: row.tags ?? [],
    score: row.score ?? null,
    origin: row.mobile === undefined ? null : row.mobile ? "mobile" : "web",
  }));
  const lines = values.map(({ origin, ...row }, index) =>
    JSON.stringify({ ...row, origin_text: origin, row_number: index }),
  );
  // Parameters travel in the address, which servers want to be short.
  for (let from = 0; from < lines.length;) {
    let until = from + 1;
    for (let size = lines[from]?.length ?? 0; until < lines.length && size < 4000; until += 1)
      size += lines[until]?.length ?? 0;
    await insertLines(client, table, lines.slice(from, until).join("\n"));
    from = until;
  }
}

async function insertLines(client: ClickHouseClient, table: string, lines: string): Promise<void> {
  await client.command({
    query: `INSERT INTO ${table}
  (session_id, team_id, distinct_id, min_first_timestamp, max_last_timestamp, first_url, all_urls, click_count,
   active_milliseconds, size, message_count, event_count, snapshot_source, _timestamp, retention_period_days, is_deleted,
   ai_tags_fixed, surfacing_score)
SELECT session, team, concat('user-', session), first_at, last_at, argMinState(url, first_at), urls, clicks,
   clicks * 1500, clicks * 100, messages, messages * 3, argMinState(origin, first_at), toDateTime(ingested, 'UTC'),
   retention, deleted, tags, score
FROM (
  SELECT *, fromUnixTimestamp64Micro(first, 'UTC') AS first_at, fromUnixTimestamp64Micro(last, 'UTC') AS last_at,
    CAST(origin_text, 'LowCardinality(Nullable(String))') AS origin
  FROM format(JSONEachRow, 'session String, team Int64, first Int64, last Int64, ingested UInt32, url Nullable(String),
    urls Array(String), clicks Int64, messages Int64, retention Nullable(Int64), deleted UInt8, tags Array(String),
    score Nullable(Float32), origin_text Nullable(String), row_number UInt32', {rows:String})
)
GROUP BY row_number, session, team, first, last, first_at, last_at, urls, clicks, messages, ingested, retention, deleted, tags, score`,
    query_params: { rows: lines },
  });
}

/** How to reach an engine that asks for no password. */
export function openOptions(url: string, database: string): ClickHouseOptions {
  return { url, username: "default", password: "", database, table: "session_replay_events", requestTimeoutMs: 60_000 };
}
