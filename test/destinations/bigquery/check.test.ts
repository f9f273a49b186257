/** `check` does what a load does, on a small scale; whatever is missing is named with the statement that gives it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { PROBE_ROW } from "../../../destinations/warehouse/probe.ts";
import { hours } from "../../conformance/batches.ts";
import { rejectsWith, row } from "../../conformance/context.ts";
import { first, type ProxiedRequest } from "../../support/fault_proxy.ts";
import { PROJECT } from "./emulator.ts";
import { REPLAY_COLUMNS } from "../replay_batches.ts";
import { beginsUpload, bigquerySkip, dropsTable, insertsJob, openBigQueryFixture, refusal } from "./fixture.ts";

const skip = await bigquerySkip();

const REPLAYS = { columns: REPLAY_COLUMNS, key: ["team_id", "session_id"] };

const readsDataset = ({ method, path }: ProxiedRequest): boolean =>
  method === "GET" && /\/datasets\/\w+(\?|$)/.test(path);
const createsTable = ({ method, path }: ProxiedRequest): boolean => method === "POST" && /\/tables(\?|$)/.test(path);
const listsTables = ({ method, path }: ProxiedRequest): boolean => method === "GET" && /\/tables\?/.test(path);

suite("bigquery: check", { skip, concurrency: false }, () => {
  for (const [what, matches, permission, statement] of [
    [
      "datasets.get",
      readsDataset,
      "bigquery.datasets.get",
      'GRANT `roles/bigquery.dataEditor` ON SCHEMA `PROJECT`.`DATASET` TO "serviceAccount:<its address>";',
    ],
    [
      "jobs.create",
      insertsJob,
      "bigquery.jobs.create",
      'gcloud projects add-iam-policy-binding PROJECT --member="serviceAccount:<its address>" --role="roles/bigquery.jobUser"',
    ],
    [
      "jobs.create of an upload",
      beginsUpload,
      "bigquery.jobs.create",
      'gcloud projects add-iam-policy-binding PROJECT --member="serviceAccount:<its address>" --role="roles/bigquery.jobUser"',
    ],
    [
      "tables.create",
      createsTable,
      "bigquery.tables.create",
      'GRANT `roles/bigquery.dataEditor` ON SCHEMA `PROJECT`.`DATASET` TO "serviceAccount:<its address>";',
    ],
    [
      "tables.list",
      listsTables,
      "bigquery.tables.list",
      'GRANT `roles/bigquery.dataEditor` ON SCHEMA `PROJECT`.`DATASET` TO "serviceAccount:<its address>";',
    ],
    [
      "tables.delete",
      dropsTable,
      "bigquery.tables.delete",
      'GRANT `roles/bigquery.dataEditor` ON SCHEMA `PROJECT`.`DATASET` TO "serviceAccount:<its address>";',
    ],
  ] as const) {
    test(`without ${what}: the grant is named, and nothing is left`, async ({ signal }) => {
      await using fixture = await openBigQueryFixture();
      await using destination = fixture.open();
      const named = permission === "bigquery.tables.delete";
      // Google does not always name the permission; then it is the one that the request needs.
      const message = named ? `Permission ${permission} denied on table t (or it may not exist).` : "Access Denied";
      const denied = refusal(403, "accessDenied", message);
      // A staging table whose removal fails is a warning; the removal of what the check wrote is its last step.
      fixture.proxy.decide(named ? (request) => (dropsTable(request) ? denied : undefined) : first(1, matches, denied));
      const error = await rejectsWith("give-up", destination.check(signal));
      assert.equal(error.code, "bigquery.access_denied");
      assert.match(error.message, /^BigQuery's check failed while /);
      const wanted = statement.replace("PROJECT", PROJECT).replace("DATASET", fixture.dataset);
      const absent = named ? " If it exists at all: check `project`, `dataset` and `table`." : "";
      assert.equal(error.hint, `${permission} is missing: ${wanted}${absent}`);
      if (!named) assert.deepEqual(await fixture.server.tables(fixture.dataset), []);
    });
  }

  test("a table that is there is asked for its own access list, and all that lacks is named", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.healthy();
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    const { denied } = fixture.server.layer;
    denied.add("bigquery.tables.updateData").add("bigquery.tables.update");
    try {
      const error = await rejectsWith("give-up", destination.check(signal));
      assert.match(error.message, /updateData, bigquery\.tables\.update is missing$/);
      assert.match(error.hint ?? "", /^GRANT `roles\/bigquery\.dataEditor` ON SCHEMA/);
    } finally {
      denied.clear();
    }
    await destination.check(signal);
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("a dataset whose tables expire is told of, with the statement that ends it", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    const warnings: object[] = [];
    await using destination = fixture.open(
      {},
      { onWarning: (message, detail) => warnings.push({ message, ...detail }) },
    );
    const resource = { location: "EU", defaultTableExpirationMs: String(60 * 86_400_000) };
    const headers = { "content-type": "application/json" };
    fixture.proxy.decide(
      first(1, readsDataset, { kind: "answer", status: 200, headers, body: JSON.stringify(resource) }),
    );
    await destination.check(signal);
    assert.equal(warnings.length, 1);
    assert.partialDeepStrictEqual(warnings[0], { days: 60 });
    assert.match(JSON.stringify(warnings), /ALTER SCHEMA .* SET OPTIONS \(default_table_expiration_days = NULL\)/);
  });

  test("every kind of expiry is warned of, with the statement that ends it", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    const warnings: object[] = [];
    const onWarning = (message: string, detail: object): void => void warnings.push({ message, ...detail });
    await using destination = fixture.open({}, { onWarning });
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    const headers = { "content-type": "application/json" };
    const day = 86_400_000;
    const dataset = JSON.stringify({ location: "EU", defaultPartitionExpirationMs: String(90 * day) });
    const table = JSON.stringify({
      expirationTime: String(Date.UTC(2027, 0, 1)),
      timePartitioning: { type: "DAY", field: "start_time", expirationMs: String(30 * day) },
    });
    const readsTable = ({ method, path }: ProxiedRequest): boolean =>
      method === "GET" && /\/tables\/sessions(\?|$)/.test(path);
    fixture.proxy.decide((request) =>
      readsDataset(request)
        ? { kind: "answer", status: 200, headers, body: dataset }
        : readsTable(request)
          ? { kind: "answer", status: 200, headers, body: table }
          : undefined,
    );
    await using checked = fixture.open({}, { onWarning });
    await checked.check(signal);
    const told = JSON.stringify(warnings);
    assert.equal(warnings.length, 3);
    assert.match(told, /"days":90,"hint":"ALTER SCHEMA .* SET OPTIONS \(default_partition_expiration_days = NULL\)/);
    assert.match(told, /"expires":"2027-01-01T00:00:00.000Z","hint":"ALTER TABLE .* \(expiration_timestamp = NULL\)/);
    assert.match(told, /"days":30,"hint":"ALTER TABLE .*sessions` SET OPTIONS \(partition_expiration_days = NULL\)/);
  });

  for (const [what, columns, code, message] of [
    [
      "times without a zone",
      "session_id STRING, start_time DATETIME",
      "warehouse.type_clash",
      /start_time is DATETIME/,
    ],
    ["a NOT NULL column of others", "session_id STRING, mine INT64 NOT NULL", "bigquery.not_null", /empty: mine$/],
    ["a NOT NULL column that a tombstone empties", "first_url STRING NOT NULL", "bigquery.not_null", /first_url$/],
  ] as const) {
    test(`a table that was there, with ${what}: a check of the export's rows says so, and changes nothing`, async ({
      signal,
    }) => {
      await using fixture = await openBigQueryFixture();
      await using destination = fixture.healthy();
      await destination.checkRows?.(REPLAYS, signal);
      await fixture.select(`CREATE TABLE TABLE_ (${columns})`);
      const error = await rejectsWith("give-up", destination.checkRows?.(REPLAYS, signal) ?? Promise.resolve());
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.deepEqual(await fixture.server.tables(fixture.dataset), ["sessions"]);
    });
  }

  test("a check fails where a time is read back shifted", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const names = Object.keys(PROBE_ROW);
    const values = names.map((name) => {
      if (name === "all_urls") return JSON.stringify(PROBE_ROW.all_urls);
      const value = PROBE_ROW[name as Exclude<keyof typeof PROBE_ROW, "all_urls">];
      return name === "start_us" ? String(Number(value) - 5 * 3_600_000_000) : value;
    });
    const body = JSON.stringify({
      jobComplete: true,
      totalRows: "1",
      schema: { fields: names.map((name) => ({ name, type: "STRING", mode: "NULLABLE" })) },
      rows: [{ f: values.map((v) => ({ v })) }],
    });
    const readsBack = ({ method, path }: ProxiedRequest): boolean => {
      const jobId = /\/queries\/([\w-]+)/.exec(path)?.[1] ?? "";
      const sql = fixture.server.layer.jobs.get(jobId)?.configuration.query?.["query"];
      return method === "GET" && typeof sql === "string" && sql.includes("`start_us`");
    };
    const headers = { "content-type": "application/json" };
    fixture.proxy.decide(first(1, readsBack, { kind: "answer", status: 200, headers, body }));
    const error = await rejectsWith("give-up", destination.check(signal));
    assert.equal(error.code, "warehouse.read_back");
    assert.deepEqual(await fixture.leftovers(), []);
  });

  for (const [what, status, reason, message, code, hint] of [
    [
      "the API is not enabled",
      403,
      "accessNotConfigured",
      "BigQuery API has not been used in project 12 before or it is disabled.",
      "bigquery.api_disabled",
      /^gcloud services enable bigquery\.googleapis\.com --project=12$/,
    ],
    [
      "billing is not enabled",
      403,
      "billingNotEnabled",
      "Billing has not been enabled for this project.",
      "bigquery.billing",
      /^Enable billing for the project replayport-test/,
    ],
    [
      "a job of another account stands in the way",
      403,
      "accessDenied",
      "Access Denied: Job p:EU.x: Permission bigquery.jobs.get denied on job",
      "bigquery.access_denied",
      /roles\/bigquery\.resourceViewer/,
    ],
    [
      "there is no such project",
      404,
      "notFound",
      "Not found: Project replayport-test",
      "bigquery.no_project",
      /^There is no project replayport-test, or it is not yours/,
    ],
  ] as const) {
    test(`${what}: the remedy is named`, async ({ signal }) => {
      await using fixture = await openBigQueryFixture();
      await using destination = fixture.open();
      fixture.proxy.decide(() => refusal(status, reason, message));
      const error = await rejectsWith("give-up", destination.check(signal));
      assert.equal(error.code, code);
      assert.match(error.hint ?? "", hint);
    });
  }
});
