/** What a load does to the tables, on fakesnow behind the layer of the tests. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { hours } from "../../conformance/batches.ts";
import { rejectsWith } from "../../conformance/context.ts";
import { DATABASE } from "./emulator.ts";
import { column, SESSION_COLUMNS, sessions } from "./batches.ts";
import { openFixture, server, SIGNAL, skip } from "./fixture.ts";

suite("Snowflake: tables", { skip }, () => {
  test("the target is made from the model, in upper case, with only the key and the version required", async () => {
    await using fixture = await openFixture();
    await fixture.open().load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    const described = await fixture.sql(`DESCRIBE TABLE "${DATABASE}"."${fixture.schema}"."SESSIONS"`);
    assert.deepEqual(
      described.map((row) => [row["name"], row["type"], row["null?"]]),
      [
        ["TEAM_ID", "NUMBER(38,0)", "N"],
        ["SESSION_ID", "VARCHAR(16777216)", "N"],
        ["START_TIME", "TIMESTAMP_NTZ(9)", "Y"],
        ["END_TIME", "TIMESTAMP_NTZ(9)", "Y"],
        ["FIRST_URL", "VARCHAR(16777216)", "Y"],
        // fakesnow keeps lists as JSON and shows them so; the golden file has what Snowflake is told.
        ["ALL_URLS", "VARIANT", "Y"],
        ["CLICKS", "NUMBER(38,0)", "Y"],
        ["SCORE", "FLOAT", "Y"],
        ["IS_DELETED", "BOOLEAN", "Y"],
        ["_VERSION", "NUMBER(38,0)", "N"],
        ["_EXPORTED_AT", "TIMESTAMP_NTZ(9)", "Y"],
      ],
    );
  });

  test("a second load makes and alters nothing", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    await server.clearLog();
    await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 2 })] }), SIGNAL);
    const ddl = (await fixture.sent()).filter(
      (sql) => /^(CREATE|ALTER TABLE|DROP)/.test(sql) && !sql.includes("STAGING"),
    );
    assert.deepEqual(ddl, []);
  });

  test("a column that the model gained is added; rows from before are found although they lack it", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    const old = SESSION_COLUMNS.filter(({ name }) => !["clicks", "start_time", "_exported_at"].includes(name));
    const without = (sql: string): string => `SELECT * EXCLUDE (clicks, start_time, _exported_at) FROM (${sql})`;
    const first = sessions({ session: "a", version: 1 }, { session: "b", version: 1 });
    await destination.load(await fixture.batch({ columns: old, files: [without(first)] }), SIGNAL);
    await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 2, clicks: 7 })] }), SIGNAL);
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION", "CLICKS"'), [
      { SESSION_ID: "a", _VERSION: 2, CLICKS: 7 },
      { SESSION_ID: "b", _VERSION: 1, CLICKS: null },
    ]);
  });

  test("an earlier version's receipts lack columns, which are added before the first of them is read", async () => {
    await using fixture = await openFixture();
    const batch = await fixture.batch({ files: [sessions({ session: "a", version: 1 })] });
    const receipt = await fixture.open().load(batch, SIGNAL);
    const ledger = `"${DATABASE}"."${fixture.schema}"."_REPLAYPORT_RECEIPTS"`;
    const described = await fixture.sql(`DESCRIBE TABLE ${ledger}`);
    for (const gone of ["WATERMARK", "SOURCE_COLUMNS"]) {
      await fixture.sql(`ALTER TABLE ${ledger} DROP COLUMN "${gone}"`);
    }
    const found = await Array.fromAsync(fixture.open().receipts(batch.interval, SIGNAL));
    assert.deepEqual(found, [{ ...receipt, watermark: undefined, sourceColumns: undefined }]);
    const names = (rows: typeof described): Set<unknown> => new Set(rows.map((row) => row["name"]));
    assert.deepEqual(names(await fixture.sql(`DESCRIBE TABLE ${ledger}`)), names(described));
  });

  test("a column under another type is an error that shows both, and nothing is changed", async () => {
    await using fixture = await openFixture();
    await fixture.sql(
      `CREATE TABLE "${DATABASE}"."${fixture.schema}"."SESSIONS" ("TEAM_ID" VARCHAR, "SESSION_ID" VARCHAR, "CLICKS" BOOLEAN)`,
    );
    const batch = await fixture.batch({ files: [sessions({ session: "a", version: 1 })] });
    const error = await rejectsWith("give-up", fixture.open().load(batch, SIGNAL));
    assert.equal(error.code, "warehouse.type_clash");
    assert.match(error.message, /team_id is VARCHAR.*needs NUMBER\(38, 0\).*clicks is BOOLEAN/);
    assert.deepEqual(await fixture.rows("SESSIONS", "*"), []);
  });

  test("a NOT NULL column that a load would leave empty is named before anything is staged, and by a check", async () => {
    await using fixture = await openFixture();
    const path = `"${DATABASE}"."${fixture.schema}"."SESSIONS"`;
    await fixture.sql(
      `CREATE TABLE ${path} ("TEAM_ID" NUMBER(38, 0) NOT NULL, "SESSION_ID" VARCHAR NOT NULL, "MINE" VARCHAR NOT NULL, "FIRST_URL" VARCHAR NOT NULL)`,
    );
    const rows = { columns: SESSION_COLUMNS, key: ["team_id", "session_id"] };
    const batch = await fixture.batch({ files: [sessions({ session: "a", version: 1 })] });
    for (const work of [() => fixture.open().checkRows?.(rows, SIGNAL), () => fixture.open().load(batch, SIGNAL)]) {
      const error = await rejectsWith("give-up", work() ?? Promise.resolve());
      assert.equal(error.code, "snowflake.not_null");
      assert.match(error.message, /empty: MINE, FIRST_URL$/);
      assert.equal(
        error.hint,
        `ALTER TABLE ${path} ALTER COLUMN "MINE" DROP NOT NULL; ALTER TABLE ${path} ALTER COLUMN "FIRST_URL" DROP NOT NULL;`,
      );
    }
    assert.ok(!(await fixture.sent()).some((sql) => sql.startsWith("PUT")));
  });

  test("a user's own columns, spelling and defaults survive", async () => {
    await using fixture = await openFixture();
    const table = `"${DATABASE}"."${fixture.schema}"."SESSIONS"`;
    await fixture.sql(
      `CREATE TABLE ${table} ("TEAM_ID" NUMBER(38, 0), "SESSION_ID" VARCHAR, "Note" VARCHAR, "clicks" NUMBER(38, 0), "_VERSION" NUMBER(38, 0))`,
      `INSERT INTO ${table} ("TEAM_ID", "SESSION_ID", "Note", "clicks", "_VERSION") VALUES (1, 'a', 'mine', 0, 1)`,
    );
    await fixture.open().load(
      await fixture.batch({
        files: [sessions({ session: "a", version: 2 }, { session: "b", version: 1, clicks: 4 })],
      }),
      SIGNAL,
    );
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "Note", "clicks", "_VERSION"'), [
      { SESSION_ID: "a", Note: "mine", clicks: 2, _VERSION: 2 },
      { SESSION_ID: "b", Note: null, clicks: 4, _VERSION: 1 },
    ]);
  });

  test("names are folded as SQL folds them, and kept in double quotes", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open({ table: '"Mixed ""Case"""' });
    assert.ok(destination.name.endsWith(`"${DATABASE}"."${fixture.schema}"."Mixed ""Case"""`), destination.name);
    const loaded = fixture.open({ table: '"Mixed"', schema: fixture.schema.toLowerCase() });
    await loaded.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    assert.equal((await fixture.rows("Mixed", '"SESSION_ID"  AS "S", 1')).length, 1);
  });

  test("the ledger is asked once for covered(), and by one session that is closed", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    assert.deepEqual(await Array.fromAsync(destination.covered(hours(-1, 5), SIGNAL)), []);
    await destination.load(await fixture.batch({ files: [] }), SIGNAL);
    await server.clearLog();
    assert.equal((await Array.fromAsync(destination.covered(hours(-1, 5), SIGNAL))).length, 1);
    const sent = await fixture.sent();
    assert.deepEqual(
      sent.map((sql) => sql.split(" ")[0]),
      ["ALTER", "DESCRIBE", "SELECT", "DESCRIBE"],
    );
    assert.equal(await server.openSessions(), 0);
  });

  test("a model without a version: the later load wins", async () => {
    await using fixture = await openFixture();
    const columns = [column("team_id", "int64"), column("day", "string"), column("sum", "int64", { nullable: true })];
    const destination = fixture.open({ table: "by_day" });
    const load = async (sum: number): Promise<unknown> =>
      destination.load(
        await fixture.batch({
          columns,
          key: ["team_id", "day"],
          files: [`SELECT 1::BIGINT AS team_id, '2026-10-01' AS day, ${sum}::BIGINT AS sum`],
        }),
        SIGNAL,
      );
    await load(1);
    await load(2);
    assert.deepEqual(await fixture.rows("BY_DAY"), [{ TEAM_ID: 1, DAY: "2026-10-01", SUM: 2 }]);
  });

  test("a target that is gone, or not to be seen, is an error that knows both, and no receipt is forgotten", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    await fixture.sql(`DROP TABLE "${DATABASE}"."${fixture.schema}"."SESSIONS"`);
    const again = await fixture.batch({ of: hours(1), files: [sessions({ session: "b", version: 1 })] });
    const loading = (): Promise<unknown> => destination.load(again, SIGNAL);
    const asking = (): Promise<unknown> => Array.fromAsync(destination.covered(hours(-1, 5), SIGNAL));
    for (const work of [loading, asking]) {
      const error = await rejectsWith("give-up", work());
      assert.equal(error.code, "snowflake.target_gone");
      assert.match(
        error.hint ?? "",
        /DELETE FROM .*_RECEIPTS" WHERE "TARGET_TABLE" = 'SESSIONS';.*GRANT SELECT, INSERT/,
      );
    }
    assert.equal((await fixture.rows("_REPLAYPORT_RECEIPTS")).length, 1);
    const [statement = ""] = /DELETE FROM [^;]*/.exec((await rejectsWith("give-up", loading())).hint ?? "") ?? [];
    await fixture.sql(statement);
    assert.deepEqual(await Array.fromAsync(destination.covered(hours(-1, 5), SIGNAL)), []);
    await destination.load(again, SIGNAL);
    assert.equal((await fixture.rows("SESSIONS")).length, 1);
  });
});
