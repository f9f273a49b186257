/** How records are stored in Redis: JSON, dates as ISO text. Another version may have written them, so they are validated. */
import * as z from "zod";
import { type Interval, intervalName, parseIntervalName } from "../../intervals/interval.ts";

const date = z.iso.datetime().transform((text) => new Date(text));
const optional = <T extends z.ZodType>(type: T) => type.optional().transform((value) => value);

/** Adds the keys that zod leaves out because the text lacks them, since the interfaces require every key. */
function withAllKeys<Shape extends z.core.$ZodShape>(shape: Shape) {
  const keys = Object.keys(shape);
  return z.object(shape).transform((value) => {
    const found: Record<string, unknown> = value;
    return Object.fromEntries(keys.map((key) => [key, found[key]])) as typeof value;
  });
}

/** As `20261001T000000Z_20261001T010000Z`. */
export const intervalText = z.string().transform((text, context): Interval => {
  const interval = parseIntervalName(text);
  if (interval) return interval;
  context.issues.push({ code: "custom", message: "not an interval", input: text });
  return z.NEVER;
});

export const errorSchema = withAllKeys({
  code: z.string(),
  message: z.string(),
  hint: optional(z.string()),
  remedy: z.enum(["retry", "give-up"]),
  at: date,
});

export const pauseSchema = withAllKeys({
  reason: z.string(),
  since: date,
  by: z.string(),
  probeAt: optional(date),
});

export const failedIntervalSchema = withAllKeys({
  interval: intervalText,
  error: errorSchema,
  retryAt: optional(date),
});

/** An interval, its rows, and when it was committed, in epoch milliseconds. Short, since there are many. */
export const loadSchema = z
  .tuple([intervalText, z.number(), z.number()])
  .transform(([interval, rows, committed]) => ({ interval, rows, committedAt: new Date(committed) }));

export const receiptSchema = withAllKeys({
  interval: intervalText,
  rows: z.number(),
  bytes: z.number(),
  files: z.number(),
  committedAt: date,
  silentSince: optional(date),
});

/** The ledger's summary as a scheduler last saw it. */
export const ledgerSchema = withAllKeys({
  due: z.number(),
  loadedUntil: optional(date),
  gaps: z.array(intervalText),
  gapCount: z.number(),
  audit: optional(z.object({ readAt: date, lacking: z.number(), unrepaired: z.number(), onlyDestination: z.number() })),
  at: date,
});
export type LedgerSnapshot = z.output<typeof ledgerSchema>;

export const runSchema = withAllKeys({
  id: z.string(),
  export: z.string(),
  interval: intervalText,
  backfill: optional(z.string()),
  state: z.enum(["queued", "running", "retrying", "loaded", "covered", "failed", "cancelled"]),
  attempt: z.number(),
  queuedAt: date,
  startedAt: optional(date),
  finishedAt: optional(date),
  nextAttemptAt: optional(date),
  stage: optional(z.enum(["ledger", "counting", "staging", "loaded"])),
  rows: z.number(),
  bytes: z.number(),
  files: z.number(),
  times: optional(z.object({ countSeconds: z.number(), stageSeconds: z.number(), loadSeconds: z.number() })),
  error: optional(errorSchema),
  worker: optional(z.string()),
  /** Of its export: another installation may keep its runs in the same lists. */
  place: z.string(),
});

/** What a running job reports, as BullMQ's progress. */
export const progressSchema = withAllKeys({
  stage: z.enum(["ledger", "counting", "staging", "loaded"]),
  rows: z.number(),
  bytes: z.number(),
  files: z.number(),
  error: optional(errorSchema),
});
export type JobProgress = z.output<typeof progressSchema>;

export const processSchema = withAllKeys({
  kind: z.enum(["scheduler", "worker"]),
  name: z.string(),
  version: z.string(),
  startedAt: date,
  seenAt: date,
});

function isInterval(value: object): value is Interval {
  return "start" in value && "end" in value && value.start instanceof Date && value.end instanceof Date;
}

/** JSON, with intervals by their names. */
export function encode(record: object): string {
  return JSON.stringify(record, (_key, value: unknown) =>
    typeof value === "object" && value !== null && isInterval(value) ? intervalName(value) : value,
  );
}

/** Undefined if there is nothing, or nothing that this version understands. */
export function decode<T extends z.ZodType>(schema: T, text: string | null | undefined): z.output<T> | undefined {
  if (text === null || text === undefined) return undefined;
  try {
    const result = schema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
