/** What routes share: how they declare their answers, and how long they wait. */
import type { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Fleet } from "../../fleet/fleet.ts";
import { errorSchema } from "../schemas.ts";

/** Long enough for Redis to come back from a failover, short enough for people. */
const READ_MS = 10_000;

export interface RouteDependencies {
  readonly app: OpenAPIHono;
  readonly fleet: Fleet;
  /** Aborted when the server stops waiting for running requests. */
  readonly ending: AbortSignal;
}

/** For reads: also aborted when the client disconnects. */
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
  400: json(errorSchema, "The request is invalid: `problems` lists everything"),
  401: json(errorSchema, "The token is missing or wrong"),
  403: json(errorSchema, "No token is configured, so nobody has access"),
  404: json(errorSchema, "Not found"),
  409: json(errorSchema, "Conflict: another backfill runs in this range, or this one was cancelled"),
  413: json(errorSchema, "The body is larger than 64 KiB"),
  415: json(errorSchema, "The Content-Type isn't JSON"),
  500: json(errorSchema, "Unexpected error; see the log of the process"),
  502: json(errorSchema, "The source or the destination refused"),
  503: json(errorSchema, "Redis, the source or the destination is unavailable; retry later"),
} as const;

type Failure = keyof typeof FAILURES;

/** The failures of every route, and those named. Handlers throw them; errors.ts answers. */
export function failures<Status extends Failure = never>(
  ...statuses: readonly Status[]
): Pick<typeof FAILURES, Status | 401 | 403 | 500 | 503> {
  const wanted = new Set<Failure>([401, 403, 500, 503, ...statuses]);
  const picked = Object.entries(FAILURES).filter(([status]) => wanted.has(Number(status) as Failure));
  return Object.fromEntries(picked) as unknown as Pick<typeof FAILURES, Status | 401 | 403 | 500 | 503>;
}
