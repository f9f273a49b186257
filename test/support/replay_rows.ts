/**
 * What the source holds, by a statement written by hand that shares nothing with the model's SELECT.
 */
import type { ClickHouseClient } from "@clickhouse/client";

export interface Row {
  readonly key: string;
  readonly [column: string]: unknown;
}

export async function sourceRows(client: ClickHouseClient, database: string): Promise<Row[]> {
  const result = await client.query({
    query: `
      SELECT concat(toString(team_id), '/', session_id) AS key,
        toUnixTimestamp64Micro(min(min_first_timestamp)) AS start_us,
        toUnixTimestamp64Micro(max(max_last_timestamp)) AS end_us,
        toUnixTimestamp(max(_timestamp)) AS ingested,
        sum(click_count) AS clicks, sum(message_count) AS messages, argMinMerge(first_url) AS first_url,
        arraySort(groupUniqArrayArray(all_urls)) AS urls, arraySort(groupUniqArrayArray(ai_tags_fixed)) AS tags,
        max(is_deleted) = 1 AS deleted, max(retention_period_days) AS retention,
        toFloat64(max(surfacing_score)) AS score, coalesce(argMinMerge(snapshot_source), 'web') AS source,
        toUnixTimestamp(toStartOfDay(min(min_first_timestamp)) + toIntervalDay(coalesce(max(retention_period_days), 30))) AS expires
      FROM ${database}.session_replay_events GROUP BY team_id, session_id ORDER BY team_id, session_id`,
    format: "JSONEachRow",
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<Row>();
  return rows.map((row) => ({ ...row, deleted: Boolean(row["deleted"]) }));
}
