/** What the routes have in common: how their answers are declared, and how long they wait. */
import type { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Fleet } from "../../fleet/fleet.ts";
import { errorSchema } from "../schemas.ts";

/** Long enough for a Redis that comes back, short enough for whoever waits. */
const READ_MS = 10_000;

export interface RouteDependencies {
  readonly app: OpenAPIHono;
  readonly fleet: Fleet;
  /** Aborted when the server no longer waits for what is under way. */
  readonly ending: AbortSignal;
}

/** For what only looks: over when the client leaves, too. */
export function readSignal(c: Context, ending: AbortSignal): AbortSignal {
  return AbortSignal.any([c.req.raw.signal, ending, AbortSignal.timeout(READ_MS)]);
}

export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { "application/json": { schema } } };
}

const FAILURES = {
  400: json(errorSchema, "The request is wrong: `problems` lists everything"),
  401: json(errorSchema, "The token is missing or wrong"),
  403: json(errorSchema, "This Replayport has no token, so it takes no requests"),
  404: json(errorSchema, "There is no such thing"),
  409: json(errorSchema, "It stands against what is there: another backfill of the range, or one that was cancelled"),
  413: json(errorSchema, "The body is larger than 64 KiB"),
  415: json(errorSchema, "The body is not JSON by its Content-Type"),
  500: json(errorSchema, "Something unforeseen; the log of the process says what"),
  502: json(errorSchema, "The source or the destination refused"),
  503: json(errorSchema, "Redis, the source or the destination does not answer"),
} as const;

type Failure = keyof typeof FAILURES;

/** The failures that every route has, and those named. The handlers throw them; errors.ts answers. */
export function failures<Status extends Failure = never>(
  ...statuses: readonly Status[]
): Pick<typeof FAILURES, Status | 401 | 403 | 500 | 503> {
  const wanted = new Set<Failure>([401, 403, 500, 503, ...statuses]);
  const picked = Object.entries(FAILURES).filter(([status]) => wanted.has(Number(status) as Failure));
  return Object.fromEntries(picked) as unknown as Pick<typeof FAILURES, Status | 401 | 403 | 500 | 503>;
}
