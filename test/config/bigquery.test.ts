/** The section of a BigQuery destination: what it becomes, and what is wrong with it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { BigQueryOptions } from "../../destinations/bigquery/options.ts";
import { type Case, testMistakes } from "./mistakes.ts";
import { BASE, configOf, EXPORT, type Fields, problemsOf } from "./parse.ts";

const TABLE: Fields = { type: "bigquery", project: "acme-data", dataset: "posthog", table: "session_replays" };

const withBigQuery = (fields: Fields, of: Fields = {}): Fields => ({
  ...BASE,
  destinations: { local: { ...TABLE, ...fields } },
  exports: { replays: { ...EXPORT, ...of } },
});

const wrong = (fields: Fields, problem: string, fix: RegExp, of: Fields = {}): Case => ({
  config: withBigQuery(fields, of),
  problems: [problem.startsWith("exports.") ? problem : `destinations.local.${problem}`],
  fix,
});

async function resolved(fields: Fields, env: Readonly<Record<string, string>> = {}): Promise<BigQueryOptions> {
  const { destinations } = await configOf(withBigQuery(fields), { env });
  return destinations["local"] as BigQueryOptions;
}

suite("config: bigquery", () => {
  test("the least: application default credentials, tombstones, and everything else as BigQuery has it", async () => {
    assert.deepEqual(await resolved({}), {
      ...TABLE,
      credentials: { type: "default" },
      onDelete: "tombstone",
    });
  });

  test("everything, in the words of the code", async () => {
    const config = await resolved({
      location: "EU",
      billing_project: "example.com:acme-jobs",
      credentials_file: "./key.json",
      impersonate: { service_account: "replayport@acme-data.iam.gserviceaccount.com", delegates: ["a@b.iam.x"] },
      on_delete: "delete",
      partition_by: { column: "end_time", granularity: "month" },
      cluster_by: ["team_id", "distinct_id"],
      maximum_bytes_billed: "50GiB",
      labels: { team: "data" },
      json_columns: ["ai_tags_freeform"],
      api_endpoint: "https://bigquery-acme.p.googleapis.com/",
    });
    assert.deepEqual(config, {
      ...TABLE,
      location: "EU",
      billingProject: "example.com:acme-jobs",
      credentials: { type: "key_file", path: "/etc/replayport/key.json" },
      impersonate: { serviceAccount: "replayport@acme-data.iam.gserviceaccount.com", delegates: ["a@b.iam.x"] },
      onDelete: "delete",
      partitionBy: { column: "end_time", granularity: "month" },
      clusterBy: ["team_id", "distinct_id"],
      maximumBytesBilled: 50 * 1024 ** 3,
      labels: { team: "data" },
      jsonColumns: ["ai_tags_freeform"],
      apiEndpoint: "https://bigquery-acme.p.googleapis.com",
    });
  });

  test("a key and a token come from the environment, and no message shows them", async () => {
    const key = '{"type":"service_account","private_key":"very secret"}';
    const config = await resolved({ credentials: "${KEY}" }, { KEY: key });
    assert.deepEqual(config.credentials, { type: "key", json: key });
    const token = await resolved({ access_token: "${TOKEN}" }, { TOKEN: "ya29.secret" });
    assert.deepEqual(token.credentials, { type: "access_token", token: "ya29.secret" });
    const both = withBigQuery({ credentials: "${KEY}", access_token: "${TOKEN}", project: 1 });
    const problems = await problemsOf(both, { env: { KEY: key, TOKEN: "ya29.secret" } });
    assert.doesNotMatch(JSON.stringify(problems), /secret/);
  });

  test("the config in the docs is one", async () => {
    const docs = await readFile(join(import.meta.dirname, "../../docs/bigquery.md"), "utf8");
    const [, example = ""] = /```yaml\n([^]*?)```/.exec(docs) ?? [];
    const { destinations } = await configOf(example, {
      env: { CLICKHOUSE_URL: "http://c:8123", CLICKHOUSE_PASSWORD: "p" },
    });
    assert.deepEqual(destinations["warehouse"], {
      ...TABLE,
      credentials: { type: "key_file", path: "/etc/replayport/bigquery-key.json" },
      onDelete: "tombstone",
    });
  });

  test("a SELECT of the user's own names its columns to nobody but ClickHouse", async () => {
    const config = withBigQuery(
      { cluster_by: ["feature"], json_columns: ["notes"], partition_by: { column: "seen_at" } },
      { model: { sql: "features.sql", key: ["feature"] } },
    );
    await configOf(config, { files: { "/etc/replayport/features.sql": "SELECT 1" } });
  });
});

const CASES: Readonly<Record<string, Case>> = {
  "two ways to sign in": wrong(
    { credentials_file: "./key.json", access_token: "t" },
    "access_token: is a second way to sign in",
    /Keep one of: credentials_file, access_token/,
  ),
  "five clusters": wrong(
    { cluster_by: ["team_id", "session_id", "distinct_id", "snapshot_source", "snapshot_mode"] },
    "cluster_by: has more than four columns",
    /at most four/,
  ),
  "a cluster of lists": wrong(
    { cluster_by: ["team_id", "all_urls"] },
    "cluster_by[1]: all_urls is of type string[]",
    /single values/,
  ),
  "a cluster that is not exported": wrong(
    { cluster_by: ["distinct_id"] },
    "cluster_by[0]: replays exports no column distinct_id",
    /single values/,
    { columns: { exclude: ["distinct_id"] } },
  ),
  "JSON of a number": wrong({ json_columns: ["size"] }, "json_columns[0]: size is of type int64", /text or of lists/),
  "JSON of the key": wrong(
    { json_columns: ["session_id"] },
    "json_columns[0]: session_id is of type string",
    /not part of the key/,
  ),
  "partitions by text": wrong(
    { partition_by: { column: "first_url" } },
    "partition_by.column: first_url is of type string",
    /start_time/,
  ),
  "excluding is_deleted": wrong(
    {},
    "exports.replays.columns.exclude[1]: cannot be excluded",
    /on_delete of the destination local/,
    { columns: { exclude: ["distinct_id", "is_deleted"] } },
  ),
  "a compression that BigQuery does not know": wrong(
    {},
    "exports.replays.compression: BigQuery cannot load jsonl compressed with zstd",
    /gzip or none, or format: parquet/,
    { format: "jsonl", compression: "zstd" },
  ),
};

testMistakes("a bigquery destination", CASES);
