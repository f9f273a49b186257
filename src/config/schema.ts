/**
 * The one definition of schedules.yaml, by the names in the file. Types, messages and the JSON Schema for editors come from
 * it. The resolve functions check what depends on more than one key.
 */
import * as z from "zod";
import { COMPRESSIONS } from "../export/definition.ts";
import { SCHEDULE_FORMS, SCHEDULE_PATTERN } from "../intervals/schedule.ts";
import { alertsSchema } from "./alerts.ts";
import { columnsSchema, conditionSchema } from "./columns.ts";
import { CONFIG_CONDITIONS, EXPORT_CONDITIONS } from "./column_schema.ts";
import { destinationSchema } from "./destinations/destinations.ts";
import { duration, field, httpUrl, name, optional, parsed, SECRET, size, text } from "./values/fields.ts";
import { fleetSchema, redisSchema } from "./fleet.ts";
import { httpSchema } from "./http.ts";
import { sourceSchema } from "./source.ts";
import { telemetrySchema } from "./telemetry.ts";
import { TIME_PATTERN, TIMEZONE_PATTERN, isTimezone } from "./values/times.ts";
import { DAY_MS, HOUR_MS } from "./values/units.ts";
import { nearest } from "./problems/suggest.ts";

export const DEFAULT_LIMITS = { memoryBytes: 4 * 2 ** 30, seconds: 600, threads: 0, attemptMs: 6 * HOUR_MS } as const;
export const DEFAULT_PATH = "{export}/dt={year}-{month}-{day}";

const limitsSchema = field(
  z.strictObject({
    memory: optional(size(2 ** 26, "64MiB"), "Memory of one query. A GROUP BY spills to disk at half of it.", "4GiB"),
    time: optional(duration(1000, DAY_MS), "Time of one query.", "10m"),
    threads: optional(z.int().min(0).max(1024), "Threads of one query. 0 lets ClickHouse decide."),
    attempt: optional(
      duration(60_000, 7 * DAY_MS),
      "Time of one attempt to load a batch, in total. After that it is aborted and retried later.",
      "6h",
    ),
  }),
  "Limits of one query in ClickHouse, and of one attempt.",
  { memory: "4GiB", time: "10m", threads: 0 },
);

const timezone = parsed<string>(
  (given) => {
    if (isTimezone(given)) return { value: given };
    const known = nearest(given, ["UTC", ...Intl.supportedValuesOf("timeZone")]);
    const start = known === undefined ? "" : `Did you mean "${known}"? `;
    return { problem: "not a time zone", fix: `${start}Write an IANA name such as Europe/Berlin, or UTC.` };
  },
  { pattern: TIMEZONE_PATTERN },
);

const schedule = text.meta({
  pattern: SCHEDULE_PATTERN,
  examples: ["@hourly", "@daily", "every 15 minutes", "30 6 * * 1-5"],
});

const time = text.meta({ pattern: TIME_PATTERN });

const formats = Object.keys(COMPRESSIONS) as (keyof typeof COMPRESSIONS)[];
const compressions = [...new Set(Object.values(COMPRESSIONS).flat())];
const teamId = z.int().min(1);

export const exportSchema = z
  .strictObject({
    model: field(
      z.union([
        z.enum(["session_replays"]),
        z.strictObject({
          sql: field(text, "A file with one SELECT, relative to this file.", "replays_by_day.sql"),
          key: field(z.array(text).min(1), "The columns that identify a row.", ["team_id", "day"]),
        }),
      ]),
      "What to export: session_replays, or your own SELECT.",
      "session_replays",
    ),
    team_id: optional(
      z.union([teamId, z.array(teamId).min(1), z.literal("all")]),
      "PostHog's project: its number, a list of numbers, or all of the cluster. A model in SQL can omit it.",
      1,
      [1, 2],
      "all",
    ),
    destination: field(text, "The name of one of the destinations.", "lake"),
    schedule: schedule.describe(`When, and how time is cut into intervals: ${SCHEDULE_FORMS}.`),
    timezone: field(timezone.prefault("UTC"), "IANA name; where days begin.", "Europe/Berlin"),
    start: field(
      time,
      "Where to start: a date (midnight in timezone), or a timestamp with its zone.",
      "2026-10-01",
      "2026-10-01T06:00:00Z",
    ),
    end: optional(time, "Where to stop, written like start. Nothing after it is due.", "2027-01-01"),
    format: field(z.enum(formats).default("parquet"), "The files' format.", "parquet"),
    compression: field(
      z.enum(compressions).default("zstd"),
      "The files' compression; snappy and lz4 are for parquet only.",
      "zstd",
    ),
    settle: field(
      duration(0, DAY_MS).prefault("5m"),
      "How long to wait after an interval's end before reading it, since rows become visible late.",
      "5m",
    ),
    quiet_after: field(
      duration(0, 90 * DAY_MS).prefault("3h"),
      "How long after its end to read an interval again if the source has shown no later row of any team: it may be behind.",
      "3h",
    ),
    lookback: field(
      duration(HOUR_MS, 366 * DAY_MS).prefault("3d"),
      "How long before an interval its sessions can have started. Longer costs more; the sweep finds the rest, and without one there is no such bound.",
      "3d",
    ),
    sweep: field(
      z
        .union([
          z.literal(["off", false]),
          z.strictObject({
            schedule: schedule.prefault("@daily").describe("The windows of the second read, in the export's timezone."),
            after: field(
              duration(0, 90 * DAY_MS).prefault("1d"),
              "How long after its end to read a window again.",
              "1d",
            ),
          }),
        ])
        .prefault({ schedule: "@daily", after: "1d" }),
      "A second, later read that finds what became visible too late for the first. Or: off.",
      { schedule: "@daily", after: "1d" },
      "off",
    ),
    audit: field(
      z
        .union([
          z.literal(["off", false]),
          z.strictObject({
            schedule: schedule.prefault("@daily").describe("When to compare, in the export's timezone."),
            days: field(z.int().min(1).max(366).default(30), "How far back, by the sessions' start.", 30),
          }),
        ])
        .prefault({ schedule: "@daily", days: 30 }),
      "Compares the destination with the source, and loads again what the destination lacks. Or: off. A model in SQL has none.",
      { schedule: "@daily", days: 30 },
      "off",
    ),
    path: optional(
      text,
      `The folder in a lake: {export}, {year}, {month}, {day}, {hour} of the interval's start in UTC. Default ${DEFAULT_PATH}.`,
      DEFAULT_PATH,
    ),
    accept_missing_columns: optional(
      z.array(text),
      "Columns that the source once had and may lack now: NULLs are exported for them. Otherwise source.columns_gone.",
      ["click_count"],
    ),
    columns: columnsSchema.optional(),
    where: optional(z.record(text, conditionSchema), "Export only sessions whose current row has these values.", {
      snapshot_source: "web",
    }),
    rows_per_file: field(
      z.int().min(1).max(100_000_000).default(500_000),
      "About how many rows go into one file.",
      500_000,
    ),
    limits: limitsSchema.optional(),
  })
  .describe("One export: a model, a team, a schedule and a destination.")
  .meta(EXPORT_CONDITIONS);

export const configSchema = z
  .strictObject({
    posthog_url: optional(httpUrl, "Your PostHog's address, for the column replay_url.", "https://eu.posthog.com"),
    installation: optional(
      text,
      "What a lake's owner is called: the same wherever this installation runs. Default: PostHog's host, and ClickHouse's host and database.",
      "acme production",
    ),
    source: sourceSchema,
    destinations: z.record(name, destinationSchema).describe("Where exports are loaded to, by a name of your choice."),
    limits: limitsSchema.optional(),
    exports: z
      .record(name, exportSchema)
      .describe("What to export, by a name of your choice: 1 to 63 of a-z, 0-9, _ and -."),
    redis: redisSchema.optional(),
    fleet: fleetSchema.optional(),
    http: httpSchema.optional(),
    alerts: alertsSchema.optional(),
    telemetry: telemetrySchema.optional(),
    hash_salt: optional(
      z.string().min(16).meta(SECRET),
      "A secret of at least 16 characters, needed to hash columns. A different salt gives different hashes.",
      "${REPLAYPORT_HASH_SALT}",
    ),
  })
  .describe("Replayport's exports.")
  .meta(CONFIG_CONDITIONS);

export type ExportInput = z.output<typeof exportSchema>;
export type LimitsInput = z.output<typeof limitsSchema>;
