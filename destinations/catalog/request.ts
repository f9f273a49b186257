/** Requests to a catalog over HTTP: signed, limited in time, read in full. Their errors hold no secret. */
import { z } from "zod";
import { messageOf, ReplayportError, retry } from "../../src/errors.ts";
import { parseJson } from "../table_format/json.ts";
import type { CatalogOptions } from "./options.ts";
import type { Signer } from "./signer.ts";

export interface Request {
  readonly method: "GET" | "POST" | "DELETE" | "HEAD";
  /** A full address, or a path below that of the catalog. */
  readonly path: string;
  readonly body?: string;
  /** Lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Reply {
  /** Whether it's an answer of a catalog, and no error. */
  readonly ok: boolean;
  readonly status: number;
  /** Undefined if the body isn't JSON. */
  readonly json: unknown;
  /** `NoSuchTableException`, `CommitFailedException` … as the catalog says. */
  readonly type: string | undefined;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export type Send = (request: Request, signal: AbortSignal) => Promise<Reply>;

/** The protocol's own errors are objects; those of OAuth2 are texts, and those of AWS have only a message. */
const TEXT = z.string().optional().catch(undefined);
const ERROR = z
  .object({
    error: z.union([
      z.object({ type: TEXT, message: TEXT }),
      z.string().transform((type) => ({ type, message: undefined })),
    ]),
    error_description: TEXT,
    message: TEXT,
  })
  .partial()
  .catch({})
  .transform(({ error, error_description: description, message }) => ({
    type: error?.type,
    message: error?.message ?? description ?? message,
  }));

const REQUEST_MS = 60_000;
const LONGEST_MESSAGE = 500;

/** An address without its query, which may hold a secret, and without the slash at its end. */
export function bareAddress(uri: string): string {
  const { origin, pathname } = new URL(uri);
  return `${origin}${pathname.replace(/\/+$/, "")}`;
}

/** Rejects only if there's no answer. After a 401 the request is sent once more, with a new token, if there can be one. */
export function openRequests(options: CatalogOptions, signer: Signer): { readonly name: string; readonly send: Send } {
  const name = bareAddress(options.uri);
  const post = plainRequests(options.timeoutMs);
  const send: Send = async (request, signal) => {
    const url = new URL(/^https?:/.test(request.path) ? request.path : `${name}/${request.path}`);
    const headers = { accept: "application/json", ...json(request.body), ...request.headers };
    for (let renewed = false; ; renewed = true) {
      const signed = await signer.sign({ method: request.method, url, headers, body: request.body ?? "" }, signal);
      const reply = await post(url, { method: request.method, headers: signed, body: request.body }, signal);
      if (reply.status !== 401 || renewed || !signer.renew())
        return { ...reply, message: signer.redact(reply.message) };
    }
  };
  return { name, send };
}

function json(body: string | undefined): Readonly<Record<string, string>> {
  return body === undefined ? {} : { "content-type": "application/json" };
}

export interface Plain {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** One request, as it is. No redirect is followed: it would take the credentials along. */
export function plainRequests(
  timeoutMs = REQUEST_MS,
): (url: URL, request: Plain, signal: AbortSignal) => Promise<Reply> {
  return async (url, { method, headers, body }, signal) => {
    signal.throwIfAborted();
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, {
        method,
        headers,
        redirect: "manual",
        signal: AbortSignal.any([signal, limit]),
        ...(body === undefined ? {} : { body }),
      });
      return replyOf(response, await response.text());
    } catch (error) {
      signal.throwIfAborted();
      const reason = limit.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error);
      throw new ReplayportError(
        `Can't reach the catalog at ${url.origin}: ${reason}`,
        retry("catalog.unreachable", `Check \`uri\`, and that this machine can reach ${url.host}.`),
      );
    }
  };
}

function replyOf(response: Response, text: string): Reply {
  let parsed: unknown;
  try {
    parsed = parseJson(text);
  } catch {
    parsed = undefined;
  }
  const said = ERROR.parse(parsed);
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return {
    ok: response.ok && (parsed !== undefined || text === ""),
    status: response.status,
    json: parsed,
    type: said.type ?? response.headers.get("x-amzn-errortype") ?? undefined,
    message: (said.message ?? (parsed === undefined ? text : ""))
      .replaceAll(/\s+/g, " ")
      .trim()
      .slice(0, LONGEST_MESSAGE),
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
  };
}

/** fetch says "fetch failed", and why in the causes. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  return cause === undefined ? messageOf(error) : reasonOf(cause);
}
