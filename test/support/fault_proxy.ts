/**
 * A proxy for HTTP/1.1 that stands between a client and a server and does what networks and servers do on bad days. It
 * knows nothing of the protocol above, so it serves for S3 and for ClickHouse. The Host header passes as the client wrote
 * it, so that signatures stay right.
 */
import { once } from "node:events";
import {
  createServer,
  request as send,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface ProxiedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body of a form, such as a query with its parameters; empty for any other request. */
  readonly form: string;
  /** 1 for the first request that the proxy saw. */
  readonly count: number;
}

export type Fault =
  /** The server does not see the request; this is the answer. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The request and its answer pass, changed. The answer's body is given as it was sent, maybe compressed. */
  | {
      readonly kind: "change";
      readonly parameters?: (parameters: URLSearchParams) => void;
      readonly query?: (sql: string) => string;
      /** The request's body, as it goes on to the server. */
      readonly sent?: (body: Buffer) => Buffer;
      /** The server has done it, and the client is told this. */
      readonly status?: number;
      readonly headers?: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
      readonly body?: (body: Buffer) => Buffer;
    }
  /** The connection breaks before the server sees the request. */
  | { readonly kind: "cut-request" }
  /** The server has done it, and the connection breaks before its answer. */
  | { readonly kind: "cut-answer" }
  /** The connection breaks after so many bytes of the answer's body. */
  | { readonly kind: "cut-body"; readonly afterBytes: number }
  /** The answer's body ends after so many bytes, in good form: chunked, and without a word of what is missing. */
  | { readonly kind: "end-body"; readonly afterBytes: number }
  /** The answer's body stops after so many bytes, and the connection stays. */
  | { readonly kind: "stall-body"; readonly afterBytes: number }
  /** The request goes on to the server when the promise resolves; never, if it does not. */
  | { readonly kind: "hold-request"; readonly until: Promise<unknown> }
  /** The connection breaks, and the server sees the request all the same, when the promise resolves. */
  | { readonly kind: "late-request"; readonly until: Promise<unknown> }
  /** The answer goes on to the client when the promise resolves. */
  | { readonly kind: "hold-answer"; readonly until: Promise<unknown> };

export type Decide = (request: ProxiedRequest) => Fault | undefined;

export interface FaultProxy extends AsyncDisposable {
  /** `http://127.0.0.1:4711` */
  readonly url: string;
  /** Every request so far. */
  readonly requests: readonly ProxiedRequest[];
  /** Asked about each request from now on. */
  decide(by: Decide): void;
  /** Breaks every connection, and refuses new ones: what the death of the server looks like. */
  die(): void;
}

/** The fault for the first `times` requests that match, none for the others. */
export function first(times: number, matches: (request: ProxiedRequest) => boolean, fault: Fault): Decide {
  let left = times;
  return (request) => {
    if (left === 0 || !matches(request)) return undefined;
    left -= 1;
    return fault;
  };
}

/** The answer of the first that has one. */
export function anyOf(...decides: Decide[]): Decide {
  return (request) => {
    for (const decide of decides) {
      const fault = decide(request);
      if (fault) return fault;
    }
    return undefined;
  };
}

/** @param target such as `http://127.0.0.1:5000` */
export async function openFaultProxy(target: string): Promise<FaultProxy> {
  const to = new URL(target);
  const requests: ProxiedRequest[] = [];
  let decide: Decide = () => undefined;
  const pass = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const isForm = incoming.headers["content-type"]?.startsWith("multipart/form-data") === true;
    const form = isForm ? await buffer(incoming) : undefined;
    const seen: ProxiedRequest = {
      method: incoming.method ?? "GET",
      path: incoming.url ?? "/",
      headers: incoming.headers,
      form: form?.toString("utf8") ?? "",
      count: requests.length + 1,
    };
    requests.push(seen);
    await handle(to, { incoming, body: form }, answer, decide(seen));
  };
  const server = createServer((incoming, answer) => {
    // Whatever breaks on the way breaks the client's connection, which is what the client is tested for.
    pass(incoming, answer).catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    decide: (by) => {
      decide = by;
    },
    die: close,
    [Symbol.asyncDispose]: () => {
      close();
      return Promise.resolve();
    },
  };
}

interface Incoming {
  readonly incoming: IncomingMessage;
  /** Undefined where it hasn't been read. */
  readonly body: Buffer | undefined;
}

async function handle(to: URL, from: Incoming, answer: ServerResponse, fault?: Fault): Promise<void> {
  const { incoming } = from;
  switch (fault?.kind) {
    case "answer":
      // Read to its end, or the client sees a broken connection in place of the answer.
      if (from.body === undefined) {
        incoming.resume();
        await once(incoming, "end");
      }
      answer.writeHead(fault.status, { connection: "close", ...fault.headers }).end(fault.body ?? "");
      return;
    case "cut-request":
      incoming.socket.destroy();
      return;
    case "hold-request":
      await fault.until;
      break;
    case "late-request": {
      const body = from.body ?? (await buffer(incoming));
      incoming.socket.destroy();
      await fault.until;
      (await forward(to, { incoming, body }, answer)).resume();
      return;
    }
    case "change": {
      const response = await forward(to, from, answer, fault);
      const body = await buffer(response);
      const { "content-length": _, "transfer-encoding": __, ...headers } = response.headers;
      answer
        .writeHead(fault.status ?? response.statusCode ?? 502, fault.headers?.(headers) ?? headers)
        .end(fault.body?.(body) ?? body);
      return;
    }
    case undefined:
    case "cut-answer":
    case "cut-body":
    case "end-body":
    case "stall-body":
    case "hold-answer":
      break;
    default:
      fault satisfies never;
  }
  const response = await forward(to, from, answer);
  if (fault?.kind === "cut-answer") {
    // The answer has begun, so the server has done its work.
    response.resume();
    incoming.socket.destroy();
    return;
  }
  if (fault?.kind === "hold-answer") await fault.until;
  if (incoming.socket.destroyed) {
    // Nobody is left to read it; unread, it would keep the connection to the server.
    response.resume();
    return;
  }
  const limit = fault && "afterBytes" in fault ? fault.afterBytes : Number.POSITIVE_INFINITY;
  const headers = { ...response.headers };
  if (fault?.kind === "end-body") delete headers["content-length"];
  answer.writeHead(response.statusCode ?? 502, headers);
  let sent = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, limit - sent);
    sent += part.length;
    if (part.length > 0 && !answer.write(part)) await once(answer, "drain");
    if (sent < limit) continue;
    if (fault?.kind === "cut-body") {
      // What was written has to reach the client before the break.
      await new Promise<void>((resolve) => {
        answer.write("", () => resolve());
      });
      incoming.socket.destroy();
      return;
    }
    if (fault?.kind === "stall-body") {
      await once(incoming.socket, "close");
      return;
    }
    break;
  }
  answer.end();
}

async function forward(
  to: URL,
  { incoming, body }: Incoming,
  answer: ServerResponse,
  change?: Fault & { kind: "change" },
): Promise<IncomingMessage> {
  const url = new URL(incoming.url ?? "/", to);
  if (change) change.parameters?.(url.searchParams);
  const changes = change?.query !== undefined || change?.sent !== undefined;
  const whole = body ?? (changes ? await buffer(incoming) : undefined);
  const sql = whole && (change?.query?.(whole.toString("utf8")) ?? change?.sent?.(whole) ?? whole);
  return await new Promise((resolve, reject) => {
    // `Expect: 100-continue` was answered by our own server already.
    const { expect: _, ...headers } = incoming.headers;
    if (sql !== undefined) {
      headers["content-length"] = String(Buffer.byteLength(sql));
      delete headers["transfer-encoding"];
    }
    const { method } = incoming;
    const path = change ? `${url.pathname}${url.search}` : incoming.url;
    const request = send({ host: to.hostname, port: to.port, method, path, headers, agent: false }, resolve);
    request.on("error", reject);
    incoming.on("error", reject);
    // A client that goes away goes away for the server too.
    answer.on("close", () => {
      if (!answer.writableFinished) request.destroy();
    });
    if (sql === undefined) incoming.pipe(request);
    else request.end(sql);
  });
}
