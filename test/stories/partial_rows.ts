/** Partial rows of session_replay_events as PostHog's writers insert them. Times are milliseconds since the epoch. */
import type { ClickHouseClient } from "@clickhouse/client";

export interface Partial {
  readonly session: string;
  readonly team?: number;
  readonly distinct: string;
  readonly firstMicros: number;
  readonly lastMicros: number;
  readonly ingested: number;
  readonly blocks: boolean;
  readonly url?: string | undefined;
  readonly clicks?: number | undefined;
  readonly messages: number;
  readonly retention?: number | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly score?: number | undefined;
  readonly deleted?: boolean;
}

export interface Recorded {
  readonly team?: number;
  readonly start: number;
  readonly seconds?: number;
  /** When PostHog ingested it: at its end, unless said otherwise. */
  readonly ingested?: number;
  readonly clicks?: number;
  readonly url?: string;
  readonly distinct?: string;
  readonly retention?: number;
}

/** What the recordings consumer writes: a block of a session. */
export function recording(session: string, { start, seconds = 60, ...more }: Recorded): Partial {
  const end = start + seconds * 1000;
  return {
    session,
    team: more.team ?? 1,
    distinct: more.distinct ?? `person-of-${session}`,
    firstMicros: start * 1000,
    lastMicros: end * 1000,
    ingested: more.ingested ?? end,
    blocks: true,
    url: more.url ?? `https://example.com/${session}`,
    clicks: more.clicks ?? 3,
    messages: 1,
    retention: more.retention,
  };
}

/** `createDeletionBlockMetadata`: first = last = the time of the deletion, nobody's distinct_id, nothing counted. */
export function deletion(session: string, at: number, team = 1): Partial {
  const micros = at * 1000;
  return {
    session,
    team,
    distinct: "",
    firstMicros: micros,
    lastMicros: micros,
    ingested: at,
    blocks: false,
    messages: 0,
    deleted: true,
  };
}

/** Tags and scores come at the session's start + 1 µs, with its distinct_id. */
export function tagging(
  session: string,
  of: { readonly start: number; readonly at: number; readonly team?: number },
): Partial {
  const micros = of.start * 1000 + 1;
  return {
    session,
    team: of.team ?? 1,
    distinct: `person-of-${session}`,
    firstMicros: micros,
    lastMicros: micros,
    ingested: of.at,
    blocks: false,
    messages: 0,
    tags: ["checkout"],
    score: 0.5,
  };
}

/** `count` sessions, a second apart, named after `name`. */
export function recordings(name: string, count: number, of: Recorded): Partial[] {
  return Array.from({ length: count }, (_, index) =>
    recording(`${name}-${String(index).padStart(4, "0")}`, { ...of, start: of.start + index * 1000 }),
  );
}

const STRUCT = [
  "session String, team Int64, distinct String, firstMicros Int64, lastMicros Int64, ingested Int64, blocks Bool",
  "url Nullable(String), clicks Int64, messages Int64, retention Nullable(Int64), tags Array(String)",
  "score Nullable(Float32), deleted Bool, line UInt32",
].join(", ");
/** Well below ClickHouse's max_query_size. */
const LINES = 500;

export async function insertPartials(client: ClickHouseClient, table: string, rows: readonly Partial[]): Promise<void> {
  for (let from = 0; from < rows.length; from += LINES) {
    const lines = rows
      .slice(from, from + LINES)
      .map((row, line) => JSON.stringify({ clicks: 0, tags: [], ...row, line }));
    await client.command({
      query: `INSERT INTO ${table}
  (session_id, team_id, distinct_id, min_first_timestamp, max_last_timestamp, block_first_timestamps, block_last_timestamps,
   block_urls, first_url, all_urls, click_count, active_milliseconds, size, message_count, event_count, snapshot_source,
   _timestamp, retention_period_days, is_deleted, ai_tags_fixed, surfacing_score)
SELECT session, team, distinct, first_at, last_at, if(blocks, [first_at], []), if(blocks, [last_at], []),
  if(blocks, ['s3://recordings/block'], []), argMinState(url, first_at), if(url IS NULL, [], [assumeNotNull(url)]), clicks,
  clicks * 1500, clicks * 100, messages, messages * 3,
  argMinState(CAST(if(blocks, 'web', NULL), 'LowCardinality(Nullable(String))'), first_at),
  toDateTime(intDiv(ingested, 1000), 'UTC'), retention, deleted, tags, score
FROM (SELECT *, fromUnixTimestamp64Micro(firstMicros, 'UTC') AS first_at, fromUnixTimestamp64Micro(lastMicros, 'UTC') AS last_at
  FROM format(JSONEachRow, '${STRUCT}', $rows$${lines.join("\n")}$rows$))
GROUP BY line, session, team, distinct, first_at, last_at, blocks, url, clicks, messages, ingested, retention, deleted, tags, score`,
    });
  }
}
