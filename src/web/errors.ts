/** Every error as JSON of one shape, with its status. */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type * as z from "zod";
import { ReplayportError, giveUp } from "../errors.ts";
import type { ErrorBody } from "./schemas.ts";

const STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  "fleet.unknown_export": 404,
  "backfill.unknown": 404,
  "backfill.overlap": 409,
  "backfill.cancelled": 409,
  "backfill.invalid": 400,
  "interval.invalid": 400,
  "http.invalid": 400,
  "http.unauthorized": 401,
  "http.read_only": 403,
  "http.foreign_form": 403,
  "http.unknown": 404,
};

const OF_STATUS: Readonly<Record<number, readonly [code: string, message: string, hint: string]>> = {
  400: ["http.invalid", "the request can't be parsed", "See /api/openapi.json for its format."],
  413: ["http.too_large", "the request's body is too large", "The limit is 64 KiB."],
  415: ["http.not_json", "the body isn't JSON", "Send it with Content-Type: application/json."],
};

/** 503 if Redis is down or a retry may help. 502 if the source or destination refused, which planning a backfill asks. */
export function statusOf(error: ReplayportError): ContentfulStatusCode {
  const known = STATUS[error.code];
  if (known !== undefined) return known;
  return error.code.startsWith("redis.") || error.remedy === "retry" ? 503 : 502;
}

export type ErrorExtras = Pick<ErrorBody["error"], "problems" | "backfill">;

export function errorBody(code: string, message: string, hint?: string, extras: ErrorExtras = {}): ErrorBody {
  return { error: { code, message, hint: hint ?? null, ...extras } };
}

/** An error with more details for the client. */
export class RequestError extends ReplayportError {
  readonly extras: ErrorExtras;

  constructor(code: string, message: string, hint: string, extras: ErrorExtras = {}) {
    super(message, giveUp(code, hint));
    this.extras = extras;
  }
}

/** @param redact removes secrets from what the source or a destination answered */
export function answerError(
  error: unknown,
  c: Context,
  redact: (text: string) => string,
  onUnexpected: (error: unknown) => void,
): Response {
  if (error instanceof ReplayportError) {
    const status = statusOf(error);
    if (status === 401) c.header("WWW-Authenticate", 'Bearer realm="replayport"');
    if (status === 503) c.header("Retry-After", "5");
    const extras = error instanceof RequestError ? error.extras : {};
    const hint = error.hint === undefined ? undefined : redact(error.hint);
    return c.json(errorBody(error.code, redact(error.message), hint, extras), status);
  }
  if (error instanceof HTTPException) {
    const [code, message, hint] = OF_STATUS[error.status] ?? ["http.refused", error.message, undefined];
    return c.json(errorBody(code, message, hint), error.status);
  }
  if (error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError")) {
    c.header("Retry-After", "5");
    return c.json(errorBody("http.too_slow", "the answer took too long", "Try again, and check /readyz."), 503);
  }
  // Nobody gets this answer. What a body throws that breaks off is no error of ours, and anybody could fill the log with it.
  if (c.req.raw.signal.aborted) return c.json(errorBody("http.gone", "the client has gone"), 400);
  onUnexpected(error);
  return c.json(errorBody("unexpected", "an unexpected error occurred", "See the log of this process."), 500);
}

/** Lists everything that is wrong with a request. */
export function invalidRequest(target: string, error: z.core.$ZodError): RequestError {
  const part = target === "json" ? "body" : target;
  const problems = error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ at: [part, ...issue.path.map(String), key].join("."), message: "unknown key" }))
      : [{ at: [part, ...issue.path.map(String)].join("."), message: sentence(issue) }],
  );
  const message = problems.map((problem) => `${problem.at}: ${problem.message}`).join("; ");
  return new RequestError("http.invalid", message, "See /api/openapi.json for its format.", { problems });
}

function sentence(issue: z.core.$ZodIssue): string {
  return issue.code === "invalid_type" && issue.message.endsWith("received undefined") ? "is missing" : issue.message;
}
