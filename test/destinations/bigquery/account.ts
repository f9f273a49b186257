/**
 * A real BigQuery for tests, of whoever has one:
 *
 *   REPLAYPORT_TEST_BIGQUERY_PROJECT   the project
 *   REPLAYPORT_TEST_BIGQUERY_DATASET   a dataset of it that nobody else uses; tests make tables there and remove them again
 *
 * with the application default credentials, and the grants of docs/bigquery.md and no others. Beside these:
 *
 *   REPLAYPORT_TEST_BIGQUERY_STRANGER  a service account that may run jobs and nothing else, to be impersonated
 *   REPLAYPORT_TEST_BIGQUERY_ENDPOINT, REPLAYPORT_TEST_BIGQUERY_TOKEN   for another endpoint, such as an emulator's
 */
import { randomBytes } from "node:crypto";
import { BigQuery } from "@google-cloud/bigquery";
import { type BigQueryOptions, openBigQuery } from "../../../destinations/bigquery/index.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { openTestBigQuery } from "./harness.ts";
import type { HarnessResult, SeenRow } from "../../conformance/harness.ts";
import { CURRENT_ROWS, tombstone } from "./chaos_target.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import type { Row } from "../../support/replay_rows.ts";

const { env } = process;
const PROJECT = env["REPLAYPORT_TEST_BIGQUERY_PROJECT"] ?? "";
const DATASET = env["REPLAYPORT_TEST_BIGQUERY_DATASET"] ?? "";
const ENDPOINT = env["REPLAYPORT_TEST_BIGQUERY_ENDPOINT"];
const TOKEN = env["REPLAYPORT_TEST_BIGQUERY_TOKEN"];
export const STRANGER = env["REPLAYPORT_TEST_BIGQUERY_STRANGER"];

const LEDGER = "_replayport_receipts";

export const accountSkip: string | false =
  PROJECT !== "" && DATASET !== ""
    ? false
    : "no account of BigQuery's: set REPLAYPORT_TEST_BIGQUERY_PROJECT and REPLAYPORT_TEST_BIGQUERY_DATASET, and sign in with gcloud auth application-default login";

/** The slice of a job of the API that tests look at. */
export interface JobSeen {
  readonly status?: { readonly errorResult?: object };
  readonly configuration?: { readonly labels?: Readonly<Record<string, string>> };
  readonly statistics?: {
    readonly query?: {
      readonly statementType?: string;
      readonly totalBytesProcessed?: string;
      readonly totalPartitionsProcessed?: string;
    };
  };
}

type Found = Readonly<Record<string, unknown>>;

/** A table of its own in the dataset. */
export interface Account extends AsyncDisposable {
  readonly options: BigQueryOptions;
  /** `TABLE_` stands for the table, `LEDGER_` for that of receipts. */
  readonly select: (sql: string) => Promise<readonly Found[]>;
  rows(): Promise<SeenRow[]>;
  leftovers(): Promise<string[]>;
  job(id: string): Promise<JobSeen>;
  /** The statements of a script. */
  children(id: string): Promise<readonly JobSeen[]>;
  /** Bytes of the table. */
  size(): Promise<number>;
  /** When BigQuery created the table, in milliseconds, as text. */
  created(): Promise<string>;
}

export function openAccount(): Account {
  const table = `replayport_test_${randomBytes(6).toString("hex")}`;
  const options: BigQueryOptions = {
    type: "bigquery",
    project: PROJECT,
    dataset: DATASET,
    table,
    ...(ENDPOINT === undefined ? {} : { apiEndpoint: ENDPOINT }),
    ...(TOKEN === undefined ? {} : { credentials: { type: "access_token", token: TOKEN } }),
  };
  const bearer = { getRequestHeaders: () => Promise.resolve(new Headers({ authorization: `Bearer ${TOKEN}` })) };
  const client = new BigQuery({
    projectId: PROJECT,
    ...(ENDPOINT === undefined ? {} : { apiEndpoint: ENDPOINT }),
    ...(TOKEN === undefined ? {} : { authClient: bearer as never }),
  });
  const dataset = client.dataset(DATASET);
  const name = (of: string): string => `\`${PROJECT}.${DATASET}.${of}\``;
  const select = async (sql: string): Promise<readonly Found[]> => {
    const query = sql.replaceAll("TABLE_", name(table)).replaceAll("LEDGER_", name(LEDGER));
    const [rows] = await client.query({ query, useLegacySql: false });
    return rows as Found[];
  };
  const tables = async (): Promise<string[]> => (await dataset.getTables())[0].map(({ id = "" }) => id);
  return {
    options,
    select,
    async rows() {
      if (!(await tables()).includes(table)) return [];
      const rows = await select("SELECT session_id, value, _version FROM TABLE_ ORDER BY session_id, _version, value");
      return rows.map((row) => ({
        session: String(row["session_id"]),
        version: Number(row["_version"]),
        value: Number(row["value"]),
      }));
    },
    // Nobody else uses the dataset, and tests that use it run one after the other.
    leftovers: async () => (await tables()).filter((found) => /^_replayport_(?:staging|check)_/.test(found)),
    job: async (id) => (await client.job(id).getMetadata())[0] as JobSeen,
    async children(id) {
      const [jobs] = await client.getJobs({ parentJobId: id });
      return await Promise.all(jobs.map(async (job) => (await job.getMetadata())[0] as JobSeen));
    },
    size: async () => Number(((await dataset.table(table).getMetadata())[0] as { numBytes?: string }).numBytes),
    created: async () =>
      String(((await dataset.table(table).getMetadata())[0] as { creationTime?: string }).creationTime),
    async [Symbol.asyncDispose]() {
      await dataset.table(table).delete({ ignoreNotFound: true });
      if ((await tables()).includes(LEDGER)) await select(`DELETE FROM LEDGER_ WHERE target_table = '${table}'`);
    },
  };
}

/** For stories without crashes and without a clock of their own. */
export function accountTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const account = openAccount();
  return Promise.resolve({
    open: (now) =>
      openBigQuery(account.options, { export: definition.name }, { now, version: "test", onWarning: () => undefined }),
    rows: async () => (await account.select(CURRENT_ROWS)).map((row) => JSON.parse(String(row["session"])) as Row),
    shown: tombstone,
    [Symbol.asyncDispose]: () => account[Symbol.asyncDispose](),
  });
}

export async function accountHarness(): Promise<HarnessResult> {
  if (accountSkip !== false) return await Promise.resolve({ skip: accountSkip });
  return {
    type: "bigquery",
    countsRows: true,
    open() {
      const account = openAccount();
      return Promise.resolve({
        secrets: TOKEN === undefined ? [] : [TOKEN],
        open: () => Promise.resolve(openTestBigQuery(account.options)),
        rows: () => account.rows(),
        leftovers: () => account.leftovers(),
        ledgerText: async () =>
          JSON.stringify(await account.select(`SELECT TO_JSON_STRING(r) AS receipt FROM LEDGER_ AS r`)),
        [Symbol.asyncDispose]: () => account[Symbol.asyncDispose](),
      });
    },
    openBroken: () => {
      const { options } = openAccount();
      return Promise.resolve([
        openTestBigQuery({ ...options, dataset: "no_such_dataset" }),
        openTestBigQuery({ ...options, apiEndpoint: "http://127.0.0.1:1", maxAttempts: 1 }),
      ]);
    },
  };
}
