/** The settings that each query carries. Sources: ClickHouse's documentation of settings and formats, and its behaviour. */
import type { ClickHouseSettings } from "@clickhouse/client";
import type { FileFormat } from "../../destinations/destination.ts";
import type { Compression, QueryLimits } from "../export/definition.ts";

/**
 * A user's profile may let ClickHouse truncate a result silently. Here a limit that is reached is always an error: the one
 * thing that must not happen is a row that is missing without a word.
 */
const NOTHING_LEFT_OUT: ClickHouseSettings = {
  result_overflow_mode: "throw",
  read_overflow_mode: "throw",
  timeout_overflow_mode: "throw",
  group_by_overflow_mode: "throw",
  distinct_overflow_mode: "throw",
  set_overflow_mode: "throw",
  transfer_overflow_mode: "throw",
  limit: "0",
  offset: "0",
  skip_unavailable_shards: 0,
  // Seconds. A replica that lags more isn't used; if all lag, the query fails and is retried.
  max_replica_delay_for_distributed_queries: "120",
  fallback_to_stale_replicas_for_distributed_queries: 0,
};

/** Times are UTC, whatever the server's zone. */
const UTC: ClickHouseSettings = { session_timezone: "UTC" };

export function limitSettings(limits: QueryLimits): ClickHouseSettings {
  return {
    ...NOTHING_LEFT_OUT,
    ...UTC,
    max_memory_usage: String(limits.memoryBytes),
    // Half, as ClickHouse's documentation advises: merging what was spilled needs about as much again.
    max_bytes_before_external_group_by: String(Math.floor(limits.memoryBytes / 2)),
    max_execution_time: limits.seconds,
    ...(limits.threads > 0 ? { max_threads: limits.threads } : {}),
  };
}

/** Nothing is sent until the query has ended: a true status and a final row count, instead of an error after HTTP 200. */
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

export function formatSettings(format: FileFormat, compression: Compression): ClickHouseSettings {
  if (format !== "parquet") {
    return {
      enable_http_compression: compression === "none" ? 0 : 1,
      date_time_output_format: "iso",
      output_format_json_quote_64bit_integers: 0,
      output_format_json_quote_denormals: 1,
    };
  }
  return {
    enable_http_compression: 0,
    output_format_parquet_compression_method: compression,
    output_format_parquet_string_as_string: 1,
    // Small enough for readers to skip by min and max, large enough to compress well.
    output_format_parquet_row_group_size: "122880",
  };
}

/** The word for Accept-Encoding. Parquet is compressed inside. */
export function acceptEncoding(format: FileFormat, compression: Compression): string {
  if (format === "parquet" || compression === "none" || compression === "snappy") return "identity";
  return { zstd: "zstd", gzip: "gzip", brotli: "br", lz4: "lz4" }[compression];
}
