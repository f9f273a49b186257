/** A server that answers as a catalog, with what a test says, and keeps what it was asked. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type Catalog, openCatalog } from "../../../destinations/catalog/catalog.ts";
import type { CatalogAuth, CatalogOptions } from "../../../destinations/catalog/options.ts";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
export type Answer = (seen: Seen, response: ServerResponse) => void;

export interface FakeCatalog extends AsyncDisposable {
  readonly uri: string;
  readonly seen: Seen[];
}

export async function fake(answer: Answer): Promise<FakeCatalog> {
  const seen: Seen[] = [];
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url = "", headers } = request;
    const one = { method, url, headers, body: await text(request) };
    seen.push(one);
    answer(one, response);
  };
  const server = createServer((request, response) => {
    void respond(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    uri: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function reply(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

export const CONFIG = { defaults: {}, overrides: { prefix: "catalogs/7" } };
/** Answers to everything but the config. */
export function catalogs(answer: Answer): Promise<FakeCatalog> {
  return fake((seen, response) => {
    if (seen.url.startsWith("/v1/config")) reply(response, 200, CONFIG);
    else answer(seen, response);
  });
}

export const open = (uri: string, auth: CatalogAuth = { type: "none" }, more: Partial<CatalogOptions> = {}): Catalog =>
  openCatalog({ uri, warehouse: "w 1", auth, ...more });
