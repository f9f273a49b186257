import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { sendException, sendOutcome } from "./answer.ts";
import { readStatement } from "./body.ts";
import { chooseEncoding, decoder } from "./compression.ts";
import { authenticate } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import type { Engine } from "./engine.ts";
import { ServerException, fromEngine } from "./exception.ts";
import { execute } from "./execute.ts";
import { readForm, readRequest } from "./request.ts";
import type { QueryRequest } from "./request.ts";

export interface HandlerOptions {
  readonly engine: Engine;
  readonly version: string;
  readonly credentials: Credentials | undefined;
  /** Where results and data to insert lie for as long as they are on their way. */
  readonly directory: string;
}

/**
 * Answers as ClickHouse's HTTP interface does (https://clickhouse.com/docs/interfaces/http), always as with
 * `wait_end_of_query=1`: the status and the summary are true, because the result is complete before it is sent.
 * Sessions (`session_id`), external tables, roles and ClickHouse's own compression are not there.
 */
export function createHandler(options: HandlerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort(new Error("the client has gone")));
    answer(options, request, response, gone.signal).catch((error: unknown) => {
      if (gone.signal.aborted) return;
      const exception = error instanceof ServerException ? error : fromEngine(error);
      sendException(response, exception, options.version);
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
  // A broken body makes the decoder fail; a client that goes away makes the request fail, and that is `signal`'s.
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
      encoding: asked.compress ? chooseEncoding(request.headers["accept-encoding"]?.toString()) : undefined,
      compressionLevel: asked.compressionLevel,
      directory: options.directory,
    },
    signal,
  );
  await sendOutcome(response, outcome, signal);
}

/** GET changes nothing, as ClickHouse has it: `readonly = 2` still lets a query choose its settings. */
function settingsOf(asked: QueryRequest, request: IncomingMessage): ReadonlyMap<string, string> {
  if (request.method !== "GET" || asked.settings.has("readonly")) return asked.settings;
  return new Map([...asked.settings, ["readonly", "2"]]);
}

/**
 * ClickHouse writes headers of progress while a query runs, which fixes the status before it is known. A `102 Processing`
 * keeps idle time-outs away just as well, and leaves the status open.
 */
function signsOfLife(response: ServerResponse, { progressMs }: QueryRequest): Disposable {
  const timer = progressMs === undefined ? undefined : setInterval(() => beat(response), progressMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function beat(response: ServerResponse): void {
  if (!response.headersSent && !response.destroyed && response.req.httpVersion !== "1.0") response.writeProcessing();
}

/** The engine reads files of this machine, so a web page must not reach it by way of its visitor's browser. */
function refuseBrowsersOfOtherSites({ headers }: IncomingMessage): void {
  const site = headers["sec-fetch-site"];
  const foreign = site !== undefined && site !== "same-origin" && site !== "none";
  const host = new URL(`http://${headers.host ?? "localhost"}`).hostname;
  const loopback = host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
  if (foreign || !loopback) {
    throw new ServerException(497, "ACCESS_DENIED", "Requests from web pages of other sites are not answered.");
  }
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=UTF-8" });
  response.end(text);
}

async function* nothing(): AsyncIterable<Buffer> {}
