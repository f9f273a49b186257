/** Which rows a reader sees after loads of every kind: formats, times, deletions, versions, starts that move. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import type { OpenSession } from "../../../destinations/snowflake/statement.ts";
import { EXPORT, hours } from "../../conformance/batches.ts";
import { rejectsWith } from "../../conformance/context.ts";
import { TEST_DEPS } from "./harness.ts";
import { DATABASE } from "./emulator.ts";
import { column, SESSION_COLUMNS, sessions } from "./batches.ts";
import { openFixture, server, SIGNAL, skip } from "./fixture.ts";

const MICROS = 'DATE_PART(EPOCH_MICROSECOND, "START_TIME") AS "US"';
/** 2026-10-01T00:00:00.123456Z */
const WANTED_US = 1_790_812_800_123_456;

suite("Snowflake: rows", { skip }, () => {
  for (const [format, extension] of [
    ["parquet", ".parquet"],
    ["jsonl", ".jsonl.gz"],
    ["jsonl", ".jsonl.zst"],
    ["jsonl", ".jsonl"],
    ["csv", ".csv.gz"],
    ["csv", ".csv.zst"],
    ["csv", ".csv"],
  ] as const) {
    test(`${extension}: times to the microsecond, lists, NULLs and odd texts, in an account that is not in UTC`, async () => {
      await using fixture = await openFixture();
      const row = sessions({ session: "a", version: 1, start: "2026-10-01 00:00:00.123456" });
      const odd = sessions({ session: "b", version: 1 });
      const all = `SELECT * REPLACE (CASE session_id WHEN 'a' THEN 'say "hi", it''s\n\\here' END AS first_url, CASE session_id WHEN 'a' THEN clicks END AS clicks) FROM (${row} UNION ALL ${odd})`;
      const receipt = await fixture.open().load(await fixture.batch({ files: [all], format, extension }), SIGNAL);
      assert.equal(receipt.rows, 2);
      const rows = await fixture.rows(
        "SESSIONS",
        `"SESSION_ID", ${MICROS}, "FIRST_URL", "ALL_URLS", "CLICKS", "SCORE", "IS_DELETED"`,
      );
      assert.deepEqual(
        rows.map((seen) => ({ ...seen, ALL_URLS: JSON.parse(String(seen["ALL_URLS"])) as unknown })),
        [
          {
            SESSION_ID: "a",
            US: WANTED_US,
            FIRST_URL: 'say "hi", it\'s\n\\here',
            ALL_URLS: ["https://acme.test/", "a"],
            CLICKS: 1,
            SCORE: 0.5,
            IS_DELETED: false,
          },
          {
            SESSION_ID: "b",
            US: WANTED_US - 123_456,
            FIRST_URL: null,
            ALL_URLS: ["https://acme.test/", "b"],
            CLICKS: null,
            SCORE: 0.5,
            IS_DELETED: false,
          },
        ],
      );
    });
  }

  test("files that Snowflake cannot read are refused before anything is asked", async () => {
    await using fixture = await openFixture();
    const batch = await fixture.batch({ files: [] });
    const error = await rejectsWith(
      "give-up",
      fixture.open().load({ ...batch, format: "csv", extension: ".csv.lz4" }, SIGNAL),
    );
    assert.equal(error.code, "snowflake.compression");
    assert.match(error.hint ?? "", /zstd, gzip, brotli or none/);
    assert.deepEqual(await server.log(), []);
  });

  test("a tombstone keeps the row and empties what is personal, but for the key", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    await destination.load(
      await fixture.batch({ files: [sessions({ session: "a", version: 1 }, { session: "b", version: 1 })] }),
      SIGNAL,
    );
    await destination.load(
      await fixture.batch({
        files: [sessions({ session: "a", version: 2, deleted: true }, { session: "new", version: 1, deleted: true })],
      }),
      SIGNAL,
    );
    const columns = '"SESSION_ID", "_VERSION", "IS_DELETED", "FIRST_URL", "ALL_URLS", "CLICKS"';
    assert.deepEqual(await fixture.rows("SESSIONS", columns), [
      { SESSION_ID: "a", _VERSION: 2, IS_DELETED: true, FIRST_URL: null, ALL_URLS: null, CLICKS: 2 },
      {
        SESSION_ID: "b",
        _VERSION: 1,
        IS_DELETED: false,
        FIRST_URL: "https://acme.test/b",
        ALL_URLS: '["https://acme.test/","b"]',
        CLICKS: 1,
      },
      { SESSION_ID: "new", _VERSION: 1, IS_DELETED: true, FIRST_URL: null, ALL_URLS: null, CLICKS: 1 },
    ]);
  });

  test("on_delete: delete removes the row, adds none, and leaves one of a newer version", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open({ onDelete: "delete" });
    await destination.load(
      await fixture.batch({ files: [sessions({ session: "a", version: 1 }, { session: "b", version: 5 })] }),
      SIGNAL,
    );
    const gone = ["a", "b", "new"].map((session) => ({ session, version: 2, deleted: true }));
    const receipt = await destination.load(await fixture.batch({ files: [sessions(...gone)] }), SIGNAL);
    assert.equal(receipt.rows, 3);
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [{ SESSION_ID: "b", _VERSION: 5 }]);
  });

  test("of duplicates inside a batch the highest version is taken, of one version the last read", async () => {
    await using fixture = await openFixture();
    const rows = sessions(
      { session: "a", version: 1, clicks: 1 },
      { session: "a", version: 3, clicks: 3 },
      { session: "a", version: 2, clicks: 2 },
      { session: "b", version: 1, clicks: 10, exported: "2026-10-02 00:00:01" },
      { session: "b", version: 1, clicks: 11, exported: "2026-10-02 00:00:02" },
    );
    const receipt = await fixture.open().load(await fixture.batch({ files: [rows, rows] }), SIGNAL);
    assert.equal(receipt.rows, 10);
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "CLICKS"'), [
      { SESSION_ID: "a", CLICKS: 3 },
      { SESSION_ID: "b", CLICKS: 11 },
    ]);
  });

  test("a reload does not put back a row of the same version that was read later", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    const load = async (clicks: number, exported: string): Promise<unknown> =>
      destination.load(
        await fixture.batch({ files: [sessions({ session: "a", version: 1, clicks, exported })] }),
        SIGNAL,
      );
    await load(1, "2026-10-02 00:00:05");
    await load(2, "2026-10-02 00:00:09");
    await load(3, "2026-10-02 00:00:07");
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "CLICKS"'), [{ SESSION_ID: "a", CLICKS: 2 }]);
  });

  suite("a start that moved", () => {
    const cases = [
      {
        name: "to an earlier day: the old start lies between the new start and end",
        first: "2026-10-05",
        later: "2026-09-20",
        newer: true,
      },
      {
        name: "and an old batch comes late: the target's start lies long before",
        first: "2026-09-01",
        later: "2026-10-05",
        newer: false,
      },
      {
        name: "to a later hour, since the source dropped the first rows",
        first: "2026-10-04",
        later: "2026-10-05",
        newer: true,
      },
    ] as const;
    for (const { name, first, later, newer } of cases) {
      test(name, async () => {
        await using fixture = await openFixture();
        const destination = fixture.open();
        const end = "2026-10-06 00:00:00";
        const load = async (version: number, day: string, exported: string): Promise<unknown> =>
          destination.load(
            await fixture.batch({
              files: [sessions({ session: "a", version, start: `${day} 12:00:00`, end, exported })],
            }),
            SIGNAL,
          );
        await load(newer ? 1 : 2, first, newer ? "2026-10-07 00:00:00" : "2026-10-08 00:00:00");
        await load(newer ? 2 : 1, later, newer ? "2026-10-08 00:00:00" : "2026-10-07 00:00:00");
        const rows = await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"');
        assert.deepEqual(rows, [{ SESSION_ID: "a", _VERSION: 2 }]);
      });
    }

    test("rows outside of the bounds are not looked at: the MERGE says so", async () => {
      await using fixture = await openFixture();
      const destination = fixture.open();
      await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
      await server.clearLog();
      await destination.load(await fixture.batch({ files: [sessions({ session: "a", version: 2 })] }), SIGNAL);
      const merge = (await fixture.sent()).find((sql) => sql.startsWith("MERGE")) ?? "";
      const start = Date.UTC(2026, 9, 1) * 1000;
      assert.ok(merge.includes(`t."START_TIME" >= TO_TIMESTAMP_NTZ(${start}, 6)`), merge);
      assert.ok(merge.includes(`t."START_TIME" <= TO_TIMESTAMP_NTZ(${start + 1}, 6)`), merge);
    });
  });

  test("a session whose first rows were purged starts later, and is there once, whoever reads it last", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    const load = async (version: number, day: string, exported: string): Promise<unknown> => {
      const row = { session: "a", version, start: `${day} 00:00:00`, end: `${day} 01:00:00`, exported };
      return await destination.load(await fixture.batch({ files: [sessions(row)] }), SIGNAL);
    };
    await load(1, "2026-08-20", "2026-11-21 00:00:00");
    await load(2, "2026-11-20", "2026-11-22 00:00:00");
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [{ SESSION_ID: "a", _VERSION: 2 }]);
    await load(1, "2026-08-20", "2026-11-20 00:00:00");
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [{ SESSION_ID: "a", _VERSION: 2 }]);
  });

  test("a table that has a session twice is refused with the statement that mends it, and nothing is changed", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open();
    const table = `"${DATABASE}"."${fixture.schema}"."SESSIONS"`;
    const seen = (): Promise<unknown> => fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"');
    const of = (session: string, version: number) => fixture.batch({ files: [sessions({ session, version })] });
    await destination.load(await of("a", 1), SIGNAL);
    await destination.load(await of("b", 1), SIGNAL);
    await fixture.sql(`INSERT INTO ${table} SELECT * FROM ${table} WHERE "SESSION_ID" = 'a'`);
    const error = await rejectsWith("give-up", destination.load(await of("a", 2), SIGNAL));
    assert.equal(error.code, "warehouse.duplicates");
    const a = { SESSION_ID: "a", _VERSION: 1 };
    assert.deepEqual(await seen(), [a, a, { SESSION_ID: "b", _VERSION: 1 }]);
    await destination.load(await of("b", 2), SIGNAL);
    assert.deepEqual(await seen(), [a, a, { SESSION_ID: "b", _VERSION: 2 }]);
    const rows = { columns: SESSION_COLUMNS, key: ["team_id", "session_id"] };
    const checked = await rejectsWith("give-up", destination.checkRows?.(rows, SIGNAL) ?? Promise.resolve());
    const [, mend = ""] = /(CREATE OR REPLACE TEMPORARY TABLE .*;)$/.exec(checked.hint ?? "") ?? [];
    // DuckDB's temporary tables are in no schema.
    const kept = `"${DATABASE}"."${fixture.schema}"."_REPLAYPORT_KEPT"`;
    await fixture.sql(...mend.replaceAll(kept, "KEPT").split(/; ?/).filter(Boolean));
    await destination.checkRows?.(rows, SIGNAL);
    await destination.load(await of("a", 2), SIGNAL);
    assert.deepEqual(await seen(), [
      { SESSION_ID: "a", _VERSION: 2 },
      { SESSION_ID: "b", _VERSION: 2 },
    ]);
  });

  test("a row that somebody adds while the MERGE runs fails the load, and nothing is changed", async () => {
    await using fixture = await openFixture();
    const table = `"${DATABASE}"."${fixture.schema}"."SESSIONS"`;
    await fixture.open().load(await fixture.batch({ files: [sessions({ session: "b", version: 1 })] }), SIGNAL);
    const open = sessionOpener(fixture.options);
    const doubling: OpenSession = async (purpose, signal) => {
      const session = await open(purpose, signal);
      return {
        async execute(statement, inner) {
          const rows = await session.execute(statement, inner);
          const sql = `INSERT INTO ${table} SELECT * FROM ${table} WHERE "SESSION_ID" = 'a'`;
          if (statement.sql.startsWith("MERGE")) await session.execute({ sql, doing: "doubling", grants: [] }, inner);
          return rows;
        },
        [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
      };
    };
    const destination = openSnowflakeOn(doubling, fixture.options, { export: EXPORT }, TEST_DEPS);
    const batch = await fixture.batch({ of: hours(1), files: [sessions({ session: "a", version: 1 })] });
    const error = await rejectsWith("give-up", destination.load(batch, SIGNAL));
    assert.equal(error.code, "warehouse.duplicates");
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [{ SESSION_ID: "b", _VERSION: 1 }]);
    assert.equal((await fixture.rows("_REPLAYPORT_RECEIPTS")).length, 1);
  });

  test("NULL in a nullable key is one key", async () => {
    await using fixture = await openFixture();
    const columns = SESSION_COLUMNS.map((each) => (each.name === "session_id" ? { ...each, nullable: true } : each));
    const destination = fixture.open();
    for (const version of [1, 2]) {
      const files = [`SELECT * REPLACE (NULL::VARCHAR AS session_id) FROM (${sessions({ session: "x", version })})`];
      await destination.load(await fixture.batch({ columns, files }), SIGNAL);
    }
    assert.deepEqual(await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), [{ SESSION_ID: null, _VERSION: 2 }]);
  });

  for (const format of ["parquet", "jsonl", "csv"] as const) {
    test(`${format}: lists of times come as texts in UTC`, async () => {
      await using fixture = await openFixture();
      const columns = [...SESSION_COLUMNS, column("moments", "timestamp[]")];
      const row = sessions({ session: "a", version: 1, start: "2026-10-01 00:00:00.123456" });
      const none = sessions({ session: "b", version: 1 });
      const all = `SELECT *, CASE session_id WHEN 'a' THEN [start_time, start_time] ELSE [] END AS moments FROM (${row} UNION ALL ${none})`;
      await fixture.open().load(await fixture.batch({ columns, files: [all], format }), SIGNAL);
      const seen = await fixture.rows("SESSIONS", '"SESSION_ID", "MOMENTS"');
      const moment = "2026-10-01T00:00:00.123456Z";
      assert.deepEqual(
        seen.map((one) => JSON.parse(String(one["MOMENTS"])) as unknown),
        [[moment, moment], []],
      );
    });
  }
});
