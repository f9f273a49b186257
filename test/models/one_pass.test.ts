/** Both ways to find the sessions of a read give the same rows: src/models/session_replays_changed.ts says why. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import fc from "fast-check";
import { openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import type { Read, Selection } from "../../src/models/model.ts";
import { sessionReplays } from "../../src/models/session_replays_query.ts";
import type { ReplayTable } from "../../src/models/session_replays_reads.ts";
import { REPLAY_COLUMNS } from "../../src/demo/replay_table.ts";
import { inOnePass } from "../../src/models/session_replays_changed.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { HOUR_MS, HOUR_ONE, READ, REPLAYS } from "../support/definitions.ts";
import { until as waitUntil } from "../support/fleet_fixture.ts";
import { sessionId } from "../support/session_id.ts";
import type { PartialRow } from "../support/replay_source.ts";

const START = HOUR_ONE.start.getTime();
const signal = AbortSignal.timeout(600_000);

/** Hours from the interval's start at which rows begin and arrive: before, at its bounds, within it, after it. */
const hours = fc.constantFrom(-720, -25, -24, -1.001, -1, -0.5, 0, 0.2, 0.5, 0.9997, 1, 1.5, 24, 720);

/** As PostHog's, at that hour, in lower or upper case; and any other text. */
const uuid = (at: number): string => sessionId(START + at * HOUR_MS);
const ids = fc
  .tuple(
    fc.oneof(
      hours.map(uuid),
      hours.map((at) => uuid(at).toUpperCase()),
      fc.constantFrom("", "a", "~", "019"),
    ),
    fc.nat(1),
  )
  .map(([id, number]) => `${id}${number}`);

const rows = fc
  .record({
    team: fc.constantFrom(1, 1, 2),
    session: ids,
    began: hours,
    ingested: hours,
    clicks: fc.nat(5),
    kind: fc.constantFrom("recorded", "recorded", "deleted", "tagged"),
  })
  .map(({ team, session, began, ingested, clicks, kind }): PartialRow => {
    const firstMicros = (START + began * HOUR_MS) * 1000;
    const row = {
      team,
      session,
      firstMicros,
      lastMicros: firstMicros + 1000,
      ingested: Math.floor(START / 1000 + ingested * 3600),
    };
    if (kind === "deleted") return { ...row, deleted: true };
    return kind === "tagged" ? { ...row, messages: 0, tags: ["checkout"] } : { ...row, clicks };
  });

/** One INSERT each; rows of one that have the same key and day may merge at once, others when everything is merged. */
const events = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.array(rows, { minLength: 10, maxLength: 40 }) },
    { weight: 1, arbitrary: fc.constantFrom("merge" as const, "purge" as const) },
  ),
  { minLength: 2, maxLength: 5 },
);

const reads = fc.record({
  prunes: fc.boolean(),
  reloads: fc.boolean(),
  rereads: fc.boolean(),
  corrected: fc.boolean(),
  teams: fc.constantFrom<Selection["teams"]>(1, [1, 2], "all"),
  conditional: fc.boolean(),
  from: fc.option(ids, { nil: undefined }),
  until: fc.option(ids, { nil: undefined }),
});

const SHAPE = { database: "posthog", table: "session_replay_events", distributed: false };

suite("a read in one pass", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let table: ReplayTable;
  before(async () => {
    server = await clickhouse();
    table = { ...SHAPE, database: server.replays.database, columns: new Map(REPLAY_COLUMNS) };
  });
  after(async () => await server[Symbol.asyncDispose]());

  const name = (): string => `${table.database}.${table.table}`;

  async function rowsOf(selection: Partial<Selection>, read: Read): Promise<unknown[]> {
    const { sql, parameters } = sessionReplays(table, { ...REPLAYS.selection, ...selection }).rows(read, "jsonl");
    assert.equal(sql.includes("HAVING"), inOnePass(read), "the way that was chosen");
    const result = await server.client.query({
      query: `SELECT * FROM (${sql}) ORDER BY team_id, session_id`,
      query_params: parameters,
      format: "JSONEachRow",
      clickhouse_settings: { session_timezone: "UTC" },
    });
    return await result.json();
  }

  /** Stops merges, and resolves when none is running. */
  async function stopMerges(): Promise<void> {
    await server.client.command({ query: `SYSTEM STOP MERGES ${name()}` });
    await waitUntil(
      "running merges",
      async () => {
        const query = `SELECT count() AS merges FROM system.merges WHERE concat(database, '.', table) = '${name()}'`;
        return await (await server.client.query({ query, format: "JSONEachRow" })).json<{ merges: string }>();
      },
      ([row]) => Number(row?.merges) === 0,
    );
  }
  async function startMerges(): Promise<void> {
    await server.client.command({ query: `SYSTEM START MERGES ${name()}` });
  }

  const MANY = { sessions: 1_000_000, near: 100 };

  test("property: it has the rows that a read by IN has, whatever rows there are", async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(events, fc.array(reads, { minLength: 3, maxLength: 3 }), async (history, choices) => {
        await startMerges();
        await server.replays.truncate();
        for (const event of history) {
          if (event === "merge") await server.replays.merge();
          else if (event === "purge") await server.replays.remove("is_deleted = 1 AND message_count = 0");
          else await server.replays.insert(event);
        }
        // Rows that merge between the two reads may bring a session into the interval, or take it out.
        await stopMerges();
        for (const { prunes, reloads, rereads, corrected, teams, conditional, from, until } of choices) {
          const read: Read = {
            ...READ,
            pruneBefore: prunes ? new Date(START - HOUR_MS) : undefined,
            alsoChangedSince: reloads ? HOUR_ONE.end : undefined,
            reread: rereads,
            corrections: corrected ? [{ from: HOUR_ONE.start, until: HOUR_ONE.end }] : [],
            part: { index: 0, of: 1, from, until },
          };
          const where = conditional ? ([{ column: "click_count", op: "range", min: 2 }] as const) : [];
          const usual = await rowsOf({ teams, where }, read);
          found += usual.length;
          assert.deepEqual(await rowsOf({ teams, where }, { ...read, counted: MANY }), usual);
        }
      }),
      // Each step of shrinking would ask ClickHouse again: minutes.
      { numRuns: 15, endOnFailure: true },
    );
    await startMerges();
    // About 300, at random; what matters is that it is not always none.
    assert.ok(found > 10, `${found} rows were compared`);
  });

  test("it's made of many sessions whose ids have their time, and otherwise by IN", () => {
    assert.equal(inOnePass({ counted: MANY }), true);
    assert.equal(inOnePass({ counted: undefined }), false);
    assert.equal(inOnePass({ counted: { ...MANY, sessions: 1000 } }), false);
    assert.equal(inOnePass({ counted: { ...MANY, near: 10 } }), false);
    // By a model that counts nothing else.
    assert.equal(inOnePass({ counted: { sessions: 1_000_000 } }), false);
  });

  test("the count says how many of the rows that changed are near", async () => {
    await server.replays.truncate();
    const row = (session: string, began: number): PartialRow => {
      const firstMicros = (START + began * HOUR_MS) * 1000;
      return { team: 1, session, firstMicros, lastMicros: firstMicros, ingested: START / 1000 + 60 };
    };
    await server.replays.insert([row(uuid(0), 0), row(uuid(-0.5), 0.2), row("other", 0), row(uuid(0), -30)]);
    await using source = await openClickHouse(server.options);
    const model = await source.model(REPLAYS, signal);
    const purpose = { export: "replays", interval: HOUR_ONE, limits: REPLAYS.limits };
    const [counted] = await source.numbers(model.count(READ), purpose, signal);
    assert.deepEqual([counted?.["sessions"], counted?.["near"]], [3, 50]);
  });

  test("on several shards the exceptions are looked for once, by GLOBAL IN", () => {
    const { sql } = sessionReplays({ ...table, distributed: true }, REPLAYS.selection).rows(
      { ...READ, counted: MANY },
      "parquet",
    );
    assert.match(sql, /OR \(team_id, session_id\) GLOBAL IN \(SELECT DISTINCT team_id, session_id FROM/);
    assert.doesNotMatch(sql, /[^L] IN \(SELECT/);
  });
});
