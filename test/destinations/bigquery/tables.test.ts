/** The user's table: made where it is missing, grown by what the export gained, and otherwise left as it is. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { BigQueryContext } from "../../../destinations/bigquery/context.ts";
import { checkDataset } from "../../../destinations/bigquery/load.ts";
import type { BigQueryOptions } from "../../../destinations/bigquery/options.ts";
import { checkTarget } from "../../../destinations/bigquery/tables.ts";
import type { SchemaField } from "../../../destinations/bigquery/types.ts";
import { hours } from "../../conformance/batches.ts";
import { EVERYTHING, rejectsWith } from "../../conformance/context.ts";
import { PROJECT } from "./emulator.ts";
import { bigquerySkip, openBigQueryFixture } from "./fixture.ts";
import { ReplayBatches, REPLAY_COLUMNS, type ReplayRow } from "../replay_batches.ts";

const skip = await bigquerySkip();

const END = "2026-10-02 11:00:00.000000";

function replay(session: string, version: number, start = "2026-10-01 10:00:00.123456"): ReplayRow {
  return { session, version, start, end: END };
}

suite("bigquery: tables", { skip, concurrency: false }, () => {
  test("a table gets the columns that the export gained, and keeps those of its users", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const fewer = REPLAY_COLUMNS.filter(({ name }) => name !== "score" && name !== "blocks");
    await destination.load(await batches.batch(hours(0), [replay("a", 1), replay("b", 1)], { columns: fewer }), signal);
    await fixture.select("ALTER TABLE TABLE_ ADD COLUMN note STRING");
    await fixture.select("UPDATE TABLE_ SET note = 'mine' WHERE session_id = 'a'");
    await destination.load(await batches.batch(hours(1), [replay("a", 2)]), signal);
    const found = await fixture.select(
      "SELECT session_id, note, score, ARRAY_LENGTH(blocks) FROM TABLE_ ORDER BY session_id",
    );
    assert.deepEqual(found.slice(0, 1), [["a", "mine", "0.5", "2"]]);
    assert.deepEqual(found[1]?.slice(0, 3), ["b", null, null]);
  });

  test("an earlier version's receipts lack columns, which are added before the first of them is read", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using older = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    const receipt = await fixture.healthy().load(await batches.batch(hours(0), [replay("a", 1)]), signal);
    const ledgerOf = ({ dataset }: typeof fixture): string => `\`${PROJECT}.${dataset}._replayport_receipts\``;
    await older.select("CREATE TABLE TABLE_ (session_id STRING)");
    await older.select(
      `CREATE TABLE ${ledgerOf(older)} AS SELECT * EXCEPT (watermark, source_columns) FROM ${ledgerOf(fixture)}`,
    );
    const found = await Array.fromAsync(older.healthy().receipts(EVERYTHING, signal));
    assert.deepEqual(found, [{ ...receipt, watermark: undefined, sourceColumns: undefined }]);
    assert.deepEqual(await older.select(`SELECT watermark, source_columns FROM ${ledgerOf(older)}`), [[null, null]]);
  });

  test("a column of another type is an error with both types, and nothing is loaded", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await fixture.select("CREATE TABLE TABLE_ (session_id INT64, start_time STRING)");
    const error = await rejectsWith(
      "give-up",
      destination.load(await batches.batch(hours(0), [replay("a", 1)]), signal),
    );
    assert.match(
      error.message,
      /session_id is INT64, the export needs STRING; start_time is STRING, the export needs TIMESTAMP/,
    );
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("a row without a start is found by a newer one: the column was left out for a while", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), [replay("a", 1)]), signal);
    const without = REPLAY_COLUMNS.filter(({ name }) => name !== "start_time");
    await destination.load(await batches.batch(hours(1), [replay("b", 1)], { columns: without }), signal);
    await destination.load(await batches.batch(hours(2), [replay("a", 2), replay("b", 2)]), signal);
    assert.deepEqual(await fixture.select("SELECT session_id, _version, start_time IS NULL FROM TABLE_ ORDER BY 1"), [
      ["a", "2", "false"],
      ["b", "2", "false"],
    ]);
  });

  test("a user's SELECT may have a start that grows: its rows are found wherever they are", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    // As the columns of a SELECT come: nothing is known of what they tell.
    const columns = REPLAY_COLUMNS.map((column) => ({ ...column, privacy: "content" as const }));
    await destination.load(await batches.batch(hours(0), [replay("a", 1)], { columns }), signal);
    await destination.load(await batches.batch(hours(1), [replay("a", 2, END)], { columns }), signal);
    assert.deepEqual(await fixture.select("SELECT session_id, _version FROM TABLE_"), [["a", "2"]]);
    // And a deleted one stays recognisable, though everything else of it is emptied.
    const deleted = [{ ...replay("a", 3, END), deleted: true }];
    await destination.load(await batches.batch(hours(2), deleted, { columns }), signal);
    assert.deepEqual(await fixture.select("SELECT session_id, _version, is_deleted, distinct_id, score FROM TABLE_"), [
      ["a", "3", "true", null, null],
    ]);
  });

  test("a table that somebody dropped is loaded anew: its receipts count no more", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    const warnings: object[] = [];
    const open = () => fixture.open({}, { onWarning: (message, detail) => warnings.push({ message, ...detail }) });
    await using destination = open();
    for (const hour of [0, 1])
      await destination.load(await batches.batch(hours(hour), [replay(`s${hour}`, 1)]), signal);
    await fixture.select("DROP TABLE TABLE_");
    const covered = () => Array.fromAsync(destination.covered(EVERYTHING, signal));
    assert.deepEqual(await covered(), [], "all of it is due");
    await using next = open();
    const receipt = await next.load(await batches.batch(hours(1), [replay("s1", 1)]), signal);
    const { interval, readAt, watermark, committedAt } = receipt;
    assert.deepEqual(await covered(), [{ interval, readAt, watermark, committedAt }]);
    assert.deepEqual(await fixture.select("SELECT session_id FROM TABLE_"), [["s1"]]);
    assert.equal(warnings.length, 1);
    assert.partialDeepStrictEqual(warnings[0], { receipts: 2 });
  });

  test("a view in the table's place is refused before anything is loaded", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await fixture.select("CREATE VIEW TABLE_ AS SELECT 1 AS one");
    const batch = await batches.batch(hours(0), [replay("a", 1)]);
    const error = await rejectsWith("give-up", destination.load(batch, signal));
    assert.match(error.message, /sessions is of type VIEW/);
  });

  test("columns that are NOT NULL and would have to be left empty are named with the statement that mends them", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const { dataset, select } = fixture;
    // `mine` is the user's own, and distinct_id would be emptied by a deletion; the key and the version never are.
    await select(
      "CREATE TABLE TABLE_ (mine STRING NOT NULL, session_id STRING NOT NULL, distinct_id STRING NOT NULL, _version INT64 NOT NULL)",
    );
    const batch = await batches.batch(hours(0), [replay("a", 1)]);
    const error = await rejectsWith("give-up", destination.load(batch, signal));
    assert.match(error.message, /NOT NULL .*: mine, distinct_id$/);
    const table = `\`${PROJECT}.${dataset}.sessions\``;
    assert.equal(
      error.hint,
      `ALTER TABLE ${table} ALTER COLUMN \`mine\` DROP NOT NULL; ALTER TABLE ${table} ALTER COLUMN \`distinct_id\` DROP NOT NULL;`,
    );
    assert.deepEqual(await select("SELECT COUNT(*) FROM TABLE_"), [["0"]]);
  });

  test("options that do not fit the export are named before a table is made", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    for (const [options, message] of [
      [{ clusterBy: ["all_urls"] }, /`cluster_by` .*all_urls is ARRAY<STRING>/],
      [{ clusterBy: ["nothing"] }, /`cluster_by` .*there is no column nothing/],
      [{ partitionBy: { column: "score", granularity: "day" } }, /`partition_by` .*score is float64/],
      [{ jsonColumns: ["session_id"] }, /`json_columns` .*session_id is part of the key/],
    ] as const) {
      await using destination = fixture.healthy(options);
      const batch = await batches.batch(hours(0), [replay("a", 1)]);
      assert.match((await rejectsWith("give-up", destination.load(batch, signal))).message, message);
    }
    assert.deepEqual(await fixture.server.tables(fixture.dataset), ["_replayport_receipts"]);
  });
});

suite("bigquery: a table as the API describes it", () => {
  /** A dataset of one table, with these columns. */
  const contextOf = (fields: readonly SchemaField[]): BigQueryContext => {
    const options: BigQueryOptions = { type: "bigquery", project: "acme-data", dataset: "posthog", table: "sessions" };
    const table = (name: string) => Promise.resolve(name === "sessions" ? { schema: { fields } } : undefined);
    return {
      export: "replays",
      options,
      client: { table } as unknown as BigQueryContext["client"],
      place: { project: "acme-data", dataset: "posthog", table: "sessions" },
      ledger: "_replayport_receipts",
      ready: new Map(),
      now: () => new Date(),
      version: "1.2.3",
      onWarning: () => undefined,
    };
  };
  const rows = { columns: REPLAY_COLUMNS, key: ["team_id", "session_id"] };

  for (const [what, field, message] of [
    [
      "ids are compared without case",
      { name: "session_id", type: "STRING", collation: "und:ci" },
      /session_id is STRING COLLATE 'und:ci', the export needs STRING/,
    ],
    [
      "numbers are too short",
      { name: "_version", type: "NUMERIC", precision: "10" },
      /_version is NUMERIC\(10\), the export needs INT64/,
    ],
    [
      "numbers are too short before the point",
      { name: "_version", type: "BIGNUMERIC", precision: "20", scale: "2" },
      /_version is BIGNUMERIC\(20, 2\), the export needs INT64/,
    ],
  ] as const) {
    test(`a table whose ${what} is refused by a check`, async ({ signal }) => {
      const error = await rejectsWith("give-up", checkTarget(contextOf([field]), rows, signal));
      assert.equal(error.code, "warehouse.type_clash");
      assert.match(error.message, message);
    });
  }

  for (const field of [
    { name: "_version", type: "NUMERIC", precision: "19" },
    { name: "_version", type: "BIGNUMERIC", precision: "38", scale: "9" },
    { name: "first_url", type: "STRING", collation: "und:ci" },
    { name: "session_id", type: "STRING", collation: "" },
  ]) {
    test(`a table with the column ${JSON.stringify(field)} can be loaded into`, async ({ signal }) => {
      await checkTarget(contextOf([field]), rows, signal);
    });
  }

  test("a dataset that compares texts without case is refused, with the statement that ends it", async ({ signal }) => {
    const context = contextOf([]);
    const resource = () => Promise.resolve({ location: "EU", defaultCollation: "und:ci" });
    const location = () => Promise.resolve("EU");
    const client = { resource, location } as unknown as BigQueryContext["client"];
    const error = await rejectsWith("give-up", checkDataset({ ...context, client }, signal));
    assert.equal(error.code, "bigquery.collation");
    assert.match(error.hint ?? "", /ALTER SCHEMA `acme-data`\.`posthog` SET DEFAULT COLLATE '';/);
  });
});
