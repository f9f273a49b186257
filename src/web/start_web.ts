/** The server: refuses to listen on a network without a token, and closes within a deadline. */
import { createAdaptorServer } from "@hono/node-server";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ReplayportError, giveUp, messageOf } from "../errors.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { wait } from "../retry.ts";
import { type AppDependencies, createApp } from "./app.ts";
import type { AuthOptions } from "./auth.ts";
import { createMetrics } from "./metrics.ts";

export interface WebOptions extends AuthOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export interface WebDependencies extends Pick<AppDependencies, "now" | "redact" | "onUnexpected" | "onWrongTokens"> {
  /** Aborted when the process shuts down: `/readyz` is 503 from then on, but the dashboard still answers. */
  readonly stopping: AbortSignal;
}

export interface Web extends AsyncDisposable {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
}

/** How long running requests may take at the end. Below the 10 seconds after which Docker sends SIGKILL. */
const CLOSE_MS = 3_000;
const SERVER = {
  // Limits for clients that send slowly, or nothing.
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 2_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
} as const;

export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || name === "::1" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/**
 * Resolves when it listens. Disposing it closes the server, not the fleet.
 * @throws ReplayportError `http.unguarded`, `http.cannot_listen`
 */
export async function startWeb(fleet: Fleet, options: WebOptions, dependencies: WebDependencies): Promise<Web> {
  if (!isLoopback(options.host) && options.token === undefined) {
    const hint = 'Set http.token in the config, for example to "${REPLAYPORT_TOKEN}", or listen on 127.0.0.1.';
    const message = `refusing to listen on ${options.host} without a token: anyone there could use it`;
    throw new ReplayportError(message, giveUp("http.unguarded", hint));
  }
  const closing = new AbortController();
  const ending = new AbortController();
  const metrics = createMetrics(fleet);
  const app = createApp(options, {
    ...dependencies,
    wait,
    fleet,
    metrics,
    closing: AbortSignal.any([closing.signal, dependencies.stopping]),
    ending: ending.signal,
  });
  const adapted = createAdaptorServer({
    fetch: (request, env) => app.fetch(withBody(request), env),
    serverOptions: SERVER,
    overrideGlobalObjects: false,
  });
  const server = adapted as Server;
  try {
    await listen(server, options);
  } catch (error) {
    metrics[Symbol.dispose]();
    throw error;
  }
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await close(server, ending);
      metrics[Symbol.dispose]();
    },
  };
}

/**
 * The adapter's own Request is only accepted by `new Request` where the adapter may replace the global one, in the whole process.
 * Middleware that reads a body, such as the limit of its size, makes a new Request of it.
 */
function withBody(request: Request): Request {
  const { method, headers, body, signal } = request;
  if (body === null) return request;
  return new Request(request.url, { method, headers, body, signal, duplex: "half" });
}

async function listen(server: Server, { host, port }: WebOptions): Promise<void> {
  server.listen({ host: host.replace(/^\[(.*)\]$/, "$1"), port });
  try {
    await once(server, "listening");
  } catch (cause) {
    const hint =
      "Is another Replayport running there? Choose another port: http.port in the config, or --http <host:port>.";
    const message = `can't listen on ${host}:${port}: ${messageOf(cause)}`;
    throw new ReplayportError(message, { ...giveUp("http.cannot_listen", hint), cause });
  }
}

/** Finishes running answers, closes idle connections at once, and slow ones at the deadline. */
async function close(server: Server, ending: AbortController): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const deadline = setTimeout(() => {
    ending.abort(new DOMException("the server closes", "AbortError"));
    server.closeAllConnections();
  }, CLOSE_MS);
  await closed;
  clearTimeout(deadline);
}
