/**
 * A BigQuery for tests: the emulator of BIGQUERY_EMULATOR, else bqemulator of the Python on the PATH, else one in a Python
 * environment of its own under .tools, which is made on the first use. Where none works, tests are told why.
 *
 * What it cannot show stands in docs/bigquery.md; what it lacks and loads depend on is in bigquery_layer.ts.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, Socket, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { type BigQueryLayer, openBigQueryLayer } from "./bigquery_layer.ts";

/** numpy, because the emulator's functions in Python need it and its package does not say so. */
const PACKAGES = ["bqemulator==1.4.0", "numpy"];
const TOOLS = join(import.meta.dirname, "..", "..", ".tools");
const LAUNCHER = join(import.meta.dirname, "bigquery_emulator.py");
const WHOLE = "replayport-whole";
const INSTALL_MS = 300_000;
const START_MS = 90_000;

export const PROJECT = "replayport-test";
/** The emulator asks nobody for it. It must never show in anything that is kept. */
export const TOKEN = "ya29.replayport-test-token";

export interface BigQueryServer extends AsyncDisposable {
  /** What a destination is given as `apiEndpoint`. */
  readonly url: string;
  readonly layer: BigQueryLayer;
  /** Makes a dataset that nobody has used. */
  dataset(location?: string): Promise<string>;
  /** What a statement selects, as the API gives it: every value as text. */
  select(sql: string): Promise<(string | null | unknown[])[][]>;
  tables(dataset: string): Promise<string[]>;
}

export interface Unavailable {
  /** What is missing and what would run the tests. */
  readonly skip: string;
}

let opened: Promise<BigQueryServer | Unavailable> | undefined;

/** One emulator for all tests of a process; it ends with the process. */
export function bigqueryServer(): Promise<BigQueryServer | Unavailable> {
  opened ??= openBigQueryServer();
  return opened;
}

async function openBigQueryServer(): Promise<BigQueryServer | Unavailable> {
  const given = process.env["BIGQUERY_EMULATOR"];
  if (given !== undefined && given !== "") return await serverAt(given.replace(/\/+$/, ""), () => Promise.resolve());
  const pythonOnPath = await pythonWithEmulator();
  const server = pythonOnPath === undefined ? undefined : await start(pythonOnPath);
  if (server) return server;
  try {
    const python = await installed();
    return (await start(python)) ?? unavailable(`${python} did not come to answer`);
  } catch (error) {
    return unavailable(
      `bqemulator could not be installed: ${error instanceof Error ? error.message.split("\n")[0] : ""}`,
    );
  }
}

/**
 * Ends the emulator when its input ends. That is when our process does, in whatever way: a run of tests that is killed must
 * not leave servers behind.
 */
const UNTIL_INPUT_ENDS = '"$0" "$@" & server=$!; read _; kill -9 $server; wait $server';

async function start(python: string): Promise<BigQueryServer | undefined> {
  const [rest, grpc] = [await freePort(), await freePort()];
  const flags = ["--rest-host", "127.0.0.1", "--grpc-host", "127.0.0.1", "--log-level", "critical"];
  const child = spawn(
    "/bin/sh",
    ["-c", UNTIL_INPUT_ENDS, python, LAUNCHER, "start", "--rest-port", `${rest}`, "--grpc-port", `${grpc}`, ...flags],
    {
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...process.env, BQEMU_ENABLE_FORMAT_EXTENSIONS: "false", TZ: "UTC" },
    },
  );
  // Nor must the emulator keep the tests from ending.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const ended = once(child, "exit");
    child.stdin.end();
    await ended;
  };
  const url = `http://127.0.0.1:${rest}`;
  if (await answers(url, child)) return await serverAt(url, stop);
  await stop();
  return undefined;
}

async function serverAt(emulator: string, close: () => Promise<void>): Promise<BigQueryServer> {
  const layer = await openBigQueryLayer(emulator);
  const base = `${emulator}/bigquery/v2/projects/${PROJECT}`;
  const ask = async (path: string, body?: object): Promise<unknown> => {
    const init = body
      ? { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } }
      : {};
    const response = await fetch(base + path, init);
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  };
  return {
    url: layer.url,
    layer,
    async dataset(location = "EU") {
      const datasetId = `replayport_${randomBytes(6).toString("hex")}`;
      await ask("/datasets", { datasetReference: { projectId: PROJECT, datasetId }, location });
      return datasetId;
    },
    async select(sql) {
      interface Answer {
        readonly rows?: readonly { readonly f: readonly { readonly v: string | null | { v: unknown }[] }[] }[];
      }
      const { rows = [] } = (await ask("/queries", { query: sql, useLegacySql: false })) as Answer;
      return rows.map(({ f }) => f.map(({ v }) => (Array.isArray(v) ? v.map((item) => item.v) : v)));
    },
    async tables(dataset) {
      const { tables = [] } = (await ask(`/datasets/${dataset}/tables?maxResults=1000`)) as {
        tables?: { tableReference: { tableId: string } }[];
      };
      return tables.map(({ tableReference }) => tableReference.tableId).sort();
    },
    async [Symbol.asyncDispose]() {
      await layer[Symbol.asyncDispose]();
      await close();
    },
  };
}

async function pythonWithEmulator(): Promise<string | undefined> {
  try {
    await promisify(execFile)("python3", ["-c", "import bqemulator, numpy"], { timeout: 30_000 });
    return "python3";
  } catch {
    return undefined;
  }
}

/**
 * Test files run at the same time, so one of them installs and the others wait; a mark that is written last says that the
 * environment is whole.
 */
async function installed(): Promise<string> {
  const environment = join(TOOLS, "bqemulator");
  const python = join(environment, "bin", "python");
  const run = promisify(execFile);
  await mkdir(TOOLS, { recursive: true });
  const lock = `${environment}.lock`;
  const until = Date.now() + INSTALL_MS;
  for (;;) {
    if (await exists(join(environment, WHOLE))) return python;
    if (await makeFolder(lock)) break;
    if (Date.now() > until) {
      await rm(lock, { recursive: true, force: true });
      throw new Error("another installation did not come to an end");
    }
    await setTimeout(250);
  }
  try {
    if (await exists(join(environment, WHOLE))) return python;
    await rm(environment, { recursive: true, force: true });
    await run("python3", ["-m", "venv", environment], { timeout: INSTALL_MS });
    await run(join(environment, "bin", "pip"), ["install", "--quiet", ...PACKAGES], { timeout: INSTALL_MS });
    await writeFile(join(environment, WHOLE), PACKAGES.join("\n"));
    return python;
  } catch (error) {
    await rm(environment, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch {
    return false;
  }
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const until = Date.now() + START_MS;
  while (Date.now() < until && child.exitCode === null && child.pid !== undefined) {
    try {
      const response = await fetch(`${url}/bigquery/v2/projects/${PROJECT}/datasets`);
      if (response.ok) return true;
    } catch {
      // Not yet.
    }
    await setTimeout(100);
  }
  return false;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

function unavailable(reason: string): Unavailable {
  return {
    skip: `no BigQuery emulator (${reason}): set BIGQUERY_EMULATOR to bqemulator's address, or install Python 3.11 with pip`,
  };
}
