/**
 * A story is one installation: PostHog's table in a shared engine, a schedules.yaml, a lake in a folder or in a
 * bucket, and the real command line as a child process. What readers see is asked as a BI tool would: DuckDB, with the
 * statement that `replayport sql` prints. Worker and source share the story's clock unless a step says otherwise.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { GetObjectCommand, paginateListObjectsV2 } from "@aws-sdk/client-s3";
import { DuckDBInstance } from "@duckdb/node-api";
import { createReplayTables } from "../../src/demo/replay_table.ts";
import type { ClickHouseHarness } from "../support/clickhouse.ts";
import type { S3Server } from "../support/s3.ts";
import { insertPartials, type Partial } from "./partial_rows.ts";
import { openSourceProxy, type SourceProxy } from "./source_proxy.ts";

const ROOT = join(import.meta.dirname, "../..");
const MAIN = join(ROOT, "src/cli/main.ts");
const CLOCK = join(ROOT, "test/support/shift_clock.ts");
const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 30 * DAY;
const SALT = "a salt of at least sixteen characters";
const PREFIX = "posthog";

/** A time of the stories' calendar, whose day 0 began 30 days ago. */
export const time = (day: number, hour = 0, minute = 0): number =>
  FIRST_DAY + day * DAY + hour * HOUR + minute * 60_000;
export const iso = (ms: number): string => new Date(ms).toISOString();

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Step {
  /** What time it is; the machine's, unless said otherwise. */
  readonly at?: number;
  /** What time it is at the source; the same, unless said otherwise. */
  readonly sourceAt?: number;
  /** Ends the command as soon as its stderr matches: what it does after that is no part of the story. */
  readonly until?: RegExp;
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Modules to load before the command. */
  readonly imports?: readonly string[];
}

export interface StoryOptions {
  /** Keys of the export, beside or in place of the usual ones. */
  readonly export?: Readonly<Record<string, unknown>>;
  /** A bucket in place of a folder. @param endpoint of a proxy, for example */
  readonly s3?: { readonly server: S3Server; readonly endpoint?: string };
}

export type Row = Readonly<Record<string, unknown>>;

export interface Story extends AsyncDisposable {
  readonly folder: string;
  readonly proxy: SourceProxy;
  /** `database.session_replay_events` */
  readonly table: string;
  readonly bucket: string;
  insert(...rows: readonly Partial[]): Promise<void>;
  /** Any statement, at the source itself. */
  source(sql: string): Promise<void>;
  /** Merges what ClickHouse would merge some day. */
  merge(): Promise<void>;
  /** Writes schedules.yaml again, with these keys of the export changed; undefined takes one away. */
  configure(
    changes: Readonly<Record<string, unknown>>,
    file?: string,
    more?: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  cli(args: readonly string[], step?: Step): Promise<Ended>;
  /** The same, and fails where the command does. */
  ok(args: readonly string[], step?: Step): Promise<Ended>;
  /** Starts the command; `ended` waits for its end. */
  start(
    args: readonly string[],
    step?: Step,
  ): Promise<{ readonly child: ChildProcess; readonly ended: Promise<Ended> }>;
  /** Of the process that was started last. */
  moveClock(to: number): Promise<void>;
  /** The lake as files: the folder itself, or a copy of the bucket. */
  files(): Promise<{ readonly root: string; readonly names: string[] }>;
  /** The statement of `replayport sql`, for a lake on disk or a copy of the bucket. */
  statement(more?: readonly string[]): Promise<string>;
  rows(more?: readonly string[]): Promise<Row[]>;
  /** The ids of the sessions that readers see, sorted. */
  sessions(): Promise<string[]>;
  status(step?: Step): Promise<Row>;
}

export async function openStory(server: ClickHouseHarness, options: StoryOptions = {}): Promise<Story> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "replayport-story-"));
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const proxy = stack.use(await openSourceProxy(server.options.url));
  const database = `replayport_story_${randomBytes(5).toString("hex")}`;
  const table = `${database}.session_replay_events`;
  for (const statement of createReplayTables(database)) await server.client.command({ query: statement });
  stack.defer(async () => void (await server.client.command({ query: `DROP DATABASE IF EXISTS ${database}` })));
  const { s3 } = options;
  const bucket = s3 ? await s3.server.bucket() : "";
  const config = {
    source: { clickhouse: { url: "${CLICKHOUSE_URL}", password: "${CLICKHOUSE_PASSWORD}", database } },
    destinations: {
      lake: s3
        ? {
            type: "s3",
            bucket,
            prefix: PREFIX,
            region: s3.server.region,
            endpoint: s3.endpoint ?? s3.server.endpoint,
            force_path_style: true,
            access_key_id: s3.server.credentials.accessKeyId,
            secret_access_key: s3.server.credentials.secretAccessKey,
          }
        : { type: "file", path: "./lake" },
    },
    hash_salt: SALT,
  };
  let exported: Record<string, unknown> = {
    model: "session_replays",
    team_id: "all",
    destination: "lake",
    schedule: "@hourly",
    start: iso(time(0)),
    ...options.export,
  };
  const source = async (sql: string): Promise<void> => void (await server.client.command({ query: sql }));
  let started = 0;
  /** One for each process. */
  const clock = (): string => join(folder, `clock-${started}`);
  const moveClock = async (to: number): Promise<void> => await writeFile(clock(), String(to - Date.now()));

  const start: Story["start"] = async (args, step = {}) => {
    const now = Date.now();
    const at = step.at ?? now;
    started += 1;
    await moveClock(at);
    proxy.shiftMs = (step.sourceAt ?? at) - now;
    const imports = [CLOCK, ...(step.imports ?? [])].flatMap((module) => ["--import", module]);
    const child = spawn(
      process.execPath,
      [...imports, MAIN, ...args, ...(step.config === undefined ? [] : ["-c", step.config])],
      {
        cwd: folder,
        env: {
          PATH: process.env["PATH"] ?? "",
          CLICKHOUSE_URL: proxy.url,
          CLICKHOUSE_PASSWORD: server.options.password,
          REPLAYPORT_STAGE_DIR: join(folder, "stage"),
          CLOCK_SHIFT_FILE: clock(),
          // Halves what a command costs: Node strips and compiles each of our files once.
          NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "replayport-compile-cache"),
          ...step.env,
        },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    return { child, ended: end(child, step.until) };
  };
  const cli: Story["cli"] = async (args, step) => await (await start(args, step)).ended;
  const ok: Story["ok"] = async (args, step) => {
    const ended = await cli(args, step);
    assert.equal(ended.code, 0, `replayport ${args.join(" ")}: ${ended.err}${ended.out}`);
    return ended;
  };
  const configure: Story["configure"] = async (changes, file = "schedules.yaml", more = {}) => {
    exported = { ...exported, ...changes };
    await writeFile(join(folder, file), JSON.stringify({ ...config, ...more, exports: { replays: exported } }));
  };
  const files: Story["files"] = async () => {
    const root = s3 ? await copyBucket(s3.server, bucket, join(folder, "copy")) : join(folder, "lake");
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const names = entries
      .filter((one) => one.isFile())
      .map((one) => join(one.parentPath, one.name).slice(root.length + 1));
    return { root, names: names.sort() };
  };
  const printed: Story["statement"] = async (more = []) => {
    const { out } = await ok(["sql", "replays", "--engine", "duckdb", ...more]);
    return s3 ? out.replaceAll(`s3://${bucket}/${PREFIX}`, (await files()).root) : out;
  };
  const rows: Story["rows"] = async (more) => await query(await printed(more));
  await configure({});
  const kept = stack.move();
  return {
    folder,
    proxy,
    table,
    bucket,
    insert: async (...given) => await insertPartials(server.client, table, given),
    source,
    merge: async () => await source(`OPTIMIZE TABLE ${table} FINAL`),
    configure,
    cli,
    ok,
    start,
    moveClock,
    files,
    statement: printed,
    rows,
    sessions: async () => (await rows()).map((row) => String(row["session_id"])).sort(),
    status: async (step) => (JSON.parse((await ok(["status", "--json"], step)).out) as Row[])[0] ?? {},
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

/** Runs a statement in a new DuckDB. Times come as ISO 8601, integers as numbers. */
export async function query(sql: string): Promise<Row[]> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(`SELECT * FROM (\n${sql.trim().replace(/;$/, "")}\n)`);
    return reader
      .getRowObjectsJS()
      .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
  } catch (error) {
    // DuckDB takes a glob without a match for an error.
    if (/No files found/.test(String(error))) return [];
    throw error;
  } finally {
    connection.closeSync();
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "bigint" ? Number(value) : value;
}

async function end(child: ChildProcess, until: RegExp | undefined): Promise<Ended> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString();
    if (until?.test(err) === true) child.kill("SIGTERM");
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

async function copyBucket({ client }: S3Server, bucket: string, folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
    for (const { Key = "" } of page.Contents ?? []) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      const path = join(folder, Key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, (await Body?.transformToByteArray()) ?? "");
    }
  }
  return join(folder, PREFIX);
}
