/**
 * The model `session_replays`: one row per (team_id, session_id), assembled from the partial rows of PostHog's
 * `session_replay_events`. This table is the only definition of the columns: the SELECT, the types of the files, the DDL of
 * a warehouse and the docs are made from it.
 *
 * `value` computes a column from the values of READS (session_replays_reads.ts), by their keys. If a cluster lacks a source
 * column, its value is a typed NULL.
 */
import type { Column } from "./column.ts";
import { type ReadName, VERSION_SQL, VERSION_USES } from "./session_replays_reads.ts";

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
    name: "deleted_at",
    type: "timestamp",
    nullable: true,
    value: "deleted_on",
    uses: ["deleted_on"],
    description: "When the recording was deleted.",
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
    // Not toStartOfDay and intervals: those have 32 bits, which end in 2106. Day 120,529 is the last of 2299, where
    // DateTime64 ends.
    value:
      "fromUnixTimestamp64Micro(least(toInt64(toDate32(first_seen)) + least(ifNull(retention, 30), 1000000), 120529) * 86400000000)",
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
    type: "string",
    value: VERSION_SQL,
    uses: VERSION_USES,
    description:
      "Sorts as text: of two rows of a session the one with the higher version is current. A deleted one is higher, then the one that was read more fully.",
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
