/** What `check` finds, and what it tells to do about it. The layer knows no privileges: refusals are injected. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import { EXPORT } from "../../conformance/batches.ts";
import { leftovers, TEST_DEPS } from "./harness.ts";
import { rejectsWith } from "../../conformance/context.ts";
import { DATABASE } from "./emulator.ts";
import { sessions } from "./batches.ts";
import { openFixture, server, SIGNAL, skip } from "./fixture.ts";

const REFUSED = { code: "003001", message: "SQL access control error: Insufficient privileges", times: 1 } as const;

suite("Snowflake: check", { skip, timeout: 300_000 }, () => {
  for (const { needs, at, options = {} } of [
    { needs: "CREATE TABLE ON SCHEMA {schema}", at: "^CREATE TABLE" },
    { needs: 'READ, WRITE ON STAGE {schema}."FILES"', at: "^PUT", options: { stage: "files" } },
    { needs: 'READ, WRITE ON STAGE {schema}."FILES"', at: "^REMOVE", options: { stage: "files" } },
    { needs: "USAGE ON SCHEMA {schema}", at: "^CREATE OR REPLACE TEMPORARY" },
  ] as const) {
    test(`names ${needs} where ${at} is refused, and leaves nothing`, async () => {
      await using fixture = await openFixture();
      const { files } = await server.objects(fixture.schema);
      await server.inject({ match: at, ...REFUSED });
      const error = await rejectsWith("give-up", fixture.open(options).check(SIGNAL));
      assert.equal(error.code, "snowflake.access_denied");
      const schema = `"${DATABASE}"."${fixture.schema}"`;
      assert.ok(error.hint?.includes(`GRANT ${needs.replace("{schema}", schema)} TO ROLE "REPLAYPORT";`), error.hint);
      assert.deepEqual(await leftovers(server, fixture.schema, files), []);
      assert.equal(await server.openSessions(), 0);
    });
  }

  for (const [table, privileges] of [
    ["SESSIONS", ["SELECT", "INSERT", "UPDATE", "DELETE"]],
    ["_REPLAYPORT_RECEIPTS", ["SELECT", "INSERT"]],
    ["_REPLAYPORT_LOCK_SESSIONS", ["SELECT", "INSERT", "UPDATE"]],
  ] as const) {
    test(`names each privilege that is missing on ${table}, which is there already`, async () => {
      await using fixture = await openFixture();
      await fixture.open().load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
      const path = `"${DATABASE}"."${fixture.schema}"."${table}"`;
      for (const privilege of privileges) {
        await server.inject({ match: `^${privilege} .*"${table}".* WHERE FALSE`, ...REFUSED });
        const error = await rejectsWith("give-up", fixture.open().check(SIGNAL));
        assert.match(error.message, new RegExp(`trying ${privilege} on ${path} failed`));
        assert.equal(error.hint, `GRANT ${privilege} ON TABLE ${path} TO ROLE "REPLAYPORT";`);
      }
      assert.equal((await fixture.rows("SESSIONS")).length, 1);
    });
  }

  test("says that database and schema are to be granted, or are not there", async () => {
    await using fixture = await openFixture();
    const error = await rejectsWith("give-up", fixture.open({ schema: "nowhere" }).check(SIGNAL));
    assert.equal(error.code, "snowflake.missing");
    const hint = error.hint ?? "";
    assert.ok(hint.includes(`GRANT USAGE ON DATABASE "${DATABASE}" TO ROLE "REPLAYPORT";`), hint);
    assert.ok(hint.includes(`GRANT USAGE ON SCHEMA "${DATABASE}"."NOWHERE" TO ROLE "REPLAYPORT";`), hint);
  });

  test("says so where an account reads times in another way than documented", async () => {
    await using fixture = await openFixture();
    const open = sessionOpener(fixture.options);
    const destination = openSnowflakeOn(
      async (purpose, signal) => {
        const session = await open(purpose, signal);
        return {
          async execute(statement, inner) {
            const rows = await session.execute(statement, inner);
            return statement.doing === "reading back what was loaded"
              ? rows.map((row) => ({ ...row, START_US: Number(row["START_US"]) * 1000 }))
              : rows;
          },
          [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
        };
      },
      fixture.options,
      { export: EXPORT },
      TEST_DEPS,
    );
    const error = await rejectsWith("give-up", destination.check(SIGNAL));
    assert.equal(error.code, "warehouse.read_back");
    assert.deepEqual((await server.objects(fixture.schema)).tables, []);
  });

  test("goes through where a load works already, and touches nothing", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    const before = await fixture.rows("_REPLAYPORT_LOCK_SESSIONS");
    await destination.check(SIGNAL);
    assert.deepEqual(await fixture.rows("_REPLAYPORT_LOCK_SESSIONS"), before);
  });
});
