/**
 * A Snowflake for tests: the layer of SNOWFLAKE_EMULATOR, else one on the Python that `fakesnow` on the PATH runs on, else
 * one on a Python environment of its own under .tools, which is made on the first use. Where none works, tests are told why.
 *
 * README.md lists what it can't show; between the driver and fakesnow is fakesnow_layer.py, which
 * is started without caches of its code (-B): they would lie beside the sources.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { freePort } from "../../support/server_process.ts";
import { firstLine, programOnPath, pythonEnvironment, type Unavailable } from "../../support/tools.ts";

/** fakesnow 0.11 imports a module that connector 5 has not, and names no upper bound for it. */
const PACKAGES = ["fakesnow[server]==0.11.22", "snowflake-connector-python==4.8.1"];
const LAYER = join(import.meta.dirname, "fakesnow_layer.py");
const START_MS = 60_000;

export const DATABASE = "REPLAYPORT_TEST";
export const WAREHOUSE = "LOADING";
export const ROLE = "REPLAYPORT";
export const PASSWORD = "replayport-test-password";
export const TOKEN = "replayport-test-oauth-token";
export const PASSPHRASE = "replayport-test-passphrase";

/**
 * A fault for the statements that match: before they run, or `after` they ran; or they `hang` until they are cancelled, or
 * are put on `hold` until faults are injected anew, and then run.
 */
export interface InjectedFault {
  /** A regular expression of Python's; a login is `LOGIN`. */
  readonly match: string;
  readonly code?: string;
  readonly message?: string;
  readonly times: number;
  readonly kind?: "before" | "after" | "hang" | "hold";
}

export interface LogEntry {
  readonly sql?: string;
  readonly session?: string;
  readonly request?: string;
  readonly cancel?: string;
  readonly closed?: string;
  readonly renewed?: string;
  readonly error?: string;
}

export interface ExternalBucket {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Ends with a slash. */
  readonly prefix: string;
  readonly id: string;
  readonly secret: string;
}

export interface SnowflakeServer extends AsyncDisposable {
  /** `http://127.0.0.1:4711` */
  readonly url: string;
  /** The pair of the user KEYS: PKCS#8, and the same encrypted with PASSPHRASE. */
  readonly keys: { readonly plain: string; readonly encrypted: string };
  /** Makes a schema that nobody has used. */
  schema(): Promise<string>;
  /** Runs statements as somebody else would; gives the rows of the last one. */
  sql(schema: string, ...statements: string[]): Promise<Readonly<Record<string, unknown>>[]>;
  /** Tables that other sessions can see, and files in stages. */
  objects(schema: string): Promise<{ readonly tables: string[]; readonly files: string[] }>;
  /** Lets COPY read from a bucket where it names the stage, `"DATABASE"."SCHEMA"."STAGE"`. */
  externalStage(stage: string, bucket: ExternalBucket): Promise<void>;
  inject(...faults: InjectedFault[]): Promise<void>;
  log(): Promise<LogEntry[]>;
  clearLog(): Promise<void>;
  openSessions(): Promise<number>;
  /** What Snowflake does to sessions that are lost, sooner or later. */
  endSessions(): Promise<void>;
}

let opened: Promise<SnowflakeServer | Unavailable> | undefined;

/** One server for all tests of a process; it ends with the process. */
export function snowflakeServer(): Promise<SnowflakeServer | Unavailable> {
  opened ??= openSnowflakeServer();
  return opened;
}

async function openSnowflakeServer(): Promise<SnowflakeServer | Unavailable> {
  const given = process.env["SNOWFLAKE_EMULATOR"];
  if (given !== undefined && given !== "") return await serverAt(given.replace(/\/+$/, ""), () => Promise.resolve());
  const onPath = await pythonOfFakesnow();
  const server = onPath === undefined ? undefined : await start(onPath);
  if (server) return server;
  try {
    const python = join(await pythonEnvironment("fakesnow", PACKAGES), "bin", "python");
    return (await start(python)) ?? unavailable(`${python} did not come to answer`);
  } catch (error) {
    return unavailable(`fakesnow could not be installed: ${firstLine(error)}`);
  }
}

/** Not by server_process.ts, which kills servers: this one has files to remove when its input ends. */
async function start(python: string): Promise<SnowflakeServer | undefined> {
  const port = await freePort();
  // It removes its files a little after the tests' own process has ended.
  const env = { ...process.env, TMPDIR: await mkdtemp(join(tmpdir(), "replayport-server-")) };
  const child = spawn(python, ["-B", LAYER, String(port)], { env, stdio: ["pipe", "ignore", "ignore"] });
  child.on("error", () => undefined);
  // The server must not outlive the tests, nor keep them from ending: it ends when its stdin does.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  child.stdin.on("error", () => undefined);
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.stdin.end();
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  if (await answers(url, child)) return await serverAt(url, stop);
  await stop();
  return undefined;
}

async function serverAt(url: string, close: () => Promise<void>): Promise<SnowflakeServer> {
  const ask = async <Answer>(path: string, body?: unknown, method = "POST"): Promise<Answer> => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(`${url}/layer/${path}`, init);
    const answer = (await response.json()) as Answer;
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  };
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const plain = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const cipher = { cipher: "aes-256-cbc", passphrase: PASSPHRASE } as const;
  const encrypted = pair.privateKey.export({ type: "pkcs8", format: "pem", ...cipher }).toString();
  const may = { roles: [ROLE], warehouses: [WAREHOUSE] };
  await ask("users", {
    PASSWORDS: { password: PASSWORD, ...may },
    TOKENS: { token: TOKEN, ...may },
    KEYS: { public_key: pair.publicKey.export({ type: "spki", format: "pem" }), ...may },
  });
  return {
    url,
    keys: { plain, encrypted },
    async schema() {
      const schema = `WAREHOUSE_DOES_NOT_EXIST_${randomBytes(6).toString("hex").toUpperCase()}`;
      await ask("sql", { database: DATABASE, schema });
      return schema;
    },
    async sql(schema, ...sql) {
      return (await ask<{ rows: Record<string, unknown>[] }>("sql", { database: DATABASE, schema, sql })).rows;
    },
    objects: (schema) => ask("objects", { database: DATABASE, schema }),
    externalStage: (stage, bucket) => ask("stages", { [stage]: bucket }),
    inject: (...faults) => ask("faults", faults),
    log: async () => (await ask<{ log: LogEntry[] }>("log", undefined, "GET")).log,
    clearLog: () => ask("log", undefined, "DELETE"),
    openSessions: async () => (await ask<{ sessions: number }>("log", undefined, "GET")).sessions,
    endSessions: () => ask("end-sessions", {}),
    [Symbol.asyncDispose]: close,
  };
}

/** The interpreter of the program: its first line names it. */
async function pythonOfFakesnow(): Promise<string | undefined> {
  const program = await programOnPath(["fakesnow"]);
  const [first = ""] = program === undefined ? [] : (await readFile(program, "utf8")).split("\n");
  return first.startsWith("#!") ? first.slice(2).trim() : undefined;
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const until = Date.now() + START_MS;
  while (Date.now() < until && child.exitCode === null && child.pid !== undefined) {
    try {
      const response = await fetch(`${url}/layer/log`);
      if (response.ok) return true;
    } catch {
      // Not yet.
    }
    await setTimeout(100);
  }
  return false;
}

function unavailable(reason: string): Unavailable {
  return {
    skip: `no Snowflake emulator (${reason}): set SNOWFLAKE_EMULATOR, or install Python 3.10 or later with pip`,
  };
}
