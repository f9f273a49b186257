/**
 * A BigQuery for tests: the emulator of BIGQUERY_EMULATOR, else bqemulator of the Python on the PATH, else one in a Python
 * environment of its own under .tools, which is made on the first use. Where none works, tests are told why.
 *
 * README.md lists what it can't show; what it lacks and loads depend on is in emulator_layer.ts.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type BigQueryLayer, openBigQueryLayer } from "./emulator_layer.ts";
import { freePort, startServer } from "../../support/server_process.ts";
import { firstLine, pythonEnvironment, run, type Unavailable } from "../../support/tools.ts";

/** numpy, because the emulator's functions in Python need it and its package does not say so. */
const PACKAGES = ["bqemulator==1.4.0", "numpy"];
const LAUNCHER = join(import.meta.dirname, "emulator.py");

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

let opened: Promise<BigQueryServer | Unavailable> | undefined;

/** One emulator for all tests of a process; it ends with the process. */
export function bigqueryServer(): Promise<BigQueryServer | Unavailable> {
  opened ??= openBigQueryServer();
  return opened;
}

async function openBigQueryServer(): Promise<BigQueryServer | Unavailable> {
  const given = process.env["BIGQUERY_EMULATOR"];
  if (given !== undefined && given !== "") return await serverAt(given.replace(/\/+$/, ""), () => Promise.resolve());
  const onPath = await run("python3", ["-c", "import bqemulator, numpy"], { timeout: 30_000 }).then(
    () => start("python3"),
    () => undefined,
  );
  if (onPath) return onPath;
  try {
    const python = join(await pythonEnvironment("bqemulator", PACKAGES), "bin", "python");
    return (await start(python)) ?? unavailable(`${python} did not come to answer`);
  } catch (error) {
    return unavailable(`bqemulator could not be installed: ${firstLine(error)}`);
  }
}

async function start(python: string): Promise<BigQueryServer | undefined> {
  const [rest, grpc] = [await freePort(), await freePort()];
  const flags = ["--rest-host", "127.0.0.1", "--grpc-host", "127.0.0.1", "--log-level", "critical"];
  const args = [LAUNCHER, "start", "--rest-port", `${rest}`, "--grpc-port", `${grpc}`, ...flags];
  const url = `http://127.0.0.1:${rest}`;
  const answers = async (): Promise<boolean> => (await fetch(`${url}/bigquery/v2/projects/${PROJECT}/datasets`)).ok;
  const env = { ...process.env, BQEMU_ENABLE_FORMAT_EXTENSIONS: "false", TZ: "UTC" };
  const server = await startServer(python, args, answers, env);
  return server && (await serverAt(url, () => server.stop()));
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
      const datasetId = `Not_found_dataset_project_location_${randomBytes(6).toString("hex")}`;
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

function unavailable(reason: string): Unavailable {
  return {
    skip: `no BigQuery emulator (${reason}): set BIGQUERY_EMULATOR to bqemulator's address, or install Python 3.11 with pip`,
  };
}
