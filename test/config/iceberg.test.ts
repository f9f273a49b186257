/** The section of an Iceberg destination: what it becomes, and what is wrong with it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { IcebergOptions } from "../../destinations/iceberg/options.ts";
import { type Case, testMistakes } from "./mistakes.ts";
import { BASE, configOf, EXPORT, type Fields, problemsOf } from "./parse.ts";

const CATALOG = { uri: "https://catalog.acme.com/iceberg", warehouse: "acme" };
const TABLE: Fields = { type: "iceberg", catalog: CATALOG, namespace: ["posthog"] };

const withIceberg = (fields: Fields, of: Fields = {}): Fields => ({
  ...BASE,
  destinations: { local: { ...TABLE, ...fields } },
  exports: { replays: { ...EXPORT, ...of } },
});

const wrong = (fields: Fields, problem: string, fix: RegExp, of: Fields = {}): Case => ({
  config: withIceberg(fields, of),
  problems: [problem.startsWith("exports.") ? problem : `destinations.local.${problem}`],
  fix,
});

async function resolved(fields: Fields, env: Readonly<Record<string, string>> = {}): Promise<IcebergOptions> {
  const { destinations } = await configOf(withIceberg(fields), { env });
  return destinations["local"] as IcebergOptions;
}

suite("config: iceberg", () => {
  test("the least: no sign-in, the export's name for the table, and keys that the catalog vends", async () => {
    assert.deepEqual(await resolved({}), {
      type: "iceberg",
      catalog: { ...CATALOG, auth: { type: "none" }, vendedCredentials: true },
      namespace: ["posthog"],
    });
  });

  test("everything, in the words of the code", async () => {
    const config = await resolved(
      {
        catalog: { ...CATALOG, oauth2: { client_id: "me", client_secret: "${SECRET}", scope: "PRINCIPAL_ROLE:ALL" } },
        namespace: ["lake", "posthog"],
        table: "session_replays",
        storage: {
          bucket: "acme-lakehouse",
          prefix: "tables",
          region: "eu-central-1",
          access_key_id: "id",
          secret_access_key: "${KEY}",
        },
        keep_snapshots: "2d",
        on_delete: "delete",
      },
      { SECRET: "shh", KEY: "hush" },
    );
    assert.deepEqual(config, {
      type: "iceberg",
      catalog: {
        ...CATALOG,
        auth: { type: "oauth2", clientId: "me", clientSecret: "shh", scope: "PRINCIPAL_ROLE:ALL" },
        vendedCredentials: false,
      },
      namespace: ["lake", "posthog"],
      table: "session_replays",
      storage: {
        bucket: "acme-lakehouse",
        prefix: "tables",
        region: "eu-central-1",
        credentials: { accessKeyId: "id", secretAccessKey: "hush" },
      },
      keepSnapshotsMs: 2 * 86_400_000,
      onDelete: "delete",
    });
  });

  test("requests are signed for a service of AWS with the region and the keys of the storage", async () => {
    const storage = { region: "eu-central-1", access_key_id: "id", secret_access_key: "secret" };
    const { catalog } = await resolved({ catalog: { ...CATALOG, sigv4: "glue" }, storage });
    assert.deepEqual(catalog.auth, {
      type: "sigv4",
      service: "glue",
      region: "eu-central-1",
      credentials: { accessKeyId: "id", secretAccessKey: "secret" },
    });
    const other = await resolved({ catalog: { ...CATALOG, sigv4: { service: "s3tables", region: "us-east-1" } } });
    assert.deepEqual(other.catalog.auth, { type: "sigv4", service: "s3tables", region: "us-east-1" });
  });

  test("a token comes from the environment, and no message shows it", async () => {
    const { catalog } = await resolved({ catalog: { ...CATALOG, token: "${TOKEN}" } }, { TOKEN: "very secret" });
    assert.deepEqual(catalog.auth, { type: "token", token: "very secret" });
    const problems = await problemsOf(withIceberg({ catalog: { ...CATALOG, token: "${TOKEN}", sigv4: "glue" } }), {
      env: { TOKEN: "very secret" },
    });
    assert.ok(problems.length > 0);
    assert.ok(!JSON.stringify(problems).includes("very secret"));
  });

  testMistakes("an Iceberg destination", {
    "two ways to sign in": wrong(
      { catalog: { ...CATALOG, token: "t", oauth2: { client_id: "a", client_secret: "b" } } },
      "catalog.oauth2: is a second way to sign in",
      /Keep one of: token, oauth2/,
    ),
    "a signature without a region": wrong(
      { catalog: { ...CATALOG, sigv4: "glue" } },
      "catalog.sigv4: has no region",
      /region/,
    ),
    "a prefix without a bucket": wrong(
      { storage: { prefix: "a" } },
      "storage.prefix: has no bucket beside it",
      /bucket/,
    ),
    "half a pair of keys": wrong(
      { storage: { access_key_id: "a" } },
      "storage.secret_access_key: is missing",
      /go together/,
    ),
    "one table for two exports": {
      config: {
        ...withIceberg({ table: "replays" }),
        exports: { replays: EXPORT, others: { ...EXPORT, team_id: 2 } },
      },
      problems: ["exports.others: loads into the same Iceberg table as the export replays"],
      fix: /table of its name/,
    },
    "no namespace": wrong({ namespace: [] }, "namespace: the list is empty", /./),
    "files that Iceberg doesn't have": wrong(
      {},
      "exports.replays.format: an Iceberg table has no jsonl files",
      /format: parquet/,
      { format: "jsonl" },
    ),
    "the column of deletions left out": wrong(
      {},
      "exports.replays.columns.exclude[0]: cannot be excluded",
      /Remove it/,
      {
        columns: { exclude: ["is_deleted"] },
      },
    ),
  });
});
