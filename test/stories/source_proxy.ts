/**
 * A proxy between Replayport and ClickHouse that shifts the source's clock: it rewrites `now()` and `now64()` in each query.
 * A test may also change what passes, as proxies and servers do that don't keep ClickHouse's word.
 */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Asked {
  /** The path and the parameters; may be changed. */
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** The statement, wherever it was sent. */
  readonly sql: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface SourceProxy extends AsyncDisposable {
  readonly url: string;
  /** Statements so far. */
  readonly statements: string[];
  /** Milliseconds to add to what the source says the time is. */
  shiftMs: number;
  /** Asked before each request; what it returns is the answer, and the source doesn't see the request. */
  ask: (asked: Asked) => Answered | undefined | Promise<Answered | undefined>;
  /** Asked with each answer of the source. */
  answer: (answered: Answered, asked: Asked) => Answered;
}

/** Whether the statement reads a file of an export, in whatever way the model is written. */
export const isExtract = ({ sql }: Pick<Asked, "sql">): boolean =>
  /\bFORMAT (Parquet|JSONEachRow|CSVWithNames)\b/.test(sql) && /_exported_at/.test(sql);

export async function openSourceProxy(target: string): Promise<SourceProxy> {
  const to = new URL(target);
  const handle = async (incoming: IncomingMessage): Promise<Answered> => {
    const url = new URL(incoming.url ?? "/", to);
    const body = (await buffer(incoming)).toString("utf8");
    const asked = { url, headers: incoming.headers, sql: `${url.searchParams.get("query") ?? ""}${body}` };
    proxy.statements.push(asked.sql);
    const own = await proxy.ask(asked);
    if (own) return own;
    const query = url.searchParams.get("query");
    if (query !== null) url.searchParams.set("query", shifted(query, proxy.shiftMs));
    return proxy.answer(await forward(url, incoming, shifted(body, proxy.shiftMs)), asked);
  };
  const server = createServer((incoming, outgoing) => {
    handle(incoming)
      .then(({ status, headers, body }) => outgoing.writeHead(status, { ...headers, connection: "close" }).end(body))
      .catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: SourceProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    statements: [],
    shiftMs: 0,
    ask: () => undefined,
    answer: (answered) => answered,
    [Symbol.asyncDispose]: () => {
      server.close();
      server.closeAllConnections();
      return Promise.resolve();
    },
  };
  return proxy;
}

function shifted(sql: string, ms: number): string {
  if (ms === 0) return sql;
  return sql.replaceAll(
    /\b(?:now|now64|UTCTimestamp)\([^()]*\)/gi,
    (call) => `addSeconds(${call}, ${Math.round(ms / 1000)})`,
  );
}

async function forward(url: URL, incoming: IncomingMessage, body: string): Promise<Answered> {
  const { "content-length": _, "transfer-encoding": __, expect: ___, ...headers } = incoming.headers;
  const request = send(url, { method: incoming.method, headers, agent: false });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const content = await buffer(response);
  const { "transfer-encoding": ____, "content-length": _____, ...answered } = response.headers;
  return {
    status: response.statusCode ?? 502,
    headers: { ...answered, "content-length": String(content.length) },
    body: content,
  };
}
