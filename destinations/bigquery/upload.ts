/**
 * Sends a staged file to BigQuery together with its load job, by the resumable protocol:
 * https://cloud.google.com/bigquery/docs/reference/api-uploads
 *
 * The SDK's own stream sends one multipart body without a time limit, starts over after a broken connection, and hangs if its
 * source fails (its body waits for an `end` that never comes). Here a broken connection costs one part, an abort takes effect
 * at once, and the last part is sent only if the whole file has the hash that it was staged with. Without the last part there
 * is no job.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type RetryPolicy, withRetries } from "../../src/retry.ts";
import type { StagedFile } from "../destination.ts";
import { checkWhole, openStaged, readPart } from "../files/read_staged.ts";
import { bigqueryError, httpStatus } from "./errors.ts";
import type { BigQueryRequest } from "./request.ts";
import type { TokenClient } from "./tokens.ts";
import type { JobResource } from "./resources.ts";

/** The protocol requires a multiple of 256 KiB. */
const PART_BYTES = 16 * 1024 * 1024;
const PART_MS = 300_000;
const UPLOAD_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 250, longestDelayMs: 4_000 };

export interface Upload {
  readonly endpoint: string;
  readonly project: string;
  readonly location: string;
  readonly jobId: string;
  readonly configuration: object;
  readonly file: StagedFile;
  /** For the message of an error. */
  readonly request: BigQueryRequest;
}

interface ErrorBody {
  readonly error?: {
    readonly message?: string;
    readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
  };
}

/** An error of the API, in the form of the SDK's errors. */
class UploadError extends Error {
  override readonly name = "UploadError";
  readonly code: number;
  readonly errors: readonly { readonly reason?: string; readonly message?: string }[] | undefined;
  readonly response: { readonly headers: Record<string, string> };

  constructor(status: number, body: string, headers: Headers) {
    const { error } = (parse(body) ?? {}) as ErrorBody;
    super(error?.message ?? `the upload was answered with ${status}`);
    this.code = status;
    this.errors = error?.errors;
    this.response = { headers: Object.fromEntries(headers.entries()) };
  }
}

/** `exists`: the job's id was used before. */
export async function openUpload(
  upload: Upload,
  tokens: TokenClient,
  signal: AbortSignal,
): Promise<JobResource | "exists"> {
  await using handle = await openStaged(upload.file);
  const session = await begin(upload, tokens, signal);
  return session === "exists" ? session : await sendFile(upload, handle, session, tokens, signal);
}

async function begin(upload: Upload, tokens: TokenClient, signal: AbortSignal): Promise<URL | "exists"> {
  const { project, jobId, location, configuration, file } = upload;
  const url = `${upload.endpoint}/upload/bigquery/v2/projects/${project}/jobs?uploadType=resumable`;
  // A session without a part is nothing, so starting over leaves nothing behind.
  const open = async (): Promise<URL | "exists"> => {
    const headers = await tokens.getRequestHeaders(url);
    headers.set("content-type", "application/json; charset=UTF-8");
    headers.set("x-upload-content-type", "application/octet-stream");
    headers.set("x-upload-content-length", String(file.bytes));
    const body = JSON.stringify({ jobReference: { projectId: project, jobId, location }, configuration });
    const answer = await send(url, { method: "POST", headers, body }, signal);
    const text = await answer.text();
    if (answer.status === 409) return "exists";
    const session = answer.headers.get("location");
    if (!answer.ok || session === null) throw new UploadError(answer.status, text, answer.headers);
    return new URL(session, url);
  };
  return await withRetries(() => classified(open, upload, signal), { policy: UPLOAD_RETRY }, signal);
}

async function sendFile(
  upload: Upload,
  handle: FileHandle,
  session: URL,
  tokens: TokenClient,
  signal: AbortSignal,
): Promise<JobResource | "exists"> {
  const { file } = upload;
  const hash = createHash("sha256");
  let hashed = 0;
  let offset = 0;
  for (;;) {
    // A part that is sent again ends where it ended before, so that the hash always grows by whole parts.
    const end = offset < hashed ? hashed : file.bytes;
    const part = await readPart(file, handle, offset, Math.min(PART_BYTES, end - offset));
    if (hashed === offset) {
      hash.update(part);
      hashed += part.length;
    }
    if (offset + part.length === file.bytes) await checkWhole(file, handle, hash);
    const range = file.bytes === 0 ? "bytes */0" : `bytes ${offset}-${offset + part.length - 1}/${file.bytes}`;
    const from = offset;
    const sendPart = async (attempt: number): Promise<Sent> => {
      const state = attempt > 1 ? await probe(session, file.bytes, tokens, signal) : undefined;
      // If nobody can say how far the server got, the same part is sent again: the server refuses what it has.
      if (state && (state.kind === "done" || state.offset !== from)) return state;
      return await classified(() => put(session, range, part, tokens, signal), upload, signal);
    };
    const sent = await withRetries(sendPart, { policy: UPLOAD_RETRY }, signal);
    if (sent.kind === "done") return sent.job;
    offset = sent.offset;
  }
}

type Sent =
  | { readonly kind: "done"; readonly job: JobResource | "exists" }
  | { readonly kind: "more"; readonly offset: number };

async function put(
  session: URL,
  range: string,
  body: Uint8Array<ArrayBuffer>,
  tokens: TokenClient,
  signal: AbortSignal,
): Promise<Sent> {
  const headers = await tokens.getRequestHeaders(session.href);
  headers.set("content-range", range);
  headers.set("content-type", "application/octet-stream");
  const answer = await send(session, { method: "PUT", headers, body }, signal);
  const text = await answer.text();
  if (answer.status === 308) {
    const received = /-(\d+)$/.exec(answer.headers.get("range") ?? "")?.[1];
    return { kind: "more", offset: received === undefined ? 0 : Number(received) + 1 };
  }
  if (answer.status === 409) return { kind: "done", job: "exists" };
  const job = parse(text) as JobResource | undefined;
  if (!answer.ok || !job) throw new UploadError(answer.status, text, answer.headers);
  return { kind: "done", job };
}

/** How far the server got. Undefined if it doesn't answer. */
async function probe(session: URL, bytes: number, tokens: TokenClient, signal: AbortSignal): Promise<Sent | undefined> {
  try {
    return await put(session, `bytes */${bytes}`, new Uint8Array(0), tokens, signal);
  } catch (error) {
    signal.throwIfAborted();
    // The session is gone: the job was created, or the server forgot it. Looking for the job's id shows which.
    const status = error instanceof UploadError ? error.code : undefined;
    if (status === 404 || status === 410) return { kind: "done", job: "exists" };
    return undefined;
  }
}

async function send(url: string | URL, init: RequestInit, signal: AbortSignal): Promise<Response> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PART_MS)]);
  // In this protocol 308 means "continue", not a redirect.
  return await fetch(url, { ...init, redirect: "manual", signal: limit });
}

/** Makes passing faults retryable. Leaves others as they are: the client renews its token after a 401. */
async function classified<Answer>(
  work: () => Promise<Answer>,
  { request }: Upload,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    const status = httpStatus(error);
    const passing = status === undefined || status === 408 || status === 429 || status >= 500;
    throw passing ? bigqueryError(unwrapped(error), request, signal) : error;
  }
}

/** fetch puts the real error into `cause`. */
function unwrapped(error: unknown): unknown {
  return error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
