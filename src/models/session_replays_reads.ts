/**
 * What is read of each column of PostHog's `session_replay_events`: how its partial rows become one value, and what that
 * value adds to `_version`. session_replays.ts computes the exported columns from these values.
 */

/** How the partial rows of one source column become one value. `type` is ClickHouse's, as the value leaves the grouping. */
export interface ReadColumn {
  readonly source: string;
  readonly type: string;
  /** The aggregate function where the column is a plain or SimpleAggregateFunction column. */
  readonly plain: (column: string) => string;
  readonly version: VersionTerm;
}

/**
 * What a value adds to `_version`: a term that grows whenever a partial row changes the value, and never falls. `none` for
 * a value that changes only together with another one that has a term; it says with which.
 */
export type VersionTerm = keyof typeof TERMS | { readonly none: string };

const TERMS = {
  /** A sum of counts, or the maximum of a flag or of such a number. */
  number: (value) => `ifNull(${value}, 0)`,
  /** The maximum of a number that may be 0, where no value is less than 0. */
  days: (value) => `ifNull(${value}, -1) + 1`,
  /** A set of distinct values. */
  set: (value) => `length(${value})`,
  /** The first value that any row carries. */
  presence: (value) => `${value} IS NOT NULL`,
  /** The maximum of a time. */
  latest: (value) => `toUnixTimestamp64Micro(${value})`,
  /** The minimum of a time. */
  earliest: (value) => `-toUnixTimestamp64Micro(${value})`,
  /** The maximum of a Float32, as its order-preserving bit pattern. */
  float32: (value) =>
    `if(${value} IS NULL, 0, if(${value} < 0, 2147483648 - reinterpretAsUInt32(abs(${value})), 2147483648 + reinterpretAsUInt32(${value})))`,
} as const satisfies Record<string, (value: string) => string>;

const sum = (column: string): string => `sum(${column})`;
const max = (column: string): string => `max(${column})`;
const uniqArray = (column: string): string => `groupUniqArrayArray(${column})`;
const concatArray = (column: string): string => `groupArrayArray(${column})`;
// argMin passes over NULLs, so a session keeps the first value that any of its rows carries.
const first = (column: string): string => `argMin(${column}, min_first_timestamp)`;

const counter = (source: string) =>
  ({ source, type: "Nullable(Int64)", plain: sum, version: "number" }) satisfies ReadColumn;
const flag = (source: string) =>
  ({ source, type: "Nullable(UInt8)", plain: max, version: "number" }) satisfies ReadColumn;
const text = (source: string) =>
  ({ source, type: "Nullable(String)", plain: first, version: "presence" }) satisfies ReadColumn;
const strings = (source: string) =>
  ({ source, type: "Array(String)", plain: uniqArray, version: "set" }) satisfies ReadColumn;
const blocks = (source: string, type: string) =>
  ({
    source,
    type,
    plain: concatArray,
    version: { none: "A row with a block has messages and bytes, which are counted." },
  }) satisfies ReadColumn;

/** Every source column that is read; the key names the value in the SQL of session_replays.ts. */
export const READS = {
  first_seen: {
    source: "min_first_timestamp",
    type: "DateTime64(6)",
    plain: (c) => `min(${c})`,
    version: "earliest",
  },
  last_seen: { source: "max_last_timestamp", type: "DateTime64(6)", plain: max, version: "latest" },
  ingested: { source: "_timestamp", type: "DateTime64(6)", plain: max, version: "latest" },
  distinct: {
    source: "distinct_id",
    type: "Nullable(String)",
    plain: (c) => `argMax(${c}, max_last_timestamp)`,
    version: { none: "It changes with a later row, which moves last_seen." },
  },
  block_starts: blocks("block_first_timestamps", "Array(DateTime64(6))"),
  block_ends: blocks("block_last_timestamps", "Array(DateTime64(6))"),
  block_links: blocks("block_urls", "Array(String)"),
  landing: text("first_url"),
  urls: strings("all_urls"),
  clicks: counter("click_count"),
  keypresses: counter("keypress_count"),
  mouse: counter("mouse_activity_count"),
  active_ms: counter("active_milliseconds"),
  logs: counter("console_log_count"),
  warns: counter("console_warn_count"),
  errors: counter("console_error_count"),
  bytes: counter("size"),
  messages: counter("message_count"),
  events: counter("event_count"),
  origin: text("snapshot_source"),
  library: text("snapshot_library"),
  mode: text("snapshot_mode_v2"),
  retention: { source: "retention_period_days", type: "Nullable(Int64)", plain: max, version: "days" },
  deleted: flag("is_deleted"),
  tags: strings("ai_tags_fixed"),
  free_tags: strings("ai_tags_freeform"),
  highlighted: flag("ai_highlighted"),
  score: { source: "surfacing_score", type: "Nullable(Float32)", plain: max, version: "float32" },
} as const satisfies Record<string, ReadColumn>;

export type ReadName = keyof typeof READS;

/** The columns without which a table is no session_replay_events. */
export const REQUIRED_SOURCES = ["team_id", "session_id", "min_first_timestamp", "max_last_timestamp", "_timestamp"];

const terms = (Object.keys(READS) as ReadName[]).flatMap((name) => {
  const { version } = READS[name];
  return typeof version === "string" ? [{ name, sql: TERMS[version](name) }] : [];
});

/** The values that `_version` is computed from. */
export const VERSION_USES: readonly ReadName[] = terms.map(({ name }) => name);

/**
 * `_version` grows with every change of a session and never falls, so that a late or repeated load can't put an old row
 * back. Each term only grows when a partial row is added, and a sum of such terms grows as soon as one does. It stays below
 * 2^53 (about 285 years of microseconds), so JSON readers keep it exact.
 *
 * It doesn't depend on which columns are exported: two exports with other rules agree on it.
 */
export const VERSION_SQL = terms.map(({ sql }) => `(${sql})`).join(" + ");
