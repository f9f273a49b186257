import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ReplayportError, giveUp, messageOf, retry } from "../errors.ts";
import { type Credentials, randomCredentials } from "./credentials.ts";
import { THREAD_POOL } from "./engine.ts";
import type { AnswerMessage, FailureReason, StartMessage } from "./messages.ts";
import { removeTempDirectory } from "./temp_directory.ts";

export interface EmbeddedOptions {
  /** The data directory; created if it is missing. The engine locks it. */
  readonly path: string;
  /** 0, the default: any free port. */
  readonly port?: number | undefined;
  readonly host?: "127.0.0.1" | undefined;
  /** Bytes for all queries together. Default: 90 % of the machine's memory. */
  readonly memoryLimitBytes?: number | undefined;
  /** `max_threads` of queries that don't set it. Default: one per core. */
  readonly threads?: number | undefined;
  /** For results and data to insert, uncompressed, while they are sent or received. Default: the data directory. */
  readonly tempPath?: string | undefined;
  /** Default: the user `default` and a random password. `NO_PASSWORD`: every user of this machine can do everything. */
  readonly credentials?: Credentials | undefined;
  /**
   * Whether statements may reach what is outside of the data directory: `file()`, `url()`, `s3()` and the like. For an engine whose
   * statements are all our own. Default: false.
   */
  readonly outside?: boolean | undefined;
  /** Cancels the start. To stop an engine that has started, dispose of it. */
  readonly signal: AbortSignal;
}

export interface Embedded extends AsyncDisposable {
  /** For `@clickhouse/client`, curl, BI tools: `http://127.0.0.1:PORT`, without credentials. */
  readonly url: string;
  readonly credentials: Credentials;
  readonly pid: number;
  /** Resolves when the engine's process has ended, for any reason. Never rejects. */
  readonly exited: Promise<Exit>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what the process wrote to standard error. */
  readonly stderr: string;
}

/** From SIGTERM to SIGKILL. An engine that doesn't hang ends within five seconds. */
const DISPOSE_MS = 10_000;

/**
 * Starts ClickHouse as a library in a child process, which answers HTTP on loopback as a ClickHouse server does. The child
 * ends when it is disposed of, and always with this process, even on kill -9.
 *
 * @throws ReplayportError `engine.missing`, `.in_use`, `.port_taken`, `.failed`; `signal.reason` on abort
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  options.signal.throwIfAborted();
  const path = resolve(options.path);
  await claimDirectory(path);
  const child = forkEngine();
  const ended = watch(child);
  const message: StartMessage = {
    path,
    port: options.port ?? 0,
    host: options.host ?? "127.0.0.1",
    memoryLimitBytes: options.memoryLimitBytes,
    threads: options.threads,
    tempPath: options.tempPath === undefined ? undefined : resolve(options.tempPath),
    credentials: options.credentials ?? randomCredentials(),
    outside: options.outside ?? false,
  };
  child.send(message);
  const answer = await firstAnswer(child, ended, options.signal);
  if (answer.kind === "failed") {
    const { stderr } = await end(child, ended);
    throw await failure(answer.reason, answer.message, stderr, message);
  }
  const exited = ended.then(async (exit) => {
    // A killed engine leaves its temporary files behind.
    await removeTempDirectory(answer.tempDirectory).catch(() => undefined);
    return exit;
  });
  return {
    url: `http://${message.host}:${answer.port}`,
    credentials: message.credentials,
    pid: child.pid!,
    exited,
    async [Symbol.asyncDispose]() {
      await end(child, exited);
    },
  };
}

/**
 * `replayport clickhouse`: runs the engine until the signal is aborted.
 *
 * @param onReady called once, when it answers
 * @throws as startEmbedded does, and `engine.exited` if the engine ends by itself
 */
export async function serveEmbedded(options: EmbeddedOptions, onReady: (engine: Embedded) => void): Promise<void> {
  await using engine = await startEmbedded(options);
  onReady(engine);
  const stopped = new AbortController();
  const aborted = once(options.signal, "abort", { signal: stopped.signal }).catch(() => undefined);
  const exit = options.signal.aborted ? undefined : await Promise.race([engine.exited, aborted.then(() => undefined)]);
  stopped.abort();
  if (!exit) return;
  throw new ReplayportError(
    `the embedded ClickHouse on ${options.path} ${describeExit(exit)}`,
    retry("engine.exited", "Start it again. Everything written before is on disk."),
  );
}

/** The data are this user's alone, also where an earlier version has made the directory. */
async function claimDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  try {
    await chmod(path, 0o700);
  } catch (cause) {
    throw new ReplayportError(`the data directory ${path} isn't this user's: ${messageOf(cause)}`, {
      ...giveUp("engine.directory", "Name a new directory, or one that this user owns."),
      cause,
    });
  }
}

/** What Node.js and the engine's library need. Its queries can read the environment, and ours has secrets. */
const ENVIRONMENT = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NODE_OPTIONS"];

function forkEngine(): ChildProcess {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const entry = fileURLToPath(new URL(`./process${extension}`, import.meta.url));
  return fork(entry, [], {
    // The parent's flags (--test, --watch, --inspect) aren't for the engine.
    execArgv: [],
    env: {
      ...Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]])),
      UV_THREADPOOL_SIZE: String(THREAD_POOL),
    },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
}

function watch(child: ChildProcess): Promise<Exit> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4000);
  });
  return new Promise((settle) => {
    child.on("error", (error) => settle({ code: null, signal: null, stderr: `${stderr}${error.message}` }));
    child.on("close", (code, signal) => settle({ code, signal, stderr }));
  });
}

async function firstAnswer(child: ChildProcess, ended: Promise<Exit>, signal: AbortSignal): Promise<AnswerMessage> {
  const answered = once(child, "message", { signal }).then(([message]) => message as AnswerMessage);
  const died = ended.then((exit): AnswerMessage => ({ kind: "failed", reason: "engine", message: describeExit(exit) }));
  try {
    return await Promise.race([answered, died]);
  } catch (error) {
    await end(child, ended);
    throw signal.aborted ? signal.reason : error;
  }
}

async function end(child: ChildProcess, ended: Promise<Exit>): Promise<Exit> {
  child.kill("SIGTERM");
  const deadline = new AbortController();
  const late = delay(DISPOSE_MS, undefined, { signal: deadline.signal }).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
  const exit = await ended;
  deadline.abort();
  await late;
  return exit;
}

async function failure(
  reason: FailureReason,
  message: string,
  stderr: string,
  asked: StartMessage,
): Promise<ReplayportError> {
  switch (reason) {
    case "missing":
      return new ReplayportError(
        `can't load the embedded ClickHouse: ${message}`,
        giveUp(
          "engine.missing",
          "Run `npm install chdb` (Linux with glibc, or macOS), or set source.clickhouse.url to a server.",
        ),
      );
    case "port":
      return new ReplayportError(
        `cannot listen on ${asked.host}:${asked.port}: ${message}`,
        giveUp("engine.port_taken", "Choose another port, or 0 for a free one."),
      );
    case "engine":
      // The library says only on standard error why it can't open a directory.
      if (stderr.includes("Cannot lock file")) return await inUse(asked.path);
      return new ReplayportError(
        `the embedded ClickHouse did not start on ${asked.path}: ${[message, stderr.trim()].filter(Boolean).join(": ")}`,
        retry("engine.failed", "Check that the directory is writable and not from a newer version of chdb."),
      );
    default:
      return reason satisfies never;
  }
}

/** The engine writes its process id to the file that it locks. The lock ends with the process, so it is never stale. */
async function inUse(path: string): Promise<ReplayportError> {
  const status = await readFile(resolve(path, "status"), "utf8").catch(() => "");
  const pid = /^PID: (\d+)$/m.exec(status)?.[1];
  const holder = pid === undefined ? "another process" : `process ${pid}`;
  return new ReplayportError(
    `the data directory ${path} is in use by ${holder}`,
    retry("engine.in_use", "Only one engine can open a data directory. Stop that process, or query it over HTTP."),
  );
}

function describeExit({ code, signal, stderr }: Exit): string {
  const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  return stderr.trim() === "" ? how : `${how}: ${stderr.trim()}`;
}
