/** What commands print with --json: the API's shapes, and shapes of the same making for what the API doesn't have. */
import { z } from "@hono/zod-openapi";
import { exportSchema, fleetErrorSchema, intervalSchema, runSchema } from "./schemas.ts";

const timestamp = z.iso.datetime();
const whole = z.int().min(0);
const intervals = z.array(intervalSchema);

/** `audit`, and `audit` of `status`: the API's `lastAudit`, with what it is made of. */
export const auditSchema = z.strictObject({
  export: z.string(),
  readAt: timestamp,
  lacking: whole,
  unrepaired: whole,
  onlyDestination: whole,
  unexamined: whole,
  days: z.array(
    z.strictObject({ day: z.iso.date(), source: whole, destination: whole, lacking: whole, onlyDestination: whole }),
  ),
  hours: z
    .array(z.strictObject({ interval: intervalSchema, sessions: whole, unrepaired: z.boolean() }))
    .describe("When the lacking sessions were ingested"),
});

/** One of `status`: the API's export, and what only the ledger in the destination has. */
export const statusSchema = exportSchema.extend({
  location: z.string().nullable(),
  end: timestamp.nullable(),
  clock: z.string().nullable(),
  fleetError: fleetErrorSchema.nullable(),
  intervals: whole.nullable(),
  rows: whole.nullable(),
  lost: whole.nullable(),
  bytes: whole.nullable(),
  files: whole.nullable(),
  silentSince: timestamp.nullable(),
  audit: auditSchema.nullable(),
  outdated: intervals.nullable(),
  otherSelection: intervals.nullable(),
  otherFolders: intervals.nullable(),
  olderFiles: z.array(z.string()).nullable(),
  unreadable: z.array(z.string()).nullable(),
});

/** One of `run` and `backfill`. */
export const loadedSchema = z.strictObject({
  export: z.string(),
  seconds: z.number().min(0),
  loaded: z.array(runSchema),
  failed: z.array(runSchema),
});

/** One of `backfill --plan`. */
export const plannedSchema = z.strictObject({
  interval: intervalSchema,
  rows: whole.nullable().describe("At most"),
  bytes: whole.nullable(),
});

export const checkSchema = z.strictObject({
  ok: z.boolean(),
  findings: z.array(
    z.strictObject({
      what: z.string(),
      ok: z.boolean().describe("False if it was skipped, too"),
      skipped: z.boolean(),
      detail: z.string(),
      code: z.string().nullable().describe("Of the error"),
      hint: z.string().nullable(),
    }),
  ),
});

/** One of `gc`. */
export const leftoverSchema = z.strictObject({
  key: z.string(),
  unfinished: z.boolean(),
  bytes: whole,
  modified: timestamp,
  removed: z.boolean(),
});

/** One of `gc --rewrite`. */
export const rewriteSchema = z.strictObject({
  key: z.string(),
  rows: whole,
  dead: whole.describe("Of the rows"),
  bytes: whole,
  rewritten: z.boolean(),
});

export const sqlSchema = z.strictObject({ export: z.string(), sql: z.string() });
