/**
 * The API's requests and responses. They generate the OpenAPI document, validate requests, and type the responses: the
 * interface in ../fleet/fleet.ts, with times as text and null instead of undefined.
 */
import { z } from "@hono/zod-openapi";
import { CONDITIONS } from "../fleet/condition.ts";
import { hasControls } from "../text.ts";

const timestamp = z.iso.datetime().describe("UTC").openapi({ example: "2026-10-01T13:00:00.000Z" });
const seconds = z.number().min(0);
const whole = z.int().min(0);
/** `.nullable()` on a named schema generates a reference that doesn't allow null. */
const orNull = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, z.null()]);

export const intervalSchema = z
  .strictObject({ start: timestamp, end: timestamp })
  .describe("A data interval: [start, end)")
  .openapi("Interval");

export const fleetErrorSchema = z
  .strictObject({
    code: z.string().openapi({ example: "source.unreachable" }),
    message: z.string(),
    hint: z.string().nullable(),
    remedy: z.enum(["retry", "give-up"]),
    at: timestamp,
  })
  .openapi("FleetError");

const pauseSchema = z
  .strictObject({
    reason: z.string(),
    since: timestamp,
    by: z.string().describe("Who paused it; `replayport` after too many failures"),
    probeAt: timestamp.nullable().describe("When one interval is tried; null: only `resume` ends the pause"),
  })
  .openapi("Pause");

export const exportSchema = z
  .strictObject({
    export: z.string(),
    state: z.enum(CONDITIONS).describe("How it is, in one word"),
    destination: z.string(),
    schedule: z.string(),
    timezone: z.string(),
    paused: orNull(pauseSchema),
    due: whole.nullable().describe("Settled intervals without a receipt; null before a scheduler has run"),
    queued: whole,
    running: whole,
    failuresInRow: whole,
    failedIntervals: z
      .array(
        z.strictObject({
          interval: intervalSchema,
          error: fleetErrorSchema,
          retryAt: timestamp.nullable().describe("When it is retried; null: only after retry or resume"),
        }),
      )
      .describe("Intervals that failed for good"),
    loadedUntil: timestamp.nullable().describe("Everything up to here is loaded"),
    lagSeconds: seconds.nullable(),
    lateSeconds: seconds
      .nullable()
      .describe("Since the first interval that isn't loaded became due; 0 if none is due, whatever the lag"),
    nextAt: timestamp.nullable().describe("When the next interval becomes due"),
    gaps: z.array(intervalSchema).describe("The oldest 20"),
    gapCount: whole.nullable(),
    ledgerAt: timestamp.nullable().describe("When a scheduler last saw the ledger change"),
    ledgerError: orNull(fleetErrorSchema).describe("Why a scheduler can't read the load history"),
    lastReceipt: z
      .strictObject({
        interval: intervalSchema,
        rows: whole,
        bytes: whole,
        files: whole,
        committedAt: timestamp,
        silentSince: timestamp
          .nullable()
          .describe("Since when the export has read nothing, although it is usually busy"),
      })
      .nullable(),
    recentLoads: z
      .array(z.strictObject({ interval: intervalSchema, rows: whole, committedAt: timestamp }))
      .describe("The last 24 loads of live intervals, by interval"),
    lastAudit: z
      .strictObject({
        readAt: timestamp,
        lacking: whole.describe("Sessions that the destination lacks or has in an older version"),
        unrepaired: whole.describe("Of these, those that were read again without success"),
        onlyDestination: whole.describe("Sessions that only the destination has"),
      })
      .nullable(),
    lastError: orNull(fleetErrorSchema),
  })
  .openapi("Export");

export const RUN_STATES = ["queued", "running", "retrying", "loaded", "covered", "failed", "cancelled"] as const;

export const runSchema = z
  .strictObject({
    id: z.string(),
    export: z.string(),
    interval: intervalSchema,
    backfill: z.string().nullable(),
    state: z.enum(RUN_STATES),
    attempt: whole,
    queuedAt: timestamp,
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    nextAttemptAt: timestamp.nullable(),
    stage: z.enum(["ledger", "counting", "staging", "loaded"]).nullable(),
    rows: whole,
    bytes: whole,
    files: whole,
    times: z
      .strictObject({ countSeconds: seconds, stageSeconds: seconds, loadSeconds: seconds })
      .nullable()
      .describe("Of a loaded run's last attempt: counting and reading the source, and the rest"),
    error: orNull(fleetErrorSchema),
    worker: z.string().nullable(),
  })
  .openapi("Run");

export const queueSchema = z
  .strictObject({ waiting: whole, backfill: whole, delayed: whole, active: whole })
  .describe("Jobs by state")
  .openapi("QueueDepth");

export const backfillSchema = z
  .strictObject({
    id: z.string(),
    export: z.string(),
    range: intervalSchema,
    force: z.boolean(),
    createdBy: z.string(),
    createdAt: timestamp,
    finishedAt: timestamp.nullable(),
    state: z.enum(["running", "done", "failed", "cancelled"]),
    total: whole.describe("Intervals: open + running + done + failed + cancelled"),
    open: whole,
    running: whole,
    done: whole,
    failed: whole,
    cancelled: whole,
    rows: whole,
    bytes: whole,
    etaSeconds: seconds.nullable(),
    failures: z.array(z.strictObject({ interval: intervalSchema, error: fleetErrorSchema })).describe("The oldest 20"),
  })
  .openapi("Backfill");

export const healthSchema = z
  .strictObject({
    redis: z.boolean(),
    problem: z.string().nullable(),
    redisMs: z.number().min(0).nullable(),
    warnings: z.array(z.string()),
    processes: z
      .array(
        z.strictObject({
          kind: z.enum(["scheduler", "worker"]),
          name: z.string(),
          version: z.string(),
          startedAt: timestamp,
          seenAt: timestamp,
        }),
      )
      .describe("Processes seen within the last 30 seconds"),
  })
  .openapi("Health");

export const errorSchema = z
  .strictObject({
    error: z.strictObject({
      code: z.string().openapi({ example: "backfill.overlap" }),
      message: z.string(),
      hint: z.string().nullable().describe("What to do about it"),
      problems: z
        .array(z.strictObject({ at: z.string().openapi({ example: "body.end" }), message: z.string() }))
        .optional()
        .describe("With `http.invalid`: all problems of the request"),
      backfill: z.string().optional().describe("With `backfill.overlap`: the other backfill's id"),
    }),
  })
  .openapi("Error");

export type ErrorBody = z.output<typeof errorSchema>;

// Requests.

export const exportName = z.object({
  name: z
    .string()
    .max(63)
    .openapi({ param: { name: "name", in: "path" }, example: "replays" }),
});

export const backfillId = z.object({
  id: z
    .string()
    .max(63)
    .openapi({ param: { name: "id", in: "path" }, example: "k3v9x0qa" }),
});

/** A text that is shown in terminals and on the page. */
const line = (longest: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .refine((text) => !hasControls(text), "has control characters");
const by = line(100);
const time = z.iso
  .datetime({ offset: true, error: "not a time with a zone, such as 2026-10-01T00:00:00Z" })
  .transform((text) => new Date(text))
  .refine((date) => date.getTime() % 1000 === 0, "not whole seconds")
  .openapi({ type: "string", format: "date-time", example: "2026-10-01T00:00:00Z" });

export const pauseBody = z.strictObject({
  reason: line(500).describe("A sentence for people"),
  by: by.default("api").describe("Who paused it"),
});

export const resumeBody = z.strictObject({ by: by.default("api").describe("Who resumed it") });

export const backfillBody = z
  .strictObject({
    export: z.string().max(63),
    start: time,
    end: time,
    force: z.boolean().default(false).describe("Also load intervals that have a receipt"),
    sourceIsRight: z
      .boolean()
      .default(false)
      .describe("Implies force, and lets what is read win where it is less than before, for whole days (UTC)"),
    size: z
      .enum(["auto", "schedule", "hour", "day", "week", "month"])
      .default("auto")
      .describe("How many intervals of the schedule are joined into one batch"),
    inFlight: z.int().min(1).max(64).optional().describe("Intervals in the queue at once"),
    createdBy: by.default("api").describe("Who asked for it"),
  })
  .refine((body) => body.start < body.end, { path: ["end"], message: "not after start" })
  .openapi("BackfillRequest");

const list = <Item extends z.ZodType>(item: Item) =>
  z.preprocess((given) => (typeof given === "string" ? given.split(",") : given), z.array(item).min(1));

export const runsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50).openapi({ type: "integer", minimum: 1, maximum: 500 }),
  export: z.string().max(63).optional(),
  state: list(z.enum(RUN_STATES))
    .optional()
    .openapi({
      type: "array",
      items: { type: "string", enum: [...RUN_STATES] },
      param: {
        name: "state",
        in: "query",
        style: "form",
        explode: false,
        description: "One or several, separated by commas",
      },
    }),
  backfill: z.string().max(63).optional(),
});
