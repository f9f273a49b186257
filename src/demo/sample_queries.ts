/** Queries that a BI tool might run, over a view of the lake's current rows. */
import type { EngineSql } from "./engine_sql.ts";

export const LAKE_VIEW = "lake.replays";

/** @param select the SELECT that `replayport sql` prints for ClickHouse */
export async function createLakeView(sql: EngineSql, select: string, signal: AbortSignal): Promise<void> {
  await sql.run("CREATE DATABASE IF NOT EXISTS lake", signal);
  await sql.run(`CREATE OR REPLACE VIEW ${LAKE_VIEW} AS\n${select}`, signal);
}

export interface Day {
  readonly day: string;
  readonly replays: number;
  readonly mobile: number;
  /** Replays that began in each hour of the day, UTC. */
  readonly hours: readonly number[];
}

export interface Page {
  readonly page: string;
  readonly replays: number;
  readonly failed: number;
}

export interface ReplayToWatch {
  readonly session: string;
  readonly page: string;
  readonly minutes: number;
  readonly errors: number;
  readonly score: number;
  readonly tags: string;
}

/** Each is one SELECT over `{lake}`. */
export const SAMPLE_QUERIES = {
  days: `SELECT toString(toDate(start_time)) AS day, count() AS replays, countIf(snapshot_source = 'mobile') AS mobile,
  arrayMap(hour -> countEqual(groupArray(toHour(start_time)), hour), range(24)) AS hours
FROM {lake}
GROUP BY day
ORDER BY day`,
  pages: `SELECT path(page) AS page, count() AS replays, countIf(console_error_count > 0) AS failed
FROM {lake}
ARRAY JOIN all_urls AS page
GROUP BY page
ORDER BY failed / replays DESC
LIMIT 10`,
  worth: `SELECT session_id AS session, path(first_url) AS page, duration_seconds / 60 AS minutes,
  console_error_count AS errors, surfacing_score AS score, arrayStringConcat(ai_tags_fixed, ', ') AS tags
FROM {lake}
WHERE NOT is_deleted AND snapshot_source = 'web' AND console_error_count > 0 AND duration_seconds < 1800
ORDER BY surfacing_score DESC NULLS LAST, console_error_count DESC, session_id
LIMIT 10`,
} as const;

export interface SampleResults {
  readonly days: readonly Day[];
  readonly pages: readonly Page[];
  readonly worth: readonly ReplayToWatch[];
}

export async function runSampleQueries(sql: EngineSql, lake: string, signal: AbortSignal): Promise<SampleResults> {
  const ask = <Row>(question: string): Promise<Row[]> => sql.rows<Row>(question.replace("{lake}", lake), signal);
  return {
    days: await ask<Day>(SAMPLE_QUERIES.days),
    pages: await ask<Page>(SAMPLE_QUERIES.pages),
    worth: await ask<ReplayToWatch>(SAMPLE_QUERIES.worth),
  };
}
