/**
 * A real catalog, of whoever has one:
 *
 *   REPLAYPORT_TEST_ICEBERG_URI              without /v1
 *   REPLAYPORT_TEST_ICEBERG_WAREHOUSE
 *   REPLAYPORT_TEST_ICEBERG_TOKEN            or _CLIENT_ID and _CLIENT_SECRET, with _SCOPE and _TOKEN_URL; or _SIGV4=glue
 *   REPLAYPORT_TEST_ICEBERG_REGION           for SigV4 and the storage
 *   REPLAYPORT_TEST_ICEBERG_BUCKET           where a new table's files go. Default: the catalog chooses
 *   REPLAYPORT_TEST_ICEBERG_ENDPOINT         of storage that isn't AWS's
 *   REPLAYPORT_TEST_ICEBERG_ACCESS_KEY_ID, _SECRET_ACCESS_KEY   default: what the catalog vends, or AWS's default chain
 *
 * Tests make a namespace of their own with one table, and drop both. The table's files stay: few, and small.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { type Catalog, openCatalog } from "../../../destinations/catalog/catalog.ts";
import type { CatalogAuth } from "../../../destinations/catalog/options.ts";
import { currentSnapshot } from "../../../destinations/table_format/metadata.ts";
import type { IcebergOptions } from "../../../destinations/iceberg/options.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { keyText } from "../../../src/models/audit.ts";
import { BatchMaker, column, EXPORT, hours } from "../../support/batches.ts";
import { openTestTable } from "./harness.ts";

const PREFIX = "REPLAYPORT_TEST_ICEBERG_";
const given = (name: string): string | undefined => process.env[`${PREFIX}${name}`] || undefined;
const uri = given("URI");
const signal = AbortSignal.timeout(600_000);

/** Properties without those that nobody gave. */
function defined<Values extends object>(values: { [Key in keyof Values]: Values[Key] | undefined }): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values;
}

function auth(): CatalogAuth {
  const [token, clientId, service] = ["TOKEN", "CLIENT_ID", "SIGV4"].map(given);
  if (token !== undefined) return { type: "token", token };
  if (service !== undefined)
    return defined({ type: "sigv4", service, region: given("REGION") ?? "us-east-1", credentials: keys() });
  if (clientId === undefined) return { type: "none" };
  const more = { clientSecret: given("CLIENT_SECRET") ?? "", scope: given("SCOPE"), tokenUrl: given("TOKEN_URL") };
  return defined({ type: "oauth2", clientId, ...more });
}

function keys(): { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined {
  const [accessKeyId, secretAccessKey] = [given("ACCESS_KEY_ID"), given("SECRET_ACCESS_KEY")];
  return accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey };
}

function optionsOf(namespace: string): IcebergOptions {
  const [endpoint, credentials] = [given("ENDPOINT"), keys()];
  const catalog = {
    uri: uri ?? "",
    warehouse: given("WAREHOUSE"),
    auth: auth(),
    vendedCredentials: credentials === undefined,
  };
  const path = endpoint === undefined ? undefined : true;
  const storage = { region: given("REGION"), bucket: given("BUCKET"), endpoint, credentials, forcePathStyle: path };
  return {
    type: "iceberg",
    catalog: defined(catalog),
    namespace: [namespace],
    table: "replays",
    storage: defined(storage),
  };
}

const COLUMNS = [
  column("team_id", "int64"),
  column("session_id", "string"),
  column("start_time", "timestamp"),
  column("tags", "string[]"),
  column("_version", "string"),
  column("_exported_at", "timestamp"),
];

suite(
  "an Iceberg catalog of yours",
  { skip: uri === undefined ? `set ${PREFIX}URI, and see account.test.ts` : false },
  () => {
    test("check, loads that replace rows and files, receipts and the audit work there", async () => {
      await using maker = await BatchMaker.open();
      const namespace = `replayport_test_${randomBytes(4).toString("hex")}`;
      const options = optionsOf(namespace);
      const table = { namespace: [namespace], name: "replays" };
      const catalog: Catalog = openCatalog(options.catalog);
      await using stack = new AsyncDisposableStack();
      stack.defer(async () => {
        await catalog.dropTable(table, signal);
        await catalog.dropNamespace(table.namespace, signal);
      });
      await using destination = openTestTable(options);
      await destination.check(signal);
      const batch = async (hour: number, rows: Readonly<Record<string, string>>, minute: number) => {
        const readAt = new Date(Date.UTC(2026, 9, 2, 0, minute));
        const row = ([session, version]: readonly [string, string]): string =>
          `SELECT 1::BIGINT AS team_id, '${session}' AS session_id, TIMESTAMP '2026-10-01 12:00:00' AS start_time,
          ['a', 'ä'] AS tags, '${version}' AS _version, TIMESTAMP '${readAt.toISOString().slice(0, 19)}' AS _exported_at`;
        const files = [Object.entries(rows).map(row).join(" UNION ALL ")];
        return await maker.make({ of: hours(hour), columns: COLUMNS, files, readAt });
      };
      await destination.load(await batch(0, { a: "1", b: "1", c: "3" }, 1), signal);
      await destination.load(await batch(1, { a: "2", c: "2" }, 2), signal);
      const swept = await destination.load(await batch(0, { a: "2", b: "1" }, 3), signal);
      const found = await Array.fromAsync(destination.receipts(ALL_TIME, signal));
      assert.deepEqual(
        found.map(({ interval }) => interval),
        [hours(0), hours(1)],
      );
      assert.equal(found[0]?.attempt, swept.attempt);
      const wanted = ["a", "b", "c"].map((session) => ({ team: "1", session }));
      const scope = { teams: 1, from: new Date(0) };
      const versions = await destination.audit.versions(scope, wanted, signal);
      assert.deepEqual(
        wanted.map((key) => versions.get(keyText(key))),
        ["2", "1", "3"],
      );
      const loaded = await catalog.loadTable(table, signal);
      assert.equal(loaded?.metadata.properties["replayport.export"], EXPORT);
      assert.ok(currentSnapshot(loaded.metadata));
    });
  },
);
