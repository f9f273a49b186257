/**
 * The settings of each query. Those that an answer depends on are in the query's own SETTINGS clause: a proxy may drop
 * parameters of the URL, and a clause wins over the user's profile. docs/adr/0013-the-sources-word-is-checked.md
 *
 * Sources: ClickHouse's documentation of settings and formats, and its behaviour.
 */
import type { ClickHouseSettings } from "@clickhouse/client";
import type { FileFormat } from "../../destinations/destination.ts";
import type { Compression, QueryLimits } from "../export/definition.ts";

export type Settings = Readonly<Record<string, string | number>>;

/**
 * With another value of one of these, an answer would lack rows, have too many, or have other values in them, without an
 * error. Read back before each run (`droppedSettings`). All of them exist since ClickHouse 23.10.
 */
export const DECISIVE = {
  // A limit that is reached must be an error. Modes `any` and `break` end the query early, and it succeeds.
  result_overflow_mode: "throw",
  read_overflow_mode: "throw",
  read_overflow_mode_leaf: "throw",
  timeout_overflow_mode: "throw",
  timeout_overflow_mode_leaf: "throw",
  group_by_overflow_mode: "throw",
  distinct_overflow_mode: "throw",
  set_overflow_mode: "throw",
  join_overflow_mode: "throw",
  sort_overflow_mode: "throw",
  transfer_overflow_mode: "throw",
  // limits.memory bounds a GROUP BY, which spills to disk. A limit of rows would only refuse large intervals.
  max_rows_to_group_by: 0,
  // LIMIT and OFFSET around every query.
  limit: 0,
  offset: 0,
  // Filters that apply to a table or to every result.
  additional_result_filter: "",
  additional_table_filters: "{}",
  // 0 shows rows that a DELETE has removed.
  apply_deleted_mask: 1,
  // A cancelled query would succeed with the rows so far.
  partial_result_on_first_cancel: 0,
  // A count of some minutes ago may be 0.
  use_query_cache: 0,
  // A shard that is away, or is skipped by its sharding key, is missing rows.
  skip_unavailable_shards: 0,
  optimize_skip_unused_shards: 0,
  // 1 and 2 don't merge the groups of shards: a session would come once per shard, in pieces.
  distributed_group_by_no_merge: 0,
  // Seconds. A replica that lags more isn't used; if all lag, the query fails and is retried.
  max_replica_delay_for_distributed_queries: 120,
  fallback_to_stale_replicas_for_distributed_queries: 0,
  // What an aggregate, a CAST and a name mean in our SQL.
  aggregate_functions_null_for_empty: 0,
  empty_result_for_aggregation_by_empty_set: 0,
  cast_keep_nullable: 0,
  prefer_column_name_to_alias: 0,
  // Times are UTC, whatever the server's zone.
  session_timezone: "UTC",
  // The text formats as destinations read them. `extremes` adds two rows to CSV.
  extremes: 0,
  date_time_output_format: "iso",
  date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands: 0,
  bool_true_representation: "true",
  bool_false_representation: "false",
  output_format_json_array_of_rows: 0,
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_64bit_floats: 0,
  output_format_json_quote_denormals: 1,
  format_csv_delimiter: ",",
  format_csv_null_representation: "\\N",
  output_format_csv_crlf_end_of_line: 0,
  output_format_parquet_string_as_string: 1,
} as const satisfies Settings;

export function limitSettings(limits: QueryLimits): Settings {
  return {
    max_memory_usage: limits.memoryBytes,
    // Half, as ClickHouse's documentation advises: merging what was spilled needs about as much again.
    max_bytes_before_external_group_by: Math.floor(limits.memoryBytes / 2),
    max_execution_time: limits.seconds,
    ...(limits.threads > 0 ? { max_threads: limits.threads } : {}),
  };
}

/** What ClickHouse writes by default, and no reader of our files gains from: a quarter of the file, a sixth of the query's work. */
const LEAN_PARQUET = {
  // Of every column. Readers look for the current row of a session in all files.
  output_format_parquet_write_bloom_filter: 0,
  // Rows come in no order, so a page has the same min and max as its row group.
  output_format_parquet_write_page_index: 0,
  // Dictionaries of a megabyte are made, and then given up, for columns whose values differ.
  output_format_parquet_max_dictionary_size: 65_536,
} as const satisfies Settings;

/** @param version of the server; undefined if it isn't known. An older one would refuse a setting that it doesn't know */
export function formatSettings(format: FileFormat, compression: Compression, version: string | undefined): Settings {
  if (format !== "parquet") return {};
  return {
    output_format_parquet_compression_method: compression,
    // Small enough for readers to skip by min and max, large enough to compress well.
    output_format_parquet_row_group_size: 122_880,
    ...(isAtLeast(version, 26, 1) ? LEAN_PARQUET : {}),
  };
}

function isAtLeast(version: string | undefined, major: number, minor: number): boolean {
  const [first = 0, second = 0] = (version ?? "").split(".").map(Number);
  return first > major || (first === major && second >= minor);
}

function literal(value: string | number): string {
  // A map is no text.
  if (typeof value === "number" || value === "{}") return String(value);
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** DECISIVE and the given settings, as the clause that ends a query. */
export function settingsClause(settings: Settings): string {
  const all = Object.entries({ ...DECISIVE, ...settings });
  return `SETTINGS ${all.map(([name, value]) => `${name} = ${literal(value)}`).join(", ")}`;
}

/** An expression for the values of DECISIVE as they hold in the query that it's in: an Array(String), in their order. */
export const EFFECTIVE_SETTINGS = `[${Object.keys(DECISIVE)
  .map((name) => `toString(getSetting('${name}'))`)
  .join(", ")}]`;

/** The decisive settings that don't hold, each as `name = value`. @param effective the value of EFFECTIVE_SETTINGS */
export function droppedSettings(effective: readonly string[]): string[] {
  // A Bool is text as `true`, and was a number in older versions.
  const plain = (value: string): string => ({ true: "1", false: "0" })[value] ?? value;
  return Object.entries(DECISIVE).flatMap(([name, value], at) => {
    const found = effective[at] ?? "";
    return plain(found) === plain(String(value)) ? [] : [`${name} = ${found}`];
  });
}

/**
 * Settings of the HTTP interface, which reads them before it parses the query: parameters of the URL. Nothing depends on
 * them. Where they are honoured, an error comes as a status instead of as a broken answer after HTTP 200.
 */
export const WAIT_FOR_END: ClickHouseSettings = {
  wait_end_of_query: 1,
  // Keeps load balancers from closing an idle connection. Once a minute, since headers add up until the answer ends.
  send_progress_in_http_headers: 1,
  http_headers_progress_interval_ms: "60000",
  cancel_http_readonly_queries_on_client_close: 1,
};

export const FORMAT_NAMES = { parquet: "Parquet", jsonl: "JSONEachRow", csv: "CSVWithNames" } as const satisfies Record<
  FileFormat,
  string
>;

/**
 * The Content-Encoding of a file's answer. Parquet is compressed inside, and its footer proves that it is whole. Text has
 * no end that could be checked, but a compressed stream has: so text is always compressed on its way.
 */
export function wireEncoding(format: FileFormat, compression: Compression): "identity" | "zstd" | "gzip" | "br" {
  if (format === "parquet") return "identity";
  return compression === "zstd" ? "zstd" : compression === "brotli" ? "br" : "gzip";
}

export function wireSettings(format: FileFormat, compression: Compression): ClickHouseSettings {
  return {
    enable_http_compression: format === "parquet" ? 0 : 1,
    ...(compression === "none" ? { http_zlib_compression_level: "1" } : {}),
  };
}
