/**
 * Loads of one target at the same time. The layer lets a MERGE that waits see what was there before it waited, which is the
 * worst that READ COMMITTED allows; and it rolls back a transaction that is idle and blocks another one after 0.7 s, where
 * Snowflake takes 5 minutes.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import type { OpenSession } from "../../../destinations/snowflake/statement.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { hours } from "../../conformance/batches.ts";
import { TEST_DEPS } from "./harness.ts";
import { EVERYTHING, rejectsWith } from "../../conformance/context.ts";
import { sessions } from "./batches.ts";
import { openHooked, openFixture, server, SIGNAL, skip, told } from "./fixture.ts";

/** Holds a load in its transaction. */
const BEFORE_MERGE = { match: "^MERGE", times: 1, kind: "hold" } as const;
const BEFORE_RECEIPT = { match: "^INSERT INTO .*_REPLAYPORT_RECEIPTS", times: 1, kind: "hold" } as const;

interface Signal {
  readonly given: Promise<void>;
  readonly give: () => void;
}

function signal(): Signal {
  let give = (): void => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give: () => give() };
}

suite("Snowflake: loads at the same time", { skip, timeout: 300_000 }, () => {
  test("of two intervals that bring the same new session leave it once, in its newer version", async () => {
    await using fixture = await openFixture();
    const [one, two] = [
      await fixture.batch({ of: hours(0), files: [sessions({ session: "a", version: 2 })] }),
      await fixture.batch({
        of: hours(1),
        files: [sessions({ session: "a", version: 1 }, { session: "b", version: 1 })],
      }),
    ];
    await fixture.open().load(await fixture.batch({ of: hours(5), files: [] }), SIGNAL);
    await server.inject(BEFORE_RECEIPT);
    const first = fixture.open().load(one, SIGNAL);
    await told(new RegExp(`INSERT INTO .*RECEIPTS[^]*${one.attempt}`));
    const second = fixture.open().load(two, SIGNAL);
    await told(new RegExp(`UPDATE .*LOCK_SESSIONS"\n.*${two.attempt}`));
    await server.inject();
    await Promise.all([first, second]);
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [
      { SESSION_ID: "a", _VERSION: 2 },
      { SESSION_ID: "b", _VERSION: 1 },
    ]);
  });

  test("of two targets do not wait for each other", async () => {
    await using fixture = await openFixture();
    const batch = await fixture.batch({ files: [sessions({ session: "a", version: 1 })] });
    const other = fixture.open({ table: "other" });
    await other.load(await fixture.batch({ files: [] }), SIGNAL);
    await server.inject(BEFORE_MERGE);
    const held = fixture.open().load(batch, SIGNAL);
    await told(/^MERGE/);
    await other.load(await fixture.batch({ files: [sessions({ session: "b", version: 1 })] }), SIGNAL);
    assert.equal((await fixture.rows("SESSIONS")).length, 0);
    await server.inject();
    await held;
    assert.equal((await fixture.rows("SESSIONS")).length, 1);
  });

  for (const [name, statement] of [
    ["looks at the ledger", /^SELECT COUNT\(\*\) AS "RECEIPTS"/],
    ["merges", /^MERGE/],
    ["writes the receipt", /^INSERT INTO .*_REPLAYPORT_RECEIPTS/],
    ["commits", /^COMMIT/],
  ] as const) {
    test(`a worker that sleeps in its transaction before it ${name} changes nothing when it wakes`, async () => {
      await using fixture = await openFixture();
      await fixture
        .open()
        .load(await fixture.batch({ of: hours(0), files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
      const [slept, woken] = [signal(), signal()];
      let locked = false;
      const sleeper = openHooked(fixture.options, {
        async before({ sql }) {
          if (locked && statement.test(sql)) {
            locked = false;
            slept.give();
            await woken.given;
          }
          locked ||= sql.startsWith("UPDATE");
        },
      });
      const files = [sessions({ session: "a", version: 9 }, { session: "ghost", version: 9 })];
      const sleeping = sleeper.load(await fixture.batch({ of: hours(0, 2), files }), SIGNAL);
      sleeping.catch(() => undefined);
      await Promise.race([slept.given, sleeping]);
      await fixture
        .open()
        .load(await fixture.batch({ of: hours(1), files: [sessions({ session: "b", version: 1 })] }), SIGNAL);
      woken.give();
      await rejectsWith("retry", sleeping);
      assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [
        { SESSION_ID: "a", _VERSION: 1 },
        { SESSION_ID: "b", _VERSION: 1 },
      ]);
      const covered = await Array.fromAsync(fixture.open().covered(EVERYTHING, SIGNAL));
      assert.deepEqual(
        covered.map(({ interval }) => intervalName(interval)),
        [intervalName(hours(0)), intervalName(hours(1))],
      );
    });
  }

  test("a session that is behind what others have committed does not decide who wins", async () => {
    await using fixture = await openFixture();
    await fixture.open().load(await fixture.batch({ of: hours(5), files: [] }), SIGNAL);
    const early = await fixture.batch({ files: [sessions({ session: "a", version: 2 })] });
    const late = await fixture.batch({ files: [sessions({ session: "a", version: 1 })] });
    const open = sessionOpener(fixture.options);
    let overtaken = false;
    const behind: OpenSession = async (purpose, outer) => {
      const session = await open(purpose, outer);
      return {
        async execute(statement, inner) {
          if (statement.sql.startsWith("BEGIN")) {
            await fixture.open().load(early, SIGNAL);
            overtaken = true;
          }
          const rows = await session.execute(statement, inner);
          const isStale = overtaken && purpose.doing === "load" && statement.sql.includes('AS "RECEIPTS"');
          return isStale ? rows.map((row) => ({ ...row, RECEIPTS: 0, ATTEMPT: null, READ_US: null })) : rows;
        },
        [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
      };
    };
    const destination = openSnowflakeOn(behind, fixture.options, { export: late.export }, TEST_DEPS);
    const error = await rejectsWith("retry", destination.load(late, SIGNAL));
    assert.equal(error.code, "load.lost_race");
    const [receipt] = await Array.fromAsync(fixture.open().receipts(hours(0), SIGNAL));
    assert.equal(receipt?.attempt, early.attempt);
  });

  test("a load whose session began before another's commit merges in one that began after it, and uploads nothing again", async () => {
    await using fixture = await openFixture();
    await fixture.open().load(await fixture.batch({ of: hours(5), files: [] }), SIGNAL);
    const other = await fixture.batch({ of: hours(0), files: [sessions({ session: "a", version: 1 })] });
    const batch = await fixture.batch({ of: hours(1), files: [sessions({ session: "a", version: 2 })] });
    const open = sessionOpener(fixture.options);
    const steps: string[] = [];
    let opened = 0;
    let overtaken = false;
    const numbered: OpenSession = async (purpose, outer) => {
      const number = (opened += 1);
      steps.push(`${number} opens${overtaken ? " later" : ""}`);
      const session = await open(purpose, outer);
      return {
        async execute(statement, inner) {
          const verb = statement.sql.split(" ")[0] ?? "";
          if (["PUT", "MERGE", "COMMIT", "ROLLBACK"].includes(verb)) steps.push(`${number} ${verb}`);
          if (verb === "BEGIN" && !overtaken) {
            await fixture.open().load(other, SIGNAL);
            overtaken = true;
          }
          return await session.execute(statement, inner);
        },
        [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
      };
    };
    const receipt = await openSnowflakeOn(numbered, fixture.options, { export: batch.export }, TEST_DEPS).load(
      batch,
      SIGNAL,
    );
    assert.deepEqual(steps, [
      "1 opens",
      "1 PUT",
      "2 opens later",
      "1 ROLLBACK",
      "3 opens later",
      "3 MERGE",
      "3 COMMIT",
    ]);
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [{ SESSION_ID: "a", _VERSION: 2 }]);
    const found = await Array.fromAsync(fixture.open().receipts(hours(1), SIGNAL));
    assert.deepEqual(found, [receipt]);
  });

  test("a load that is turned away by the lock asks for it again, and uploads nothing again", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    await destination.load(await fixture.batch({ of: hours(5), files: [] }), SIGNAL);
    await server.clearLog();
    const message =
      "Your statement was aborted because the number of waiters for this lock exceeds the 20 statements limit.";
    await server.inject({ match: "^UPDATE .*LOCK_SESSIONS", code: "000625", message, times: 3 });
    await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    const sent = await fixture.sent();
    assert.equal(sent.filter((sql) => sql.startsWith("PUT")).length, 1);
    assert.equal(sent.filter((sql) => sql.startsWith("UPDATE")).length, 4);
    assert.equal(sent.filter((sql) => sql.startsWith("MERGE")).length, 1);
    assert.equal((await fixture.rows("SESSIONS")).length, 1);
    assert.equal(await server.openSessions(), 0);
  });

  test("commits of one table have times that only grow, whatever the workers' clocks say", async () => {
    await using fixture = await openFixture();
    const ahead = fixture.open({}, { now: () => new Date(Date.now() + 300_000) });
    const one = await ahead.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
    const again = await fixture.batch({ files: [sessions({ session: "a", version: 2 })] });
    const two = await fixture.open().load(again, SIGNAL);
    assert.equal(two.committedAt.getTime(), one.committedAt.getTime() + 1);
    assert.deepEqual(await Array.fromAsync(fixture.open().receipts(hours(0), SIGNAL)), [two]);
    assert.equal((await fixture.rows("_REPLAYPORT_RECEIPTS")).length, 2);
  });
});
