/** Listens: refuses what would lie open to a network, and closes within a deadline whoever is still connected. */
import { createAdaptorServer } from "@hono/node-server";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ReplayportError, messageOf } from "../errors.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { createApp } from "./app.ts";
import { createMetrics } from "./metrics.ts";

export interface WebOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Undefined: nothing can be changed, and nothing read unless `publicReads`. */
  readonly token: string | undefined;
  readonly publicReads: boolean;
}

export interface WebDependencies {
  readonly now: () => Date;
  /** Aborted when the process was told to stop: it is not ready any more, though what runs may still be looked at. */
  readonly stopping: AbortSignal;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
  /** An error that nobody foresaw; the client gets a 500 that says nothing of it. */
  readonly onUnexpected: (error: unknown) => void;
}

export interface Web extends AsyncDisposable {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
}

/** A request that is under way at the end gets so long. Below Docker's 10 seconds before SIGKILL. */
const CLOSE_MS = 3_000;
const SERVER = {
  // Whoever sends slowly, or nothing, holds a connection no longer than that.
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
 * Resolves when it listens. Disposing it ends the listening, not the fleet.
 * @throws ReplayportError `http.unguarded`, `http.cannot_listen`
 */
export async function startWeb(fleet: Fleet, options: WebOptions, dependencies: WebDependencies): Promise<Web> {
  if (!isLoopback(options.host) && options.token === undefined) {
    throw new ReplayportError(`refusing to listen on ${options.host} without a token: anyone there could use it`, {
      code: "http.unguarded",
      remedy: "give-up",
      hint: 'Set http.token in the config, for example to "${REPLAYPORT_TOKEN}", or listen on 127.0.0.1.',
    });
  }
  const closing = new AbortController();
  const ending = new AbortController();
  const metrics = createMetrics(fleet);
  const app = createApp(options, {
    ...dependencies,
    fleet,
    metrics,
    closing: AbortSignal.any([closing.signal, dependencies.stopping]),
    ending: ending.signal,
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: SERVER,
    overrideGlobalObjects: false,
  }) as Server;
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

async function listen(server: Server, { host, port }: WebOptions): Promise<void> {
  server.listen({ host: host.replace(/^\[(.*)\]$/, "$1"), port });
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new ReplayportError(`cannot listen on ${host}:${port}: ${messageOf(cause)}`, {
      code: "http.cannot_listen",
      remedy: "give-up",
      hint: "Is another Replayport running there? Choose another port: http.port in the config, or --http <host:port>.",
      cause,
    });
  }
}

/** Answers that are under way are finished, idle connections end at once, and slow ones at the deadline. */
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
