/** The current rows of session replays, in the source and in a lake, in one shape that can be compared. */
import type { ClickHouseClient } from "@clickhouse/client";
import { DuckDBInstance } from "@duckdb/node-api";
import type { DataFolder } from "../../destinations/destination.ts";
import { currentRowsSql } from "../../destinations/lake/index.ts";
import { type ExportDefinition, fileExtension } from "../../src/export/definition.ts";
import type { Column } from "../../src/models/column.ts";
import { SESSION_REPLAYS } from "../../src/models/session_replays.ts";
import { exportedColumns } from "../../src/models/session_replays_query.ts";
import { filesBelow } from "./temporary_folder.ts";

export interface Row {
  readonly key: string;
  readonly [column: string]: unknown;
}

/** The fields of a row besides its key, by the model's column. Times are microseconds since 1970. */
const COLUMNS = {
  start_us: "start_time",
  end_us: "end_time",
  ingested_us: "_ingested_at",
  expires_us: "expires_at",
  clicks: "click_count",
  messages: "message_count",
  first_url: "first_url",
  urls: "all_urls",
  tags: "ai_tags_fixed",
  deleted: "is_deleted",
  retention: "retention_period_days",
  score: "surfacing_score",
  source: "snapshot_source",
  version: "_version",
} as const;

export const FIELDS: readonly { readonly field: string; readonly column: Column }[] = Object.entries(COLUMNS).map(
  ([field, name]) => {
    const column = SESSION_REPLAYS.find((one) => one.name === name);
    if (!column) throw new Error(`session_replays has no column ${name}`);
    return { field, column };
  },
);

/**
 * By a statement written by hand, which shares nothing with the model's SELECT. Start and end are those of the blocks; a
 * marker alone has none, and starts and ends at the deletion.
 */
export async function sourceRows(client: ClickHouseClient, database: string): Promise<Row[]> {
  const result = await client.query({
    query: `
      SELECT concat(toString(team_id), '/', session_id) AS key,
        if(empty(groupArrayArray(block_first_timestamps)), min(min_first_timestamp), arrayMin(groupArrayArray(block_first_timestamps))) AS start,
        if(empty(groupArrayArray(block_last_timestamps)), max(max_last_timestamp), arrayMax(groupArrayArray(block_last_timestamps))) AS end,
        toUnixTimestamp64Micro(start) AS start_us, toUnixTimestamp64Micro(end) AS end_us,
        toUnixTimestamp(max(_timestamp)) * 1000000 AS ingested_us,
        sum(click_count) AS clicks, sum(message_count) AS messages, argMinMerge(first_url) AS first_url,
        arraySort(groupUniqArrayArray(all_urls)) AS urls, arraySort(groupUniqArrayArray(ai_tags_fixed)) AS tags,
        max(is_deleted) = 1 AS deleted, max(retention_period_days) AS retention,
        toFloat64(max(surfacing_score)) AS score, coalesce(argMinMerge(snapshot_source), 'web') AS source,
        toUnixTimestamp(toStartOfDay(start) + toIntervalDay(coalesce(max(retention_period_days), 30))) * 1000000 AS expires_us
      FROM ${database}.session_replay_events GROUP BY team_id, session_id ORDER BY team_id, session_id`,
    format: "JSONEachRow",
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<Row>();
  return rows.map(({ start: _start, end: _end, ...row }) => ({ ...row, deleted: Boolean(row["deleted"]) }));
}

/** One for all reads of a process: to open it takes longer than to read a small lake. */
let duckdb: Promise<DuckDBInstance> | undefined;

/** Without what only a destination's rows have: their place in the order of reads, and whether they match. */
export function withoutVersion({ version: _, exported: __, matches: ___, ...row }: Row): Row {
  return row;
}

export async function lakeRows(folder: string, definition: ExportDefinition): Promise<Row[]> {
  return (await versionedLakeRows(folder, definition)).map(withoutVersion);
}

/**
 * The current row of each session, by key, of a lake in a folder, by the SELECT that `replayport sql` prints.
 * @param given what manifests name. Default: where the export goes today
 */
export async function versionedLakeRows(
  folder: string,
  definition: ExportDefinition,
  given?: readonly DataFolder[],
): Promise<Row[]> {
  const extension = fileExtension(definition.format, definition.compression);
  const [first = { path: definition.path, extension, columns: [] }, ...others] = given ?? [];
  const files = await filesBelow(folder);
  if (!files.some((file) => file.endsWith(first.extension))) return [];
  const current = currentRowsSql({
    reader: "duckdb",
    options: { type: "file", path: folder },
    export: definition.name,
    folders: [first, ...others],
    columns: exportedColumns(definition.selection),
    key: ["team_id", "session_id"],
  });
  const items = FIELDS.map(
    ({ field, column: { name, type } }) => `${field}: ${type === "timestamp" ? `epoch_us(${name})` : name}`,
  );
  duckdb ??= DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await (await duckdb).connect();
  try {
    const reader = await connection.runAndReadAll(
      `SELECT to_json({ key: team_id || '/' || session_id, ${items.join(", ")} }) AS row FROM (${current}) ORDER BY team_id, session_id`,
    );
    return reader.getRowObjectsJS().map((row) => JSON.parse(row["row"] as string) as Row);
  } finally {
    connection.closeSync();
  }
}
