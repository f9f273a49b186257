/**
 * The model `session_replays`: one row per (team_id, session_id), assembled from the partial rows of PostHog's
 * `session_replay_events`. This table is the only definition of the columns: the SELECT, the types of the files, the DDL of
 * a warehouse and the docs are made from it.
 *
 * `read` assembles a value from partial rows; it stands in the query that groups. `value` computes what is exported from
 * such values, which it names by the keys of READS. A part whose source column a cluster lacks is a typed NULL.
 */
import type { Column } from "./column.ts";

/** How the partial rows of one source column become one value. `type` is ClickHouse's, as the value leaves the grouping. */
export interface ReadColumn {
  readonly source: string;
  readonly type: string;
  /** The aggregate function where the column is a plain or SimpleAggregateFunction column. */
  readonly plain: (column: string) => string;
}

const sum = (column: string): string => `sum(${column})`;
const max = (column: string): string => `max(${column})`;
const uniqArray = (column: string): string => `groupUniqArrayArray(${column})`;
const concatArray = (column: string): string => `groupArrayArray(${column})`;
// argMin passes over NULLs, so a session keeps the first value that any of its rows carries.
const first = (column: string): string => `argMin(${column}, min_first_timestamp)`;

const counter = (source: string): ReadColumn => ({ source, type: "Nullable(Int64)", plain: sum });
const text = (source: string): ReadColumn => ({ source, type: "Nullable(String)", plain: first });
const strings = (source: string, plain = uniqArray): ReadColumn => ({ source, type: "Array(String)", plain });
const times = (source: string): ReadColumn => ({ source, type: "Array(DateTime64(6))", plain: concatArray });

/** Every source column that is read; the key names the value in `value` below. */
export const READS = {
  first_seen: { source: "min_first_timestamp", type: "DateTime64(6)", plain: (c) => `min(${c})` },
  last_seen: { source: "max_last_timestamp", type: "DateTime64(6)", plain: max },
  ingested: { source: "_timestamp", type: "DateTime64(6)", plain: max },
  distinct: { source: "distinct_id", type: "Nullable(String)", plain: (c) => `argMax(${c}, max_last_timestamp)` },
  block_starts: times("block_first_timestamps"),
  block_ends: times("block_last_timestamps"),
  block_links: strings("block_urls", concatArray),
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
  retention: { source: "retention_period_days", type: "Nullable(Int64)", plain: max },
  deleted: { source: "is_deleted", type: "Nullable(UInt8)", plain: max },
  tags: strings("ai_tags_fixed"),
  free_tags: strings("ai_tags_freeform"),
  highlighted: { source: "ai_highlighted", type: "Nullable(UInt8)", plain: max },
  score: { source: "surfacing_score", type: "Nullable(Float32)", plain: max },
} as const satisfies Record<string, ReadColumn>;

export type ReadName = keyof typeof READS;

/** The columns without which a table is no session_replay_events. */
export const REQUIRED_SOURCES = ["team_id", "session_id", "min_first_timestamp", "max_last_timestamp", "_timestamp"];

export interface ModelColumn extends Column {
  /** ClickHouse SQL over the values of READS, `team_id`, `session_id` and the query's parameters. */
  readonly value: string;
  /** The values that `value` names: what a query has to read for it. */
  readonly uses: readonly ReadName[];
  /** Left out unless the config includes it. */
  readonly optIn?: true;
}

const active = "(ifNull(active_ms, 0) / 1000)";
const duration = "dateDiff('second', first_seen, last_seen)";
const zero = (name: ReadName): string => `ifNull(${name}, 0)`;

const activityParts = [active, zero("clicks"), zero("keypresses"), zero("errors")].join(" + ");
const activityWhole = [zero("mouse"), duration, zero("errors"), zero("logs"), zero("warns")].join(" + ");

/**
 * Grows with every change of a session and never falls, so that a late or repeated load cannot put an old row back. Each
 * term can only grow when a partial row is added: the newest ingestion time, the length of the session to both sides,
 * the counters, the numbers of distinct URLs and tags, the flags, the days of retention, and the score as its
 * order-preserving bit pattern. A sum of such terms grows as soon as one does. It stays below 2^53 (about 285 years of
 * microseconds), so JSON readers keep it exact.
 *
 * It does not depend on which columns are exported: two exports with other rules agree on it.
 */
const versionTerms = [
  "toUnixTimestamp64Micro(ingested)",
  "toUnixTimestamp64Micro(last_seen) - toUnixTimestamp64Micro(first_seen)",
  ...(["active_ms", "clicks", "keypresses", "mouse", "logs", "warns", "errors"] as const).map(zero),
  ...(["bytes", "messages", "events", "deleted", "highlighted"] as const).map(zero),
  "length(urls) + length(tags) + length(free_tags)",
  "(landing IS NOT NULL) + (origin IS NOT NULL) + (library IS NOT NULL) + (mode IS NOT NULL)",
  "ifNull(retention, -1) + 1",
  "if(score IS NULL, 0, if(score < 0, 2147483648 - reinterpretAsUInt32(abs(score)), 2147483648 + reinterpretAsUInt32(score)))",
];

type Row = Omit<ModelColumn, "nullable" | "privacy"> & Partial<Pick<ModelColumn, "nullable" | "privacy">>;
const column = (row: Row): ModelColumn => ({ nullable: false, privacy: "none", ...row });

const count = (name: string, uses: ReadName, description: string): ModelColumn =>
  column({ name, type: "int64", nullable: true, value: uses, uses: [uses], description });

export const SESSION_REPLAYS_KEY = ["team_id", "session_id"] as const;

export const SESSION_REPLAYS: readonly ModelColumn[] = [
  column({ name: "team_id", type: "int64", value: "team_id", uses: [], description: "PostHog's project." }),
  column({
    name: "session_id",
    type: "string",
    privacy: "identifier",
    value: "session_id",
    uses: [],
    description: "The session, as on the events' $session_id.",
  }),
  column({
    name: "distinct_id",
    type: "string",
    nullable: true,
    privacy: "identifier",
    value: "distinct",
    uses: ["distinct"],
    description: "The person's distinct id in the latest partial row that survived; best effort where it changed.",
  }),
  column({
    name: "start_time",
    type: "timestamp",
    value: "first_seen",
    uses: ["first_seen"],
    description: "First snapshot, by the client's clock.",
  }),
  column({
    name: "end_time",
    type: "timestamp",
    value: "last_seen",
    uses: ["last_seen"],
    description: "Last snapshot so far, by the client's clock.",
  }),
  column({
    name: "duration_seconds",
    type: "int64",
    value: duration,
    uses: ["first_seen", "last_seen"],
    description: "From start_time to end_time, as the application counts it.",
  }),
  column({
    name: "active_seconds",
    type: "float64",
    value: active,
    uses: ["active_ms"],
    description: "Time with activity of the user.",
  }),
  column({
    name: "inactive_seconds",
    type: "float64",
    value: `${duration} - ${active}`,
    uses: ["first_seen", "last_seen", "active_ms"],
    description: "duration_seconds less active_seconds.",
  }),
  column({
    name: "first_url",
    type: "string",
    nullable: true,
    privacy: "content",
    value: "landing",
    uses: ["landing"],
    description: "The first page of the session.",
  }),
  column({
    name: "all_urls",
    type: "string[]",
    privacy: "content",
    value: "arraySort(urls)",
    uses: ["urls"],
    description: "Every page of the session, each once, sorted.",
  }),
  count("click_count", "clicks", "Clicks."),
  count("keypress_count", "keypresses", "Key presses."),
  count("mouse_activity_count", "mouse", "Mouse events of any kind."),
  count("active_milliseconds", "active_ms", "Time with activity of the user, as it is stored."),
  count("console_log_count", "logs", "Console lines of level log or info."),
  count("console_warn_count", "warns", "Console lines of level warn."),
  count("console_error_count", "errors", "Console lines of level error."),
  count("size", "bytes", "Bytes ingested."),
  count("message_count", "messages", "Kafka messages ingested."),
  count("event_count", "events", "Snapshot events ingested."),
  column({
    name: "snapshot_source",
    type: "string",
    value: "ifNull(origin, 'web')",
    uses: ["origin"],
    description: "web or mobile.",
  }),
  column({
    name: "snapshot_library",
    type: "string",
    nullable: true,
    value: "library",
    uses: ["library"],
    description: "The SDK that recorded.",
  }),
  column({
    name: "snapshot_mode",
    type: "string",
    nullable: true,
    value: "mode",
    uses: ["mode"],
    description: "screenshot or wireframe; mobile only.",
  }),
  count("retention_period_days", "retention", "Days that the recording is kept, where the project sets them."),
  column({
    name: "is_deleted",
    type: "bool",
    nullable: true,
    value: "deleted > 0",
    uses: ["deleted"],
    description: "The recording was deleted: its link is dead.",
  }),
  column({
    name: "ai_tags_fixed",
    type: "string[]",
    value: "arraySort(tags)",
    uses: ["tags"],
    description: "Tags out of PostHog's fixed list, sorted.",
  }),
  column({
    name: "ai_tags_freeform",
    type: "string[]",
    privacy: "content",
    value: "arraySort(free_tags)",
    uses: ["free_tags"],
    description: "Tags in a model's own words, sorted.",
  }),
  column({
    name: "ai_highlighted",
    type: "bool",
    nullable: true,
    value: "highlighted > 0",
    uses: ["highlighted"],
    description: "PostHog's models think it worth watching.",
  }),
  column({
    name: "surfacing_score",
    type: "float64",
    nullable: true,
    value: "score",
    uses: ["score"],
    description: "How much PostHog's models think it worth watching.",
  }),
  column({
    name: "activity_score",
    type: "float64",
    // Where nothing at all happened the application shows no score; a division by zero would be one in a file.
    value: `if((${activityWhole}) = 0, 0, round((${activityParts}) / (${activityWhole}) * 100, 2))`,
    uses: ["active_ms", "clicks", "keypresses", "errors", "mouse", "logs", "warns", "first_seen", "last_seen"],
    description: "Activity in percent, by the application's formula.",
  }),
  column({
    name: "expires_at",
    type: "timestamp",
    value: "toStartOfDay(first_seen) + toIntervalDay(ifNull(retention, 30))",
    uses: ["first_seen", "retention"],
    description:
      "From then on the recording cannot be watched: day of start_time plus retention_period_days, or 30 days.",
  }),
  column({
    name: "replay_url",
    type: "string",
    nullable: true,
    privacy: "identifier",
    value:
      "if({posthog_url:String} = '', NULL, concat({posthog_url:String}, '/project/', toString(team_id), '/replay/', session_id))",
    uses: [],
    description: "Where to watch it; empty unless the config has posthog_url.",
  }),
  column({
    name: "block_first_timestamps",
    type: "timestamp[]",
    optIn: true,
    value: "block_starts",
    uses: ["block_starts"],
    description: "Start of each block of the recording.",
  }),
  column({
    name: "block_last_timestamps",
    type: "timestamp[]",
    optIn: true,
    value: "block_ends",
    uses: ["block_ends"],
    description: "End of each block of the recording.",
  }),
  column({
    name: "block_urls",
    type: "string[]",
    optIn: true,
    privacy: "content",
    value: "block_links",
    uses: ["block_links"],
    description: "Where each block is stored: names buckets inside PostHog. May hold empty strings.",
  }),
  column({
    name: "blocks_aligned",
    type: "bool",
    optIn: true,
    value: "length(block_starts) = length(block_ends) AND length(block_starts) = length(block_links)",
    uses: ["block_starts", "block_ends", "block_links"],
    description: "The three block columns have one length, so their entries belong together.",
  }),
  column({
    name: "_ingested_at",
    type: "timestamp",
    value: "ingested",
    uses: ["ingested"],
    description: "When PostHog last ingested something of the session, to the second.",
  }),
  column({
    name: "_version",
    type: "int64",
    value: versionTerms.map((term) => `(${term})`).join(" + "),
    uses: Object.keys(READS).filter((name): name is ReadName => !name.startsWith("block_") && name !== "distinct"),
    description:
      "Grows with every change of the session: of two rows of a session the one with the higher version is current.",
  }),
  column({
    name: "_exported_at",
    type: "timestamp",
    value: "{exported_at:DateTime64(6)}",
    uses: [],
    description: "When Replayport read the row.",
  }),
  column({
    name: "_interval_start",
    type: "timestamp",
    value: "{interval_start:DateTime64(6)}",
    uses: [],
    description: "Start of the data interval that the row was exported with.",
  }),
];
