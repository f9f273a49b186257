/**
 * Compares the lake with the source: the current row of every session against the source's aggregate, column by column. The
 * aggregate is written by hand here, over the whole table and without intervals, to expose mistakes in the model's queries.
 */
import type { EngineSql } from "./engine_sql.ts";

export interface Proof {
  readonly source: number;
  readonly lake: number;
  /** Sessions that only the source has. */
  readonly missing: number;
  /** Sessions that only the lake has. */
  readonly unknown: number;
  /** Rows beyond the first of a session among the lake's current rows. */
  readonly doubled: number;
  /** Sessions with at least one different column. */
  readonly different: number;
  readonly differentColumns: readonly string[];
  /** One session that is missing, unknown or different. */
  readonly example: string;
}

const active = "sum(active_milliseconds) / 1000";
// Each row of a recording has its block, and no other row has one.
const began = "arrayMin(groupArrayArray(block_first_timestamps))";
const ended = "arrayMax(groupArrayArray(block_last_timestamps))";
const seconds = `dateDiff('second', ${began}, ${ended})`;
/** The row of a deleted session says nothing of its person. */
const personal = (value: string, none = "NULL"): string => `if(max(is_deleted) = 1, ${none}, ${value})`;
const micros = (time: string): string => `toUnixTimestamp64Micro(toDateTime64(${time}, 6, 'UTC'))`;

/** The lake's column, the source's aggregate, and how both become comparable where their types differ. */
const COMPARED: readonly (readonly [column: string, aggregate: string, as?: (value: string) => string])[] = [
  ["start_time", began, micros],
  ["end_time", ended, micros],
  ["duration_seconds", seconds],
  ["active_seconds", active],
  ["inactive_seconds", `${seconds} - ${active}`],
  ["first_url", personal("argMinMerge(first_url)")],
  ["all_urls", personal("arraySort(groupUniqArrayArray(all_urls))", "[]")],
  ["click_count", "sum(click_count)"],
  ["keypress_count", "sum(keypress_count)"],
  ["mouse_activity_count", "sum(mouse_activity_count)"],
  ["active_milliseconds", "sum(active_milliseconds)"],
  ["console_log_count", "sum(console_log_count)"],
  ["console_warn_count", "sum(console_warn_count)"],
  ["console_error_count", "sum(console_error_count)"],
  ["size", "sum(size)"],
  ["message_count", "sum(message_count)"],
  ["event_count", "sum(event_count)"],
  ["snapshot_source", "coalesce(argMinMerge(snapshot_source), 'web')"],
  ["snapshot_library", "argMinMerge(snapshot_library)"],
  ["snapshot_mode", "argMinMerge(snapshot_mode_v2)"],
  ["retention_period_days", "max(retention_period_days)"],
  ["is_deleted", "max(is_deleted)", (value) => `toUInt8(${value})`],
  ["deleted_at", "if(max(is_deleted) = 1, max(max_last_timestamp), NULL)", micros],
  ["ai_tags_fixed", "arraySort(groupUniqArrayArray(ai_tags_fixed))"],
  ["ai_tags_freeform", personal("arraySort(groupUniqArrayArray(ai_tags_freeform))", "[]")],
  ["ai_highlighted", "max(ai_highlighted)", (value) => `toUInt8(${value})`],
  ["surfacing_score", "toFloat64(max(surfacing_score))"],
  [
    "activity_score",
    `if(sum(mouse_activity_count) + ${seconds} + sum(console_error_count) + sum(console_log_count) + sum(console_warn_count) = 0, 0,
      round((${active} + sum(click_count) + sum(keypress_count) + sum(console_error_count)) / (sum(mouse_activity_count) +
      ${seconds} + sum(console_error_count) + sum(console_log_count) + sum(console_warn_count)) * 100, 2))`,
  ],
  ["expires_at", `addDays(toStartOfDay(${began}, 'UTC'), coalesce(max(retention_period_days), 30))`, micros],
  ["_ingested_at", "max(_timestamp)", micros],
];

export const COMPARED_COLUMNS: readonly string[] = COMPARED.map(([column]) => column);

const text = (value: string): string => `ifNull(toString(${value}), 'NULL')`;
const same = (value: string): string => value;

/** Gives one row, a Proof. `table` is the source's; `lake` is a SELECT or a view of the lake's current rows. */
export function proofSql(table: string, lake: string): string {
  const expected = COMPARED.map(([, aggregate, as = same]) => text(as(aggregate)));
  const found = COMPARED.map(([column, , as = same]) => text(as(`\`${column}\``)));
  const names = COMPARED_COLUMNS.map((name) => `'${name}'`).join(", ");
  return `WITH
  source AS (SELECT team_id, session_id, [${expected.join(",\n    ")}] AS fields, 1 AS here FROM ${table} GROUP BY team_id, session_id),
  lake AS (SELECT team_id, session_id, any([${found.join(", ")}]) AS fields, count() AS here FROM ${lake} GROUP BY team_id, session_id),
  pairs AS (
    SELECT source.here AS in_source, lake.here AS in_lake, if(in_source > 0, source.session_id, lake.session_id) AS session,
      if(in_source > 0 AND in_lake > 0, arrayFilter((name, a, b) -> a != b, [${names}], source.fields, lake.fields), []) AS differing
    FROM source FULL OUTER JOIN lake ON source.team_id = lake.team_id AND source.session_id = lake.session_id
  )
SELECT countIf(in_source > 0) AS source, countIf(in_lake > 0) AS lake, countIf(in_lake = 0) AS missing,
  countIf(in_source = 0) AS unknown, sumIf(in_lake - 1, in_lake > 1) AS doubled, countIf(notEmpty(differing)) AS different,
  arraySort(groupUniqArrayArray(differing)) AS differentColumns,
  minIf(session, in_lake = 0 OR in_source = 0 OR in_lake > 1 OR notEmpty(differing)) AS example
FROM pairs SETTINGS join_use_nulls = 0`;
}

export async function prove(sql: EngineSql, table: string, lake: string, signal: AbortSignal): Promise<Proof> {
  const [proof] = await sql.rows<Proof>(proofSql(table, lake), signal);
  if (!proof) throw new Error("a query without GROUP BY gave no row");
  return proof;
}

/** An empty source proves nothing. */
export function holds(proof: Proof): boolean {
  const { source, missing, unknown, doubled, different } = proof;
  return source > 0 && missing + unknown + doubled + different === 0;
}
