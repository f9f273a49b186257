/**
 * Sessions as PostHog's ingestion would write them: one to six partial rows each, and for some a row of tags and a row of
 * deletion a day later. ClickHouse makes them from numbers() and a hash of seed and number, so the same plan gives the same
 * rows on every machine, and a million sessions take seconds.
 */
import { identifier } from "../models/sql.ts";
import { startOfSession } from "./daily_rhythm.ts";
import { COLUMN_NAMES, KEEP_PARTIAL_ROWS, REPLAY_COLUMNS, REPLAY_TABLE, type ReplayColumn } from "./replay_table.ts";

export interface SessionPlan {
  readonly sessions: number;
  /** Sessions begin in [from, until), most of them in the afternoon, UTC. */
  readonly from: Date;
  readonly until: Date;
  /** A different seed gives different sessions. */
  readonly seed: number;
  /** Default 1. */
  readonly team?: number;
  /** Days from a session to its tags and its deletion; 1 by default. */
  readonly afterthoughtDays?: number;
}

/** Weight, and the chance that a visit logs an error. */
const PAGES: readonly (readonly [path: string, weight: number, errors: number])[] = [
  ["/", 0.26, 0.01],
  ["/pricing", 0.12, 0.012],
  ["/docs", 0.16, 0.005],
  ["/signup", 0.1, 0.045],
  ["/app/dashboard", 0.17, 0.03],
  ["/app/reports", 0.09, 0.08],
  ["/app/settings", 0.05, 0.02],
  ["/checkout", 0.05, 0.17],
];

const TAGS = "rage clicks,dead click,checkout,onboarding,form abandoned,bug,slow page,happy path".split(",");
const FREE_TAGS = ["could not find the export", "card was declined twice", "reads the docs in full", "went in circles"];

/**
 * Rows that aren't part of the recording, as PostHog writes them: tags come at the session's start + 1 µs; a deletion's row
 * is a marker, at the time of the deletion and without a person. Their numbers are higher than those of all parts.
 */
const TAG_ROW = 100;
const DELETION_ROW = 101;

const texts = (list: readonly string[]): string => `[${list.map((value) => `'${value}'`).join(", ")}]`;

/** In [0, 1), from a hash of seed and number: `salt` keeps its uses independent. */
const random =
  (plan: SessionPlan) =>
  (salt: string): string =>
    `(cityHash64(${plan.seed}, number, ${salt}) / 18446744073709551616.)`;

/** 16 digits. */
const hex = (number: string): string => `leftPad(lower(hex(toUInt64(${number}))), 16, '0')`;

/** One row per session: when, how long, who, on which device. Times are microseconds since the epoch. */
function sessions(plan: SessionPlan, first: number, count: number): string {
  const u = random(plan);
  const normal = `(sqrt(-2 * log(${u("3")} + 1e-12)) * cos(2 * pi() * ${u("4")}))`;
  const weights = PAGES.map((_, page) => PAGES.slice(0, page + 1).reduce((sum, [, weight]) => sum + weight, 0));
  const bits = `cityHash64(${plan.seed}, number, 'id')`;
  const users = Math.max(1, Math.ceil(plan.sessions / 4));
  return `SELECT number,
    ${startOfSession(plan, `(number + ${u("1")})`)} AS began,
    multiIf(${u("2")} < 0.15, 1, ${u("2")} < 0.4, 2, ${u("2")} < 0.65, 3, ${u("2")} < 0.83, 4, ${u("2")} < 0.95, 5, 6) AS parts,
    toInt64(1e6 * least(10800, greatest(1.5, 75 * parts * exp(1.05 * ${normal})))) AS lasted,
    ${u("5")} < 0.22 AS mobile,
    ${u("'library'")} < 0.45 AS ios,
    toUInt32(pow(${u("6")}, 1.5) * ${users}) AS person,
    ${u("7")} < 0.05 AS signs_in,
    arrayFirstIndex(x -> x > ${u("8")}, ${JSON.stringify(weights)}::Array(Float64)) AS landing,
    multiIf(${u("9")} < 0.5, NULL, ${u("9")} < 0.85, 30, 90) AS retention,
    ${u("'tagged'")} < 0.06 AS tagged,
    ${u("'deleted'")} < 0.008 AS deleted,
    concat(
      substring(${hex("intDiv(began, 1000)")}, 5, 8), '-', substring(${hex("intDiv(began, 1000)")}, 13, 4),
      '-7', substring(${hex(bits)}, 1, 3),
      '-', substring('89ab', 1 + ${bits} % 4, 1), substring(${hex(bits)}, 4, 3),
      '-', substring(${hex(`cityHash64(${plan.seed}, number, 'node')`)}, 1, 12)
    ) AS session
  FROM numbers(${first}, ${count})`;
}

/** One row per partial row: the session's columns, and what happened in this part of it. */
function parts(plan: SessionPlan, first: number, count: number): string {
  const v = (salt: string): string => random(plan)(`part, ${salt}`);
  const errors = `[${PAGES.map(([, , rate]) => rate).join(", ")}]`;
  const afterthought = `${plan.afterthoughtDays ?? 1} * 86400e6`;
  const rows = `arrayConcat(range(parts), if(tagged, [${TAG_ROW}], []), if(deleted, [${DELETION_ROW}], []))`;
  return `SELECT *,
    part < ${TAG_ROW} AS recorded,
    began + lasted + toInt64(${afterthought} * (0.2 + r1)) AS erased,
    multiIf(recorded, began + intDiv(lasted * part, parts), part = ${TAG_ROW}, began + 1, erased) AS part_began,
    if(recorded, began + intDiv(lasted * (part + 1), parts) - if(part + 1 < parts, 1000, 0), part_began) AS part_ended,
    (part_ended - part_began) / 1e6 AS seconds,
    ${v("1")} AS r1, ${v("2")} AS r2, ${v("3")} AS r3, ${v("4")} AS r4,
    recorded AND NOT mobile AS on_pages,
    multiIf(NOT on_pages, [], part = 0 OR r1 < 0.5, [landing],
      [1 + toUInt8(${v("'page'")} * ${PAGES.length})])::Array(UInt8) AS pages,
    toInt64(arraySum(page -> if(${v("'error', page")} < ${errors}[page], 1 + floor(-1.5 * log(${v("'errors', page")} + 1e-12)), 0), pages)) AS failures,
    multiIf(
      part = ${TAG_ROW}, began + lasted + toInt64(${afterthought} * (0.8 + 0.3 * r1)),
      part = ${DELETION_ROW}, erased,
      part_ended + toInt64(1e6 * (2 - 8 * log(${v("'delay'")} + 1e-12)) + if(r2 < 0.01, 2.4e8 * r1, 0))
    ) AS ingested,
    part < ${TAG_ROW} AND ${v("'late'")} < 0.004 AS late
  FROM (SELECT *, arrayJoin(${rows}) AS part FROM (${sessions(plan, first, count)}))`;
}

const time = (micros: string): string => `fromUnixTimestamp64Micro(toInt64(${micros}), 'UTC')`;
const state = (value: string): string => `initializeAggregation('argMinState', ${value}, ${time("part_began")})`;
const counted = (perSecond: number, by: string): string =>
  `if(recorded, toInt64(seconds * ${perSecond} * 2 * ${by}), 0)`;

/** The value of each column, from the columns of parts(). */
function values(plan: SessionPlan): Readonly<Record<ReplayColumn, string>> {
  const paths = texts(PAGES.map(([path]) => path));
  const url = (page: string): string => `concat('https://shop.example.com', ${paths}[${page}])`;
  const campaign = "if(part = 0 AND r4 < 0.15, '?utm_source=newsletter', '')";
  const library = "multiIf(NOT mobile, 'web', ios, 'posthog-ios', 'posthog-android')";
  const block = `concat('s3://recordings/session_recordings/', formatDateTime(${time("ingested")}, '%Y-%m-%d'), '/',
      lower(hex(cityHash64(intDiv(ingested, 6000000)))), '?range=bytes=', toString(number % 1000 * 4096), '-', toString(number % 1000 * 4096 + 4095))`;
  const pick = (from: readonly string[], by: string): string => `${texts(from)}[1 + toUInt8(${by} * ${from.length})]`;
  return {
    session_id: "session",
    team_id: String(plan.team ?? 1),
    distinct_id: `multiIf(part = ${DELETION_ROW}, '', signs_in AND part = 0, concat('anonymous-', substring(session, 25)), concat('user-', toString(person)))`,
    min_first_timestamp: time("part_began"),
    max_last_timestamp: time("part_ended"),
    block_first_timestamps: `if(recorded, [${time("part_began")}], [])`,
    block_last_timestamps: `if(recorded, [${time("part_ended")}], [])`,
    block_urls: `if(recorded, [${block}], [])`,
    first_url: state(`CAST(if(on_pages, concat(${url("pages[1]")}, ${campaign}), NULL), 'Nullable(String)')`),
    all_urls: `arrayMap(page -> ${url("page")}, pages)`,
    click_count: counted(0.08, "r2"),
    keypress_count: counted(0.12, "r3 * if(mobile, 0.2, 1)"),
    mouse_activity_count: counted(0.6, "r4 * if(mobile, 0, 1)"),
    active_milliseconds: "if(recorded, toInt64(seconds * 1000 * (0.15 + 0.7 * r1)), 0)",
    console_log_count: counted(0.06, "r1"),
    console_warn_count: counted(0.004, "r2"),
    console_error_count: "failures",
    size: "if(recorded, 2000 + toInt64(seconds * 9000 * (0.2 + r3)), 0)",
    message_count: "if(recorded, 1 + toInt64(seconds / 10), 0)",
    event_count: "if(recorded, 2 + toInt64(seconds * (0.5 + 4 * r2)), 0)",
    snapshot_source: state(`CAST(if(recorded, if(mobile, 'mobile', 'web'), NULL), 'LowCardinality(Nullable(String))')`),
    snapshot_library: state(`CAST(if(recorded, ${library}, NULL), 'Nullable(String)')`),
    snapshot_mode_v2: state(
      `CAST(if(recorded AND mobile, if(person % 3 = 0, 'wireframe', 'screenshot'), NULL), 'Nullable(String)')`,
    ),
    _timestamp: "toDateTime(intDiv(ingested, 1000000), 'UTC')",
    retention_period_days: "if(recorded, retention, NULL)",
    is_deleted: `part = ${DELETION_ROW}`,
    ai_tags_fixed: `if(part = ${TAG_ROW}, arrayDistinct([${pick(TAGS, "r1")}, ${pick(TAGS, "r2")}]), [])`,
    ai_tags_freeform: `if(part = ${TAG_ROW} AND r3 < 0.5, [${pick(FREE_TAGS, "r4")}], [])`,
    ai_highlighted: `part = ${TAG_ROW} AND r3 < 0.1`,
    surfacing_score: `if(part = ${TAG_ROW} OR (part = 0 AND r4 < 0.1), toFloat32(pow(r2, 3)), NULL)`,
  };
}

/** When a row becomes visible: nearly at once, but hours later for the few whose replica lagged. */
const VISIBLE_AT = "addSeconds(_timestamp, if(late, 7200 + toInt64(64800 * r3), 1 + toInt64(5 * r4)))";

/** Bounds the memory of one statement. */
const SESSIONS_PER_STATEMENT = 250_000;

/** A SELECT of all columns of the table, in its order, and of `visible_at`, for sessions [first, first + count). */
export function replayRows(plan: SessionPlan, first = 0, count = plan.sessions): string {
  const of = values(plan);
  const items = REPLAY_COLUMNS.map(([name]) => `  ${of[name]} AS ${name}`);
  return `SELECT\n${items.join(",\n")},\n  ${VISIBLE_AT} AS visible_at\nFROM (${parts(plan, first, count)})`;
}

function chunks(plan: SessionPlan): { first: number; count: number }[] {
  const made = [];
  for (let first = 0; first < plan.sessions; first += SESSIONS_PER_STATEMENT) {
    made.push({ first, count: Math.min(SESSIONS_PER_STATEMENT, plan.sessions - first) });
  }
  return made;
}

/** Statements, to run in this order, that insert every partial row of the plan into the table. */
export function insertSessions(plan: SessionPlan, database: string, table = REPLAY_TABLE): readonly string[] {
  return chunks(plan).map(
    ({ first, count }) =>
      `INSERT INTO ${identifier(database)}.${identifier(table)} (${COLUMN_NAMES}) ${KEEP_PARTIAL_ROWS}\n` +
      `SELECT ${COLUMN_NAMES} FROM (${replayRows(plan, first, count)})`,
  );
}

/** The same for a table whose last column is `visible_at`, from which rows arrive as a clock advances. */
export function insertArrivals(plan: SessionPlan, database: string, table: string): readonly string[] {
  return chunks(plan).map(
    ({ first, count }) => `INSERT INTO ${identifier(database)}.${identifier(table)}\n${replayRows(plan, first, count)}`,
  );
}
