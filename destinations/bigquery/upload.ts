/**
 * Sends a staged file to BigQuery with the load job that it is for, by the resumable protocol:
 * https://cloud.google.com/bigquery/docs/reference/api-uploads
 *
 * The client's own stream is not used: it sends one multipart body without a time limit, begins again from nothing after a
 * break, and never ends where its source fails (its body waits for an `end` that does not come). Here a break costs one
 * part, an abort ends it at once, and the last part is sent only where the whole file has the hash that it was staged with.
 * Without the last part there is no job.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { ReplayportError } from "../../src/errors.ts";
import { delayAfter, type RetryPolicy, wait } from "../../src/retry.ts";
import type { StagedFile } from "../destination.ts";
import { checkWhole, openStaged, readPart } from "../files/read_staged.ts";
import type { TokenClient } from "./tokens.ts";
import type { JobResource } from "./resources.ts";

/** A multiple of 256 KiB, which the protocol asks for. */
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
}

interface ErrorBody {
  readonly error?: {
    readonly message?: string;
    readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
  };
}

/** An answer of the API that is no success, in the form that the client's own errors have. */
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
  return session === "exists" ? session : await send(upload.file, handle, session, tokens, signal);
}

async function begin(upload: Upload, tokens: TokenClient, signal: AbortSignal): Promise<URL | "exists"> {
  const { project, jobId, location, configuration, file } = upload;
  const url = `${upload.endpoint}/upload/bigquery/v2/projects/${project}/jobs?uploadType=resumable`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const headers = await tokens.getRequestHeaders(url);
      headers.set("content-type", "application/json; charset=UTF-8");
      headers.set("x-upload-content-type", "application/octet-stream");
      headers.set("x-upload-content-length", String(file.bytes));
      const body = JSON.stringify({ jobReference: { projectId: project, jobId, location }, configuration });
      const answer = await request(url, { method: "POST", headers, body }, signal);
      const text = await answer.text();
      if (answer.status === 409) return "exists";
      const session = answer.headers.get("location");
      if (!answer.ok || session === null) throw new UploadError(answer.status, text, answer.headers);
      return new URL(session, url);
    } catch (error) {
      // A session without a part is nothing: beginning again leaves nothing behind.
      await pauseOrThrow(error, attempt, signal);
    }
  }
}

async function send(
  file: StagedFile,
  handle: FileHandle,
  session: URL,
  tokens: TokenClient,
  signal: AbortSignal,
): Promise<JobResource | "exists"> {
  const hash = createHash("sha256");
  let hashed = 0;
  let offset = 0;
  let attempt = 1;
  for (;;) {
    // What is sent again ends where it ended before, so that the hash always grows by whole parts.
    const end = offset < hashed ? hashed : file.bytes;
    const part = await readPart(file, handle, offset, Math.min(PART_BYTES, end - offset));
    if (hashed === offset) {
      hash.update(part);
      hashed += part.length;
    }
    const last = offset + part.length === file.bytes;
    if (last) await checkWhole(file, handle, hash);
    const range = file.bytes === 0 ? "bytes */0" : `bytes ${offset}-${offset + part.length - 1}/${file.bytes}`;
    try {
      const answer = await put(session, range, part, tokens, signal);
      if (answer.kind === "done") return answer.job;
      if (answer.offset > offset) attempt = 1;
      offset = answer.offset;
    } catch (error) {
      await pauseOrThrow(error, attempt, signal);
      attempt += 1;
      const state = await probe(session, file.bytes, tokens, signal);
      if (state?.kind === "done") return state.job;
      // Where nobody can tell, the same part is sent again: the server refuses what it has, and the next probe tells.
      if (state) offset = state.offset;
    }
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
  const answer = await request(session, { method: "PUT", headers, body }, signal);
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

/** How far the server got. Undefined where it cannot be asked now. */
async function probe(session: URL, bytes: number, tokens: TokenClient, signal: AbortSignal): Promise<Sent | undefined> {
  try {
    return await put(session, `bytes */${bytes}`, new Uint8Array(0), tokens, signal);
  } catch (error) {
    signal.throwIfAborted();
    // A session that is gone was used up: the job has been made, or the server has forgotten it. The job's id tells.
    const status = error instanceof UploadError ? error.code : undefined;
    if (status === 404 || status === 410) return { kind: "done", job: "exists" };
    return undefined;
  }
}

async function request(url: string | URL, init: RequestInit, signal: AbortSignal): Promise<Response> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PART_MS)]);
  // 308 is this protocol's "go on", and no redirect.
  return await fetch(url, { ...init, redirect: "manual", signal: limit });
}

async function pauseOrThrow(error: unknown, attempt: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (error instanceof ReplayportError) throw error;
  const status = error instanceof UploadError ? error.code : undefined;
  const passing = status === undefined || status === 408 || status === 429 || status >= 500;
  if (!passing || attempt >= UPLOAD_RETRY.attempts) throw unwrapped(error);
  await wait(delayAfter(attempt, undefined, UPLOAD_RETRY, Math.random), signal);
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
