import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { sendException, sendOutcome } from "./answer.ts";
import { readStatement } from "./body.ts";
import { chooseEncoding, decoder } from "./compression.ts";
import { type Credentials, authenticate } from "./credentials.ts";
import type { Engine } from "./engine.ts";
import { ServerException, fromEngine } from "./exception.ts";
import { execute } from "./execute.ts";
import { type QueryRequest, readForm, readRequest } from "./request.ts";

export interface HandlerOptions {
  readonly engine: Engine;
  readonly version: string;
  readonly credentials: Credentials;
  /** Whether statements may reach what is outside of the data directory. */
  readonly outside: boolean;
  /** For results and data to insert, while they are being sent or received. */
  readonly directory: string;
}

/**
 * Answers as ClickHouse's HTTP interface does (https://clickhouse.com/docs/interfaces/http), always as with
 * `wait_end_of_query=1`: the status and the summary are true, because the result is complete before it is sent.
 * Not supported: what a session keeps (`session_id`), external tables, roles, bodies in ClickHouse's own compression, and Native as in the
 * TCP protocol (`client_protocol_version`).
 */
export function createHandler(options: HandlerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort(new Error("the client has gone")));
    answer(options, request, response, gone.signal).catch((error: unknown) => {
      if (gone.signal.aborted) return;
      const exception = error instanceof ServerException ? error : fromEngine(error);
      sendException(response, exception, options.version, /[?&]compress=(?:1|true)(?:&|$)/.test(request.url ?? ""));
    });
  };
}

async function answer(
  options: HandlerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  response.setHeader("X-ClickHouse-Server-Display-Name", "replayport");
  refuseBrowsersOfOtherSites(request);
  if (url.pathname === "/ping" || url.pathname === "/replicas_status") return sendText(response, 200, "Ok.\n");
  if (url.pathname !== "/") return sendText(response, 404, `There is no handle ${url.pathname}.\n`);
  if (request.method !== "GET" && request.method !== "POST") return sendText(response, 405, "Use GET or POST.\n");
  if (request.method === "GET" && !url.searchParams.has("query")) return sendText(response, 200, "Ok.\n");
  authenticate(options.credentials, url, request.headers);
  await answerQuery(options, url, request, response, signal);
}

async function answerQuery(
  options: HandlerOptions,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const decode = decoder(request.headers["content-encoding"]);
  // A broken body makes the decoder fail. A client that disconnects makes the request fail, which aborts `signal`.
  const body: AsyncIterable<Buffer> = decode ? request.on("error", (e) => decode.destroy(e)).pipe(decode) : request;
  const form = await readForm(request.headers["content-type"], body);
  const asked = readRequest(url, request.headers, form ?? new URLSearchParams());
  response.setHeader("X-ClickHouse-Query-Id", asked.queryId ?? randomUUID());
  response.setHeader("X-ClickHouse-Timezone", "UTC");
  const incoming = await readStatement(asked.query, form ? nothing() : body);
  using _ = signsOfLife(response, asked);
  const outcome = await execute(
    options.engine,
    incoming,
    {
      query: { settings: settingsOf(asked, request), params: asked.params, database: asked.database },
      defaultFormat: asked.defaultFormat,
      nativeProtocol: asked.nativeProtocol,
      inSession: asked.inSession,
      encoding: asked.compress ? chooseEncoding(request.headers["accept-encoding"]?.toString()) : undefined,
      compressionLevel: asked.compressionLevel,
      directory: options.directory,
      outside: options.outside,
    },
    signal,
  );
  await sendOutcome(response, outcome, asked.blocks, signal);
}

/** As in ClickHouse, GET can't change anything. `readonly = 2` lets a query choose its settings, but not this one. */
function settingsOf(asked: QueryRequest, request: IncomingMessage): ReadonlyMap<string, string> {
  if (request.method !== "GET") return asked.settings;
  const given = asked.settings.get("readonly") ?? "2";
  if (given === "1" || given === "2") return new Map([...asked.settings, ["readonly", given]]);
  throw new ServerException(164, "READONLY", "Cannot modify 'readonly' setting in readonly mode: use POST.");
}

/**
 * ClickHouse sends progress headers while a query runs, and so has to send the status before it is known. `102 Processing`
 * prevents idle timeouts just as well, and leaves the status open.
 */
function signsOfLife(response: ServerResponse, { progressMs }: QueryRequest): Disposable {
  const timer = progressMs === undefined ? undefined : setInterval(() => beat(response), progressMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function beat(response: ServerResponse): void {
  if (!response.headersSent && !response.destroyed && response.req.httpVersion !== "1.0") response.writeProcessing();
}

/** Web pages must not reach the engine through their visitor's browser: what any program on this machine may ask, a page may not. */
function refuseBrowsersOfOtherSites({ headers }: IncomingMessage): void {
  const { host = "localhost", origin } = headers;
  const site = headers["sec-fetch-site"];
  const foreign = (site !== undefined && site !== "same-origin" && site !== "none") || !isOwn(origin, host);
  if (foreign || !LOOPBACK.test(host)) {
    throw new ServerException(497, "ACCESS_DENIED", "Requests from web pages of other sites are not answered.");
  }
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/** Only a browser sends an Origin: `null` for a page without one. */
function isOwn(origin: string | undefined, host: string): boolean {
  return origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`;
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=UTF-8" });
  response.end(text);
}

async function* nothing(): AsyncIterable<Buffer> {}
