/**
 * PostHog's table of session replays, as a cluster has it. The demo, the bench and the tests use it. Taken from
 * PostHog's public table definitions of October 2026.
 */
import { identifier, secondParameter } from "../models/sql.ts";

const TIME = "DateTime64(6, 'UTC')";
const first = (type: string): string => `AggregateFunction(argMin, ${type}, ${TIME})`;
const simple = (how: string, type: string): string => `SimpleAggregateFunction(${how}, ${type})`;

/** Name and type of each column, in the table's order. */
export const REPLAY_COLUMNS = [
  ["session_id", "String"],
  ["team_id", "Int64"],
  ["distinct_id", "String"],
  ["min_first_timestamp", simple("min", TIME)],
  ["max_last_timestamp", simple("max", TIME)],
  ["block_first_timestamps", simple("groupArrayArray", `Array(${TIME})`)],
  ["block_last_timestamps", simple("groupArrayArray", `Array(${TIME})`)],
  ["block_urls", simple("groupArrayArray", "Array(String)")],
  ["first_url", first("Nullable(String)")],
  ["all_urls", simple("groupUniqArrayArray", "Array(String)")],
  ["click_count", simple("sum", "Int64")],
  ["keypress_count", simple("sum", "Int64")],
  ["mouse_activity_count", simple("sum", "Int64")],
  ["active_milliseconds", simple("sum", "Int64")],
  ["console_log_count", simple("sum", "Int64")],
  ["console_warn_count", simple("sum", "Int64")],
  ["console_error_count", simple("sum", "Int64")],
  ["size", simple("sum", "Int64")],
  ["message_count", simple("sum", "Int64")],
  ["event_count", simple("sum", "Int64")],
  ["snapshot_source", first("LowCardinality(Nullable(String))")],
  ["snapshot_library", first("Nullable(String)")],
  ["snapshot_mode_v2", first("Nullable(String)")],
  ["_timestamp", simple("max", "DateTime")],
  ["retention_period_days", simple("max", "Nullable(Int64)")],
  ["is_deleted", `${simple("max", "UInt8")} DEFAULT 0`],
  ["ai_tags_fixed", simple("groupUniqArrayArray", "Array(String)")],
  ["ai_tags_freeform", simple("groupUniqArrayArray", "Array(String)")],
  ["ai_highlighted", `${simple("max", "UInt8")} DEFAULT 0`],
  ["surfacing_score", simple("max", "Nullable(Float32)")],
] as const satisfies readonly (readonly [name: string, type: string])[];

export type ReplayColumn = (typeof REPLAY_COLUMNS)[number][0];

export const REPLAY_TABLE = "session_replay_events";

const COLUMN_LIST = REPLAY_COLUMNS.map(([name, type]) => `  ${name} ${type}`).join(",\n");
export const COLUMN_NAMES = REPLAY_COLUMNS.map(([name]) => name).join(", ");

/** Statements, to run in this order, that create the database and its table of replays. */
export function createReplayTables(database: string, table = REPLAY_TABLE): readonly string[] {
  return [
    `CREATE DATABASE IF NOT EXISTS ${identifier(database)}`,
    `CREATE TABLE ${identifier(database)}.${identifier(table)} (
${COLUMN_LIST}
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(min_first_timestamp)
ORDER BY (toDate(min_first_timestamp), team_id, session_id)
SETTINGS index_granularity = 512, allow_dimensions_outside_sorting_key = 1`,
  ];
}

/** A table of rows that haven't arrived yet, with the time at which each becomes visible in the table of replays. */
export function createWaitingTable(waiting: string, options = ""): string {
  return `CREATE TABLE IF NOT EXISTS ${waiting} (\n${COLUMN_LIST},\n  visible_at DateTime('UTC')\n)
ENGINE = MergeTree ORDER BY visible_at ${options}`;
}

/** Otherwise ClickHouse would merge the rows of a session within one INSERT. */
export const KEEP_PARTIAL_ROWS = "SETTINGS optimize_on_insert = 0";

/** Becomes true for each waiting row exactly once as `until` advances. */
export function visible(after: Date, until: Date): string {
  return `visible_at > '${secondParameter(after)}' AND visible_at <= '${secondParameter(until)}'`;
}

/** Moves rows from a waiting table to the table of replays. */
export function insertVisible(table: string, waiting: string, condition: string): string {
  return `INSERT INTO ${table} (${COLUMN_NAMES}) ${KEEP_PARTIAL_ROWS}\nSELECT ${COLUMN_NAMES} FROM ${waiting} WHERE ${condition}`;
}
