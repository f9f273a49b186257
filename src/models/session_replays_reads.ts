/**
 * What is read of each column of PostHog's `session_replay_events`: how its partial rows become one value, and what that
 * value adds to `_version`. session_replays.ts computes the exported columns from these values.
 */
import { type Correction, MOST_CORRECTIONS } from "./correction.ts";
import type { Parameter } from "./model.ts";
import { identifier, timeParameter } from "./sql.ts";

/**
 * When a recording began and ended, and when it was deleted: aggregates over a session's partial rows, for the columns that a
 * cluster has.
 *
 * PostHog deletes a recording by a marker: a row with `is_deleted = 1` whose first and last timestamps are the time of the
 * deletion, and which counts nothing and names nobody. If it falls on the session's own day and shard, it merges with the
 * session's row: the merged row's timestamps then span the deletion too, but its blocks still say when the recording began
 * and ended. So a marker measures nothing, and a merged row is measured by its blocks. Conditions in the aggregates, not
 * `if` inside of them: ClickHouse would compute the arrays' extremes for every row.
 */
export interface Span {
  readonly began: string;
  readonly ended: string;
  readonly deletedAt: string;
  /** Whether a row measures something: it's no marker. */
  readonly measured: string;
  /** How many corrections the session has had. */
  readonly corrected: string;
}

/**
 * Counted by the day of each partial row: rows of different days never merge, so another row never lowers the number. A
 * session that has lost its rows of these days isn't the corrected one any more.
 */
function correctionsOf(corrections: readonly Correction[]): string {
  const counted = corrections.map(
    (_, index) =>
      `(countIf(min_first_timestamp >= {corrected_from_${index}:DateTime64(6, 'UTC')} AND min_first_timestamp < {corrected_until_${index}:DateTime64(6, 'UTC')}) > 0)`,
  );
  return counted.length === 0 ? "0" : counted.join(" + ");
}

/** What the SQL of `spanOf` names. */
export function correctionParameters(corrections: readonly Correction[]): Record<string, Parameter> {
  return Object.fromEntries(
    corrections.flatMap(({ from, until }, index) => [
      [`corrected_from_${index}`, timeParameter(from)],
      [`corrected_until_${index}`, timeParameter(until)],
    ]),
  );
}

export function spanOf(has: (source: string) => boolean, corrections: readonly Correction[]): Span {
  const corrected = correctionsOf(corrections);
  const [first, last] = ["min_first_timestamp", "max_last_timestamp"];
  if (!has("is_deleted")) {
    return {
      began: `min(${first})`,
      ended: `max(${last})`,
      deletedAt: `maxOrNullIf(${last}, 0)`,
      measured: "1",
      corrected,
    };
  }
  const blocks = has("block_first_timestamps") && has("block_last_timestamps");
  const counted = [
    ...(blocks ? ["empty(block_first_timestamps)"] : []),
    ...(has("message_count") ? ["message_count > 0"] : []),
  ];
  const measured = has("message_count") ? `is_deleted = 0 OR (${counted.join(" AND ")})` : "is_deleted = 0";
  const [starts, ends] = [`minOrNullIf(${first}, ${measured})`, `maxOrNullIf(${last}, ${measured})`];
  // Of a marker whose session's rows are gone, only the time of the deletion is known.
  const only = `min(${first})`;
  const deletedAt = `maxOrNullIf(${last}, is_deleted = 1)`;
  if (!blocks)
    return { began: `ifNull(${starts}, ${only})`, ended: `ifNull(${ends}, ${only})`, deletedAt, measured, corrected };
  const blockStarts = "minOrNullArrayIf(block_first_timestamps, is_deleted = 1)";
  const blockEnds = "maxOrNullArrayIf(block_last_timestamps, is_deleted = 1)";
  const least = `least(${starts}, ${blockStarts}), ${starts}, ${blockStarts}`;
  const greatest = `greatest(${ends}, ${blockEnds}), ${ends}, ${blockEnds}`;
  const earliest = `minOrNullIf(${first}, is_deleted = 1)`;
  return {
    began: `coalesce(${least}, ${only})`,
    ended: `coalesce(${greatest}, ${only})`,
    // By a client's clock that is ahead, a session may begin after its deletion.
    deletedAt: `if(${deletedAt} <= ${blockEnds} AND ${earliest} < ${blockStarts}, ${earliest}, ${deletedAt})`,
    measured,
    corrected,
  };
}

/** How the partial rows of one source column become one value. `type` is ClickHouse's, as the value leaves the grouping. */
export interface ReadColumn {
  readonly source: string;
  readonly type: string;
  /** The aggregate function where the column is a plain or SimpleAggregateFunction column. */
  readonly plain: (column: string, span: Span) => string;
  readonly version: VersionTerm;
}

/**
 * What a value adds to `_version`: a term that grows whenever a partial row changes the value, and never falls. `none` for
 * a value that changes only together with another one that has a term; it says with which.
 */
export type VersionTerm = keyof typeof TERMS | { readonly none: string };

type Part = "deleted" | "corrections" | "amount" | "rest";

/** In which part of `_version` a term counts, and its SQL. */
const TERMS = {
  /** The maximum of a flag that beats everything else. */
  deleted: ["deleted", (value) => `ifNull(${value}, 0)`],
  /** How many corrections there were, which beats every amount. */
  corrections: ["corrections", (value) => value],
  /** A sum of counts. */
  amount: ["amount", (value) => `ifNull(${value}, 0)`],
  /** A set of distinct values. */
  distinct: ["amount", (value) => `length(${value})`],
  /** The maximum of a flag. */
  flag: ["rest", (value) => `ifNull(${value}, 0)`],
  /** The maximum of a number that may be 0 and is never less. */
  maximum: ["rest", (value) => `ifNull(${value}, -1) + 1`],
  /** The first value that any row carries. */
  presence: ["rest", (value) => `${value} IS NOT NULL`],
  /** The maximum of a time. */
  latest: ["rest", (value) => `toUnixTimestamp64Micro(${value})`],
  /** The minimum of a time. */
  earliest: ["rest", (value) => `-toUnixTimestamp64Micro(${value})`],
  /**
   * The maximum of a Float32, as its order-preserving bit pattern. A difference is signed and a sum isn't, and before 26.1 (or with
   * an older `compatibility` in the profile) ClickHouse has no type for either.
   */
  float32: [
    "rest",
    (value) =>
      `if(${value} IS NULL, 0, if(${value} < 0, 2147483648 - reinterpretAsUInt32(abs(${value})), toInt64(2147483648 + reinterpretAsUInt32(${value}))))`,
  ],
} as const satisfies Record<string, readonly [Part, (value: string) => string]>;

const sum = (column: string): string => `sum(${column})`;
const max = (column: string): string => `max(${column})`;
const uniqArray = (column: string): string => `groupUniqArrayArray(${column})`;
const concatArray = (column: string): string => `groupArrayArray(${column})`;
// argMin passes over NULLs, so a session keeps the first value that any of its rows carries.
const firstOf = (column: string): string => `argMin(${column}, min_first_timestamp)`;

const counter = (source: string) =>
  ({ source, type: "Nullable(Int64)", plain: sum, version: "amount" }) satisfies ReadColumn;
const flag = (source: string, version: "flag" | "deleted") =>
  ({ source, type: "Nullable(UInt8)", plain: max, version }) satisfies ReadColumn;
const text = (source: string) =>
  ({ source, type: "Nullable(String)", plain: firstOf, version: "presence" }) satisfies ReadColumn;
const strings = (source: string) =>
  ({ source, type: "Array(String)", plain: uniqArray, version: "distinct" }) satisfies ReadColumn;
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
    plain: (_, { began }) => began,
    version: { none: "A row that moves it has messages or moves first_row." },
  },
  last_seen: {
    source: "max_last_timestamp",
    type: "DateTime64(6)",
    plain: (_, { ended }) => ended,
    version: { none: "A row that moves it has messages or moves last_row." },
  },
  // Markers included: these only grow, whatever merges, and also when the recording's rows appear after the marker.
  first_row: { source: "min_first_timestamp", type: "DateTime64(6)", plain: (c) => `min(${c})`, version: "earliest" },
  last_row: { source: "max_last_timestamp", type: "DateTime64(6)", plain: max, version: "latest" },
  ingested: { source: "_timestamp", type: "DateTime64(6)", plain: max, version: "latest" },
  corrected: {
    source: "min_first_timestamp",
    type: "UInt16",
    plain: (_, { corrected }) => corrected,
    version: "corrections",
  },
  distinct: {
    source: "distinct_id",
    type: "Nullable(String)",
    // A merged row may carry the marker's empty one.
    plain: (c) => `nullIf(argMaxIf(${c}, max_last_timestamp, ${c} != ''), '')`,
    version: { none: "It changes with a later row, which moves last_row." },
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
  retention: { source: "retention_period_days", type: "Nullable(Int64)", plain: max, version: "maximum" },
  deleted: flag("is_deleted", "deleted"),
  deleted_on: {
    source: "is_deleted",
    type: "Nullable(DateTime64(6))",
    plain: (_, { deletedAt }) => deletedAt,
    version: { none: "A marker brings is_deleted; another one, later, moves last_row." },
  },
  tags: strings("ai_tags_fixed"),
  free_tags: strings("ai_tags_freeform"),
  highlighted: flag("ai_highlighted", "flag"),
  score: { source: "surfacing_score", type: "Nullable(Float32)", plain: max, version: "float32" },
} as const satisfies Record<string, ReadColumn>;

export type ReadName = keyof typeof READS;

/** A cluster's table, as its system tables describe it. */
export interface ReplayTable {
  readonly database: string;
  readonly table: string;
  /** The rows of one session may live on several shards: inner queries have to be GLOBAL. */
  readonly distributed: boolean;
  /** ClickHouse's type of each column, by name. */
  readonly columns: ReadonlyMap<string, string>;
}

/** The SQL that assembles one value from partial rows, for the way this cluster stores it. */
export function assembled(read: ReadName, { columns }: ReplayTable, span: Span): string {
  const column: ReadColumn = READS[read];
  const stored = columns.get(column.source);
  if (stored === undefined) return column.type.startsWith("Array") ? `[]::${column.type}` : `NULL::${column.type}`;
  const name = identifier(column.source);
  const state = /^AggregateFunction\((\w+)/.exec(stored)?.[1];
  return `CAST(${state === undefined ? column.plain(name, span) : `${state}Merge(${name})`}, '${column.type}')`;
}

/** The columns without which a table is no session_replay_events. */
export const REQUIRED_SOURCES = ["team_id", "session_id", "min_first_timestamp", "max_last_timestamp", "_timestamp"];

/** The values that `_version` is computed from. */
export const VERSION_USES: readonly ReadName[] = (Object.keys(READS) as ReadName[]).filter(
  (name) => typeof READS[name].version === "string",
);

/** The sum of the terms of one part. Each grows when a partial row is added, so the sum grows as soon as one does. */
function sumOf(part: Part): string {
  const terms = VERSION_USES.flatMap((name) => {
    const { version } = READS[name];
    if (typeof version !== "string") return [];
    const [of, term] = TERMS[version];
    return of === part ? [`(${term(name)})`] : [];
  });
  return terms.join(" + ");
}

/** 16 digits, so that numbers sort as text. */
const hex = (number: string): string => `leftPad(hex(toUInt64(${number})), 16, '0')`;

/** Below 2^52. */
const AMOUNT = `greatest(0, least(${sumOf("amount")}, 4503599627370495))`;
const CORRECTIONS = `bitShiftLeft(toUInt64(least(${sumOf("corrections")}, ${MOST_CORRECTIONS})), 52)`;
/** The first digit. So it sorts above the decimal numbers of 0.1.0. */
const DELETED = `if(${sumOf("deleted")} > 0, 0xB000000000000000, 0xA000000000000000)`;

/**
 * `_version`: 32 hexadecimal digits, which sort as text in every engine and survive JSON. Of two reads of a session the
 * higher one is current:
 *
 * 1. Deleted beats not deleted: one digit. PostHog's purge removes the marker alone, and the session would come back.
 * 2. More corrections beat fewer: two digits. After one, the source is right also where it shows less.
 * 3. A fuller read beats one that read less: retention, or a shard that is away, loses partial rows.
 * 4. The rest grows with every change, so that a late or repeated load can't put an old row back.
 *
 * It doesn't depend on which columns are exported: two exports with other rules agree on it.
 */
export const VERSION_SQL = `lower(concat(${hex(`${DELETED} + ${CORRECTIONS} + toUInt64(${AMOUNT})`)}, ${hex(`greatest(0, ${sumOf("rest")})`)}))`;
