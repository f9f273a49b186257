/** What only a real Snowflake shows; skipped where nobody has one. See test/destinations/snowflake/account.ts. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflake, type SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import type { Destination } from "../../../destinations/destination.ts";
import type { Row } from "../../../destinations/snowflake/statement.ts";
import { EXPORT, hours } from "../../conformance/batches.ts";
import { TEST_DEPS } from "./harness.ts";
import { conformance } from "../../conformance/suite.ts";
import { EVERYTHING, rejectsWith } from "../../conformance/context.ts";
import { accountHarness, type SnowflakeAccount, snowflakeAccount } from "./account.ts";
import { SESSION_COLUMNS, column, type SessionBatches, sessionBatches, sessions } from "./batches.ts";

const found = snowflakeAccount();
const skip = "skip" in found ? found.skip : false;
const account = found as SnowflakeAccount;
/** Each statement crosses the internet, and a case may load several times. */
const CASE_MS = 600_000;
const SIGNAL = AbortSignal.timeout(1_800_000);
/** 2026-10-01T00:00:00.123456Z */
const MICROS = 1_790_812_800_123_456;

interface Fixture extends SessionBatches {
  readonly options: SnowflakeOptions;
  open(more?: Partial<SnowflakeOptions>): Destination;
  rows(columns: string): Promise<readonly Row[]>;
}

async function openFixture(): Promise<Fixture> {
  const schema = await account.schema();
  const batches = await sessionBatches();
  const options = account.options(schema);
  return {
    folder: batches.folder,
    batch: (of) => batches.batch(of),
    options,
    open: (more = {}) => openSnowflake({ ...options, ...more }, { export: EXPORT }, TEST_DEPS),
    rows: (columns) => account.sql(`SELECT ${columns} FROM "${account.database}"."${schema}"."SESSIONS" ORDER BY 1`),
    async [Symbol.asyncDispose]() {
      await batches[Symbol.asyncDispose]();
      await account.dropSchema(schema);
    },
  };
}

suite("Snowflake, a real account", { skip, timeout: 7_200_000 }, () => {
  conformance("snowflake, a real account", accountHarness, CASE_MS);

  test("check passes", async () => {
    await using fixture = await openFixture();
    await fixture.open().check(SIGNAL);
  });

  for (const [format, extension] of [
    ["parquet", ".parquet"],
    ["jsonl", ".jsonl.zst"],
    ["jsonl", ".jsonl.gz"],
    ["csv", ".csv.zst"],
    ["csv", ".csv.gz"],
  ] as const) {
    test(`${extension}: times to the microsecond, lists as ARRAY, NULLs`, async () => {
      await using fixture = await openFixture();
      const columns = [...SESSION_COLUMNS, column("moments", "timestamp[]")];
      const row = sessions({ session: "a", version: 1, start: "2026-10-01 00:00:00.123456" });
      const all = `SELECT * REPLACE (NULL::BIGINT AS clicks), [start_time] AS moments FROM (${row})`;
      const receipt = await fixture
        .open()
        .load(await fixture.batch({ columns, files: [all], format, extension }), SIGNAL);
      assert.equal(receipt.rows, 1);
      const [seen] = await fixture.rows(
        `DATE_PART(EPOCH_MICROSECOND, "START_TIME") AS "US", "CLICKS", TYPEOF("ALL_URLS"::VARIANT) AS "KIND",
        TO_JSON("ALL_URLS") AS "URLS", TO_JSON("MOMENTS") AS "MOMENTS", "SCORE", "IS_DELETED"`,
      );
      assert.deepEqual(seen, {
        US: MICROS,
        CLICKS: null,
        KIND: "ARRAY",
        URLS: '["https://acme.test/","a"]',
        MOMENTS: '["2026-10-01T00:00:00.123456Z"]',
        SCORE: 0.5,
        IS_DELETED: false,
      });
    });
  }

  test("statements carry the query tag, and the MERGE is among them", async () => {
    await using fixture = await openFixture();
    const batch = await fixture.batch({ of: hours(2), files: [sessions({ session: "a", version: 1 })] });
    await fixture.open({ queryTag: "replayport-tests" }).load(batch, SIGNAL);
    const rows = await account.sql(
      `SELECT "QUERY_TAG" AS "TAG" FROM TABLE("${account.database}"."INFORMATION_SCHEMA".QUERY_HISTORY_BY_USER(RESULT_LIMIT => 200))
      WHERE "QUERY_TEXT" LIKE 'MERGE%${batch.attempt.toUpperCase()}%'`,
    );
    const tags = rows.map((row) => JSON.parse(String(row["TAG"])) as Record<string, unknown>);
    assert.deepEqual(tags, [
      {
        app: "replayport",
        export: EXPORT,
        interval: "20261001T020000Z_20261001T030000Z",
        doing: "load",
        tag: "replayport-tests",
      },
    ]);
  });

  test("a role without grants is told which it lacks", async () => {
    await using fixture = await openFixture();
    const error = await rejectsWith("give-up", fixture.open({ role: "PUBLIC" }).check(SIGNAL));
    assert.ok(["snowflake.missing", "snowflake.access_denied", "snowflake.warehouse"].includes(error.code), error.code);
    assert.match(error.hint ?? "", /GRANT (?:USAGE|CREATE TABLE) ON .* TO ROLE "PUBLIC";/);
  });

  test("a statement that outlives its limit ends in Snowflake, and with a word", async () => {
    await using fixture = await openFixture();
    await using session = await sessionOpener({ ...fixture.options, statementTimeoutMs: 2000 })(
      { export: EXPORT, doing: "check" },
      SIGNAL,
    );
    const wait = { sql: "SELECT SYSTEM$WAIT(30)", doing: "waiting", grants: [] };
    const error = await rejectsWith("retry", session.execute(wait, SIGNAL));
    assert.ok(["snowflake.timeout", "snowflake.no_answer", "snowflake.cancelled"].includes(error.code), error.code);
  });

  test("an abort cancels the statement in Snowflake", async () => {
    await using fixture = await openFixture();
    const mark = `-- ${Date.now()}`;
    await using session = await sessionOpener(fixture.options)({ export: EXPORT, doing: "check" }, SIGNAL);
    const abort = AbortSignal.timeout(3000);
    const wait = { sql: `SELECT SYSTEM$WAIT(60) ${mark}`, doing: "waiting", grants: [] };
    await assert.rejects(session.execute(wait, abort), (error) => error === abort.reason);
    // The session answers again only when it is over.
    await session.execute({ sql: "SELECT 1", doing: "asking", grants: [] }, SIGNAL);
    const [seen] = await account.sql(
      `SELECT "EXECUTION_STATUS" AS "STATUS", "ERROR_CODE" AS "CODE"
      FROM TABLE("${account.database}"."INFORMATION_SCHEMA".QUERY_HISTORY_BY_USER(RESULT_LIMIT => 200))
      WHERE "QUERY_TEXT" LIKE 'SELECT SYSTEM$WAIT(60) ${mark}'`,
    );
    assert.match(JSON.stringify(seen), /FAIL|604/);
  });

  test("ids that differ in case only are two sessions, whatever the schema's collation is", async () => {
    await using fixture = await openFixture();
    const { database, schema } = fixture.options;
    await account.sql(`ALTER SCHEMA "${database}"."${schema}" SET DEFAULT_DDL_COLLATION = 'en-ci'`);
    const files = [sessions({ session: "a", version: 1 }, { session: "A", version: 1 })];
    await fixture.open().load(await fixture.batch({ files }), SIGNAL);
    assert.equal((await fixture.rows('"SESSION_ID"')).length, 2);
  });

  test("of two loads that bring the same new session at once, it is there once", async () => {
    await using fixture = await openFixture();
    await fixture.open().load(await fixture.batch({ of: hours(9), files: [] }), SIGNAL);
    const files = [sessions({ session: "a", version: 1 })];
    const loads = [hours(0), hours(1), hours(2)].map(async (of) =>
      fixture.open().load(await fixture.batch({ of, files }), SIGNAL),
    );
    await Promise.all(loads);
    assert.equal((await fixture.rows('"SESSION_ID"')).length, 1);
    assert.equal((await Array.fromAsync(fixture.open().receipts(EVERYTHING, SIGNAL))).length, 4);
  });
});
