/** Redis behind TLS, with sentinels, and as a Cluster: servers of a test's own. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { type OwnRedis, type RedisServer, ownRedisFor, redisProgram, startRedis } from "./redis.ts";
import { freePort } from "./server_process.ts";
import { firstLine, run } from "./tools.ts";

const READY_MS = 30_000;

export interface TlsRedis extends OwnRedis {
  /** A PEM file, for the config's `ca_file`. */
  readonly caFile: string;
  /** The key of that certificate. */
  readonly keyFile: string;
}

/** Undefined where it cannot be had; then the test is skipped with the reason. */
export async function tlsRedisFor(t: TestContext): Promise<TlsRedis | undefined> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "replayport-redis-tls-"));
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const program = await redisProgram();
  if (typeof program === "string" && !(await isBuiltWithTls(program))) {
    t.skip(`${program} is built without TLS: install a redis-server that has it`);
    return undefined;
  }
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  try {
    const names = ["-subj", "/CN=replayport test", "-addext", "subjectAltName=IP:127.0.0.1"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    await run("openssl", ["req", "-x509", ...kind, ...names, "-keyout", key, "-out", cert]);
  } catch (error) {
    t.skip(`no certificate (${firstLine(error)}): install openssl`);
    return undefined;
  }
  const server = await ownRedisFor(t, { tls: { cert, key } });
  if (!server) return undefined;
  stack.use(server);
  const ca = await readFile(cert, "utf8");
  const kept = stack.move();
  return {
    ...server,
    address: { ...server.address, ca },
    caFile: cert,
    keyFile: key,
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

/**
 * Without a port to listen on, the server exits at once: because it listens nowhere, or because a build without TLS doesn't
 * know the option. `--version` says nothing about TLS.
 */
async function isBuiltWithTls(program: string): Promise<boolean> {
  const { stdout, stderr } = await run(program, ["--port", "0", "--tls-port", "0", "--save", ""]).catch(
    (error: unknown) => error as { readonly stdout: string; readonly stderr: string },
  );
  return !/bad directive|unknown|wrong number of arguments/i.test(`${stdout}${stderr}`);
}

export interface SentinelRedis extends RedisServer {
  /** Kills the master. The sentinel makes the replica the new one. */
  killMaster(): Promise<void>;
}

/** A master, its replica and a sentinel. */
export async function sentinelRedisFor(t: TestContext): Promise<SentinelRedis | undefined> {
  await using stack = new AsyncDisposableStack();
  const master = await ownRedisFor(t);
  const program = await redisProgram();
  if (!master || typeof program !== "string") return undefined;
  stack.use(master);
  const replica = await ownRedisFor(t, { settings: ["--replicaof", "127.0.0.1", String(master.port)] });
  if (!replica) return undefined;
  stack.use(replica);
  await ready("the replica", async () => /master_link_status:up/.test(await replica.client.info("replication")));
  const folder = await mkdtemp(join(tmpdir(), "replayport-sentinel-"));
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const settings = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
    "sentinel down-after-milliseconds mymaster 500",
    "sentinel failover-timeout mymaster 3000",
  ];
  await writeFile(join(folder, "sentinel.conf"), `${settings.join("\n")}\n`);
  const sentinel = await startRedis(program, [join(folder, "sentinel.conf"), "--sentinel"], port);
  stack.defer(async () => await sentinel.stop());
  const client = new Redis({ port, host: "127.0.0.1" });
  stack.defer(() => client.disconnect());
  await ready(
    "the sentinel",
    async () => ((await client.call("SENTINEL", "REPLICAS", "mymaster")) as unknown[]).length === 1,
  );
  const kept = stack.move();
  return {
    ...replica,
    url: `redis+sentinel://127.0.0.1:${port}/mymaster`,
    address: { kind: "sentinel", hosts: [{ host: "127.0.0.1", port }], tls: false, db: 0, master: "mymaster" },
    killMaster: async () => {
      await master.kill();
      await ready("the new master", async () => /role:master/.test(await replica.client.info("replication")));
    },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

const NODES = 3;
const SLOTS = 16_384;

/** Three nodes without replicas. `client` speaks to the first of them. */
export async function clusterRedisFor(t: TestContext): Promise<RedisServer | undefined> {
  await using stack = new AsyncDisposableStack();
  const nodes: OwnRedis[] = [];
  for (let index = 0; index < NODES; index += 1) {
    const settings = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"];
    const node = await ownRedisFor(t, { settings });
    if (!node) return undefined;
    nodes.push(stack.use(node));
  }
  const [first] = nodes;
  if (!first) return undefined;
  for (const [index, { client, port }] of nodes.entries()) {
    const from = Math.floor((index * SLOTS) / NODES);
    const until = Math.floor(((index + 1) * SLOTS) / NODES) - 1;
    await client.cluster("ADDSLOTSRANGE", from, until);
    if (index > 0) await first.client.cluster("MEET", "127.0.0.1", port);
  }
  for (const { client } of nodes) {
    await ready("the cluster", async () => {
      const info = await client.cluster("INFO");
      return /cluster_state:ok/.test(info) && info.includes(`cluster_known_nodes:${NODES}`);
    });
  }
  const kept = stack.move();
  return {
    ...first,
    url: `redis+cluster://127.0.0.1:${first.port}`,
    address: { kind: "cluster", hosts: [{ host: "127.0.0.1", port: first.port }], tls: false, db: 0 },
    keys: async () => (await Promise.all(nodes.map(async (node) => await node.keys()))).flat().sort(),
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

async function ready(what: string, look: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + READY_MS;
  while (!(await look().catch(() => false))) {
    if (Date.now() > until) throw new Error(`${what} is not ready after ${READY_MS} ms`);
    await sleep(50);
  }
}
