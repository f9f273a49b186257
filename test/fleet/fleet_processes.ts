/**
 * A fleet as an operator runs it: processes of the command line in a folder of their own, over a real Redis, with an embedded
 * ClickHouse as the source and a lake on disk.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import * as z from "zod";
import { loadConfig } from "../../src/config/load.ts";
import { type ClickHouseHarness, clickhouse } from "../support/clickhouse.ts";
import { type FaultProxy, type ProxiedRequest, openFaultProxy } from "../support/fault_proxy.ts";
import { type OwnOptions, type OwnRedis, ownRedisFor } from "../support/redis.ts";
import { lakeRows, sourceRows } from "../support/replay_rows.ts";
import { filesBelow } from "../support/temporary_folder.ts";
import { until } from "../support/fleet_fixture.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const STAND_STILL = join(import.meta.dirname, "pause_at_commit.ts");
const HOUR = 3_600_000;
/** How many seconds processes have to do something: many, since a busy machine needs a minute to start a few of them. */
export const PATIENCE = 180;

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Running {
  readonly pid: number;
  /** What it has logged so far. */
  readonly lines: readonly LogLine[];
  /** What it wrote on stderr that is no line of the log. */
  readonly noise: readonly string[];
  kill(signal: NodeJS.Signals): void;
  ended(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly out: string }>;
  /** Resolves when it has logged such a line. */
  says(text: RegExp): Promise<LogLine>;
}

export interface SiteOptions {
  /** Full hours of the data, all of them settled. */
  readonly hours: number;
  /** Past the proxy, where nothing is to be broken. */
  readonly direct?: boolean;
  /** Exports that all load the same: `replays`, and `replays_2` and so on. Default 1. */
  readonly exports?: number;
  /** Lines for the section `fleet` of the config. */
  readonly fleet?: string;
  /** How long a worker may be silent before another takes its batches. Default 1s, the shortest that there is. */
  readonly takeover?: string;
  readonly redis?: OwnOptions;
}

export interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly redis: OwnRedis;
  readonly engine: ClickHouseHarness;
  /** Between the processes and ClickHouse. */
  readonly proxy: FaultProxy;
  /** The first hour of the data. */
  readonly start: Date;
  readonly end: Date;
  run(args: readonly string[], standStill?: "before" | "after", more?: NodeJS.ProcessEnv): Running;
  /** The pids of the processes that stand still. */
  standing(): Promise<number[]>;
  go(): Promise<void>;
  /** Of the lake, `export/interval.generation.readAt`. */
  manifests(): Promise<string[]>;
  /** Resolves when every hour of the data is in the lake; rejects where the lake is not the source, or files are left. */
  complete(seconds?: number): Promise<void>;
  /** Ends all processes with SIGTERM; rejects where one does not end cleanly, or something is left in Redis or on disk. */
  close(): Promise<void>;
}

/** What is no line of the log is out of place there. */
const LONG_LIVED = new Set(["scheduler", "worker", "serve"]);

/** What may lie in Redis when nothing runs; docs/fleet.md lists it. */
const KEYS =
  /^\{replayport\}:(?:batches:(?:events|id|meta|stalled-check|stalled)|(?:export|failed_intervals|loads):replays(?:_\d)?@[0-9a-f]{8}|runs:(?:failed|other)|processes|backfills|(?:backfill|failed):[0-9a-z]{8})$/;

/** Undefined where there is no Redis; then the test is skipped with the reason. */
export async function openSite(t: TestContext, options: SiteOptions): Promise<Site | undefined> {
  await using stack = new AsyncDisposableStack();
  const redis = await ownRedisFor(t, options.redis);
  if (!redis) return undefined;
  stack.use(redis);
  const engine = stack.use(await clickhouse());
  const proxy = stack.use(await openFaultProxy(engine.options.url));
  const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const { hours } = options;
  const now = Date.now();
  const end = new Date(Math.floor(now / HOUR) * HOUR - HOUR);
  // So that the hour after the data is not due before the test has ended.
  const settle = `${Math.floor((now - end.getTime()) / 60_000) - 5}m`;
  const start = new Date(end.getTime() - hours * HOUR);
  await mkdir(join(folder, "still"));
  await writeFile(join(folder, "schedules.yaml"), configFor(engine, proxy, redis, start, settle, options));
  await insertSessions(engine, start, hours);

  const processes: Running[] = [];
  const logging: Running[] = [];
  stack.defer(async () => {
    for (const one of processes) one.kill("SIGKILL");
    await Promise.all(processes.map((one) => one.ended()));
  });
  const lake = join(folder, "lake");
  const env = {
    PATH: process.env["PATH"] ?? "",
    CLICKHOUSE_PASSWORD: engine.options.password,
    REPLAYPORT_STAGE_DIR: join(folder, "stage"),
    STAND_STILL_FOLDER: join(folder, "still"),
  };
  const manifests = async (): Promise<string[]> =>
    (await filesBelow(join(lake, "_replayport")))
      .filter((name) => MANIFEST.test(name))
      .map((name) => name.replace(/\.json$/, ""));
  const kept = stack.move();
  return {
    folder,
    redis,
    engine,
    proxy,
    start,
    end,
    manifests,
    run: (args, standStill, more = {}) => {
      const before = standStill === undefined ? [] : ["--import", STAND_STILL];
      const child = spawn(process.execPath, [...before, MAIN, ...args], {
        cwd: folder,
        env: { ...env, ...more, ...(standStill === undefined ? {} : { STAND_STILL: standStill }) },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const running = follow(child);
      processes.push(running);
      if (LONG_LIVED.has(args[0] ?? "")) logging.push(running);
      return running;
    },
    standing: async () => (await readdir(join(folder, "still"))).filter((name) => name !== "go").map(Number),
    go: async () => await writeFile(join(folder, "still", "go"), ""),
    complete: async (seconds = PATIENCE) => {
      await until(
        "every hour in the lake",
        async () => new Set((await manifests()).map((name) => name.split(".")[0])).size,
        (count) => count >= hours * (options.exports ?? 1),
        seconds,
      );
      const { exports } = await loadConfig(join(folder, "schedules.yaml"), env);
      const expected = await sourceRows(engine.client, engine.options.database);
      for (const one of exports) assert.deepEqual(await lakeRows(lake, one), expected, one.name);
    },
    close: async () => {
      const left = processes.filter((one) => isAlive(one.pid));
      for (const one of left) one.kill("SIGTERM");
      for (const one of left) {
        const { code, signal } = await one.ended();
        // One that was started a moment ago does not listen yet.
        const tooYoung = signal === "SIGTERM" && one.lines.length === 0;
        assert.ok(code === 0 || tooYoung, `${code} ${signal}\n${one.lines.map(({ msg }) => msg).join("\n")}`);
      }
      assert.ok(processes.every(({ pid }) => !isAlive(pid)));
      for (const { noise } of logging) assert.deepEqual(noise, []);
      assert.deepEqual(
        (await redis.keys()).filter((key) => !KEYS.test(key)),
        [],
        "keys that nobody documents",
      );
      assert.deepEqual(await filesBelow(join(folder, "stage")), []);
      const files = (await filesBelow(lake)).filter((file) => file.endsWith(".parquet"));
      assert.deepEqual(
        files,
        (await filesOfManifests(lake)).sort(),
        "each file is named by a manifest, and only those",
      );
    },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

/** Only the query that extracts rows carries the time of the export. */
export const extracting = ({ form }: ProxiedRequest): boolean => form.includes("param_exported_at");

/** Resolves when a worker waits in its commit (pause_at_commit.ts). */
export async function paused(site: Site, worker: Running): Promise<void> {
  await until(
    "a worker that waits in its commit",
    () => site.standing(),
    (pids) => pids.includes(worker.pid),
    PATIENCE,
  );
}

/** Whether no interval was committed twice: manifests that were replaced stay for an hour. */
export function committedOnce(manifests: readonly string[]): boolean {
  return new Set(manifests.map((name) => name.split(".")[0])).size === manifests.length;
}

/** After the generation come the times of the read and of what it read up to. */
const MANIFEST = /\.\d{6}(?:\.\w+)+\.json$/;
const manifestSchema = z.object({ files: z.array(z.object({ key: z.string() })), removes: z.array(z.string()) });

/** Those that are current, and those of killed workers that go when `keep_replaced` is over. */
async function filesOfManifests(lake: string): Promise<string[]> {
  const names = (await filesBelow(lake)).filter((file) => MANIFEST.test(file));
  const texts = await Promise.all(names.map((name) => readFile(join(lake, name), "utf8")));
  const named = texts.flatMap((text) => {
    const { files, removes } = manifestSchema.parse(JSON.parse(text));
    return [...files.map(({ key }) => key), ...removes.filter((key) => key.endsWith(".parquet"))];
  });
  return [...new Set(named)];
}

function configFor(
  { options }: ClickHouseHarness,
  proxy: FaultProxy,
  redis: OwnRedis,
  start: Date,
  settle: string,
  { direct = false, exports = 1, fleet = "", takeover = "1s" }: SiteOptions,
): string {
  const of = (index: number): string => `
  replays${index === 0 ? "" : `_${index + 1}`}:
    model: session_replays
    team_id: all
    destination: local
    schedule: "@hourly"
    start: ${start.toISOString()}
    sweep: off
    settle: ${settle}`;
  return `source:
  clickhouse: { url: "${direct ? options.url : proxy.url}", password: "\${CLICKHOUSE_PASSWORD}", database: ${options.database} }
destinations:
  local: { type: file, path: ./lake }
exports:${Array.from({ length: exports }, (_, index) => of(index)).join("")}
redis: { url: "${redis.url}" }
http: { public_reads: true }
fleet: { takeover: ${takeover}, ${fleet} }
`;
}

/** A session in each third hour, of which each third goes on in later hours; the other hours are empty. */
async function insertSessions({ replays }: ClickHouseHarness, start: Date, hours: number): Promise<void> {
  const rows = Array.from({ length: Math.ceil(hours / 3) }, (_, index) => {
    const hour = index * 3;
    const first = start.getTime() + hour * HOUR + (index % 50) * 60_000;
    const session = { team: 1, session: `session-${index}`, url: `https://example.com/${index}` };
    const later = index % 3 === 0 ? [2, 5].filter((more) => hour + more < hours) : [];
    return [0, ...later].map((more) => ({
      ...session,
      firstMicros: (first + more * HOUR) * 1000,
      lastMicros: (first + more * HOUR + 30_000) * 1000 + index,
      ingested: Math.floor(first / 1000) + more * 3600,
      clicks: index % 7,
    }));
  });
  if (hours > 0) await replays.insert(rows.flat());
}

function follow(child: ChildProcess): Running {
  const lines: LogLine[] = [];
  const noise: string[] = [];
  const news = new EventTarget();
  let out = "";
  let rest = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += String(chunk);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    const parts = `${rest}${String(chunk)}`.split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (part.startsWith("{")) lines.push(JSON.parse(part) as LogLine);
      else if (part !== "") noise.push(part);
    }
    news.dispatchEvent(new Event("line"));
  });
  // Both streams are read to their end by then.
  const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  void closed.then(() => news.dispatchEvent(new Event("line")));
  return {
    pid: child.pid ?? 0,
    lines,
    noise,
    kill: (signal) => void child.kill(signal),
    ended: async () => {
      const [code, signal] = await closed;
      return { code, signal, out };
    },
    says: async (text) => {
      const signal = AbortSignal.timeout(PATIENCE * 1000);
      for (;;) {
        const found = lines.find(({ msg }) => text.test(msg));
        if (found) return found;
        const all = (): string => [...lines.map(({ msg }) => msg), ...noise].join("\n");
        if (child.exitCode !== null) assert.fail(`it ended without saying ${text}:\n${all()}`);
        await once(news, "line", { signal }).catch(() => assert.fail(`it did not say ${text}:\n${all()}`));
      }
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
