/**
 * Stands in for what Google's library asks to sign in: oauth2.googleapis.com and iamcredentials.googleapis.com, by a proxy
 * that leads there (HTTPS_PROXY) and certificates of a test's own authority (NODE_EXTRA_CA_CERTS); and the metadata server
 * of a machine in Google's cloud. As both are read when a process starts, a check runs in a process of its own.
 */
import { spawn } from "node:child_process";
import { createVerify } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import type { BigQueryOptions } from "../../../destinations/bigquery/index.ts";
import { bigqueryServer, PROJECT } from "./emulator.ts";
import { openFaultProxy } from "../../support/fault_proxy.ts";
import { run } from "../../support/tools.ts";

const CHECK = join(import.meta.dirname, "google_check.ts");
const HOSTS = ["oauth2.googleapis.com", "iamcredentials.googleapis.com"];

export interface Checked {
  /** Every authorization that BigQuery was shown, each once. */
  readonly tokens: readonly string[];
  readonly stderr: string;
  readonly error: { readonly code: string; readonly hint: string } | undefined;
}

export interface GoogleAccounts extends AsyncDisposable {
  /** Where iamcredentials answers without TLS. */
  readonly plainUrl: string;
  now: () => number;
  /** The answer to whoever wants to impersonate. */
  refuse: { readonly status: number; readonly message: string } | undefined;
  readonly impersonations: object[];
  /** Runs a destination's check against the emulator, with these credentials and in this environment. */
  check(
    options: Pick<BigQueryOptions, "credentials" | "impersonate">,
    env: Readonly<Record<string, string>>,
    folder: string,
  ): Promise<Checked>;
}

/** For `{ skip }`: why processes cannot be led to servers of ours, or false. */
export async function accountsSkip(): Promise<string | false> {
  const server = await bigqueryServer();
  if ("skip" in server) return server.skip;
  const openssl = await run("openssl", ["version"]).then(
    () => true,
    () => false,
  );
  return openssl ? false : "no openssl, which makes the certificates of this test: install it";
}

/** @param publicKey of the service account whose assertions are believed */
export async function openGoogleAccounts({
  tls,
  publicKey = "",
}: {
  tls: boolean;
  publicKey?: string;
}): Promise<GoogleAccounts> {
  const accounts = {
    now: () => Date.now(),
    refuse: undefined as GoogleAccounts["refuse"],
    impersonations: [] as object[],
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = request.url ?? "";
    const target = /\/serviceAccounts\/(.+):generateAccessToken$/.exec(decodeURIComponent(url))?.[1];
    if (target !== undefined) {
      const body = (await json(request)) as object;
      if (accounts.refuse) {
        const { status, message } = accounts.refuse;
        return send(response, status, { error: { code: status, message } });
      }
      accounts.impersonations.push({ of: target, by: request.headers.authorization, ...body });
      return send(response, 200, {
        accessToken: `token-${accounts.impersonations.length}-of-${target}`,
        expireTime: new Date(accounts.now() + 3_600_000).toISOString(),
      });
    }
    if (url === "/token") {
      const assertion = new URLSearchParams(await text(request)).get("assertion") ?? "";
      const email = believed(assertion, publicKey);
      return email === undefined
        ? send(response, 400, { error: "invalid_grant", error_description: "Invalid JWT Signature." })
        : send(response, 200, { access_token: `token-of-${email}`, expires_in: 3600, token_type: "Bearer" });
    }
    response.setHeader("metadata-flavor", "Google");
    if (url.endsWith("/universe-domain")) return void response.end("googleapis.com");
    if (!url.includes("/service-accounts/default/token")) return void response.end("ok");
    send(response, 200, { access_token: "token-of-the-machine", expires_in: 3600, token_type: "Bearer" });
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch(() => request.socket.destroy());
  };
  const plain = createServer(listener);
  const servers: Server[] = [plain];
  const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
  const env: Record<string, string> = {};
  if (tls) {
    const certificates = await makeCertificates(folder);
    const secure = createTlsServer(certificates, listener);
    const proxy = createServer();
    proxy.on("connect", (_request: IncomingMessage, client: import("node:stream").Duplex) => {
      const server = connect((secure.address() as AddressInfo).port, "127.0.0.1");
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      server.pipe(client).pipe(server);
      for (const socket of [server, client]) socket.on("error", () => socket.destroy());
    });
    servers.push(secure, proxy);
    await listen(secure);
    env["HTTPS_PROXY"] = `http://127.0.0.1:${await listen(proxy)}`;
    env["NODE_EXTRA_CA_CERTS"] = join(folder, "ca.pem");
  }
  const plainPort = await listen(plain);
  return Object.assign(accounts, {
    plainUrl: `http://127.0.0.1:${plainPort}`,
    async check(
      options: Pick<BigQueryOptions, "credentials" | "impersonate">,
      { MACHINE, ...more }: Readonly<Record<string, string>>,
      cwd: string,
    ): Promise<Checked> {
      accounts.impersonations.length = 0;
      const server = await bigqueryServer();
      if ("skip" in server) throw new Error(server.skip);
      await using proxy = await openFaultProxy(server.url);
      const place = { type: "bigquery", project: PROJECT, dataset: await server.dataset(), table: "sessions" };
      const argument = JSON.stringify({ ...place, ...options, apiEndpoint: proxy.url, maxAttempts: 1 });
      const child = spawn(process.execPath, [CHECK, argument], {
        cwd,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          PATH: process.env["PATH"],
          HOME: cwd,
          NO_PROXY: "127.0.0.1",
          NODE_USE_ENV_PROXY: "1",
          ...env,
          ...(MACHINE === undefined
            ? { METADATA_SERVER_DETECTION: "none" }
            : { METADATA_SERVER_DETECTION: "assume-present", GCE_METADATA_HOST: `127.0.0.1:${plainPort}` }),
          ...more,
        },
      });
      const [out, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
      const shown = proxy.requests.map(({ headers }) => String(headers["authorization"]));
      const error = out === "" ? undefined : (JSON.parse(out) as { code: string; hint: string });
      return { tokens: [...new Set(shown)], stderr, error };
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await rm(folder, { recursive: true, force: true });
    },
  });
}

/** The account whose key has signed the assertion. */
function believed(assertion: string, publicKey: string): string | undefined {
  const [head = "", claims = "", signature = ""] = assertion.split(".");
  const verify = createVerify("RSA-SHA256").update(`${head}.${claims}`);
  if (!verify.verify(publicKey, signature, "base64url")) return undefined;
  const { iss, scope } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { iss: string; scope: string };
  return /\/auth\/(bigquery|cloud-platform)$/.test(scope) ? iss : undefined;
}

async function makeCertificates(folder: string): Promise<{ key: Buffer; cert: Buffer }> {
  const path = (name: string): string => join(folder, name);
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
  await run("openssl", [
    "req",
    "-x509",
    ...key,
    path("ca.key"),
    "-out",
    path("ca.pem"),
    "-days",
    "2",
    "-subj",
    "/CN=test",
  ]);
  await run("openssl", ["req", ...key, path("server.key"), "-out", path("server.csr"), "-subj", `/CN=${HOSTS[0]}`]);
  await writeFile(path("names"), `subjectAltName=${HOSTS.map((host) => `DNS:${host}`).join(",")}`);
  const by = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-extfile", path("names")];
  await run("openssl", ["x509", "-req", "-in", path("server.csr"), "-out", path("server.pem"), "-days", "2", ...by]);
  return { key: await readFile(path("server.key")), cert: await readFile(path("server.pem")) };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  server.unref();
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
