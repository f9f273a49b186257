/** Sessions that keep arriving: from a real engine, on a clock of the test's own. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { type EngineSql, engineSql } from "../../src/demo/engine_sql.ts";
import { type Feed, openFeed } from "../../src/demo/feed.ts";
import { createReplayTables } from "../../src/demo/replay_table.ts";
import { ReplayportError } from "../../src/errors.ts";
import { type EmbeddedHarness, embedded, embeddedSkip } from "../support/embedded.ts";

const never = new AbortController().signal;
/** Not far in the past: what has been visible for days is dropped by the server's own clock. */
const MIDNIGHT = Math.floor(Date.now() / 86_400_000) * 86_400_000;
const at = (hours: number): Date => new Date(MIDNIGHT + hours * 3_600_000);
const DATABASE = "fed by 'x'";
const plan = { database: DATABASE, table: "session_replay_events", sessionsPerDay: 600, historyDays: 1 };

describe("the feed", { skip: embeddedSkip }, () => {
  let harness: EmbeddedHarness;
  let sql: EngineSql;
  const open = (): Promise<Feed> => openFeed(sql, plan, never);
  const facts = async (): Promise<{ rows: number; sessions: number; last: number }> => {
    const [found] = await sql.rows<{ rows: number; sessions: number; last: number }>(
      `SELECT count() AS rows, uniqExact(session_id) AS sessions, toUnixTimestamp(max(_timestamp)) AS last
       FROM \`${DATABASE}\`.session_replay_events`,
      never,
    );
    assert.ok(found);
    return found;
  };

  before(async () => {
    harness = await embedded();
    sql = engineSql(harness.url, harness.engine.credentials);
  });
  after(() => harness[Symbol.asyncDispose]());

  test("a redirect isn't followed with the password, and its status is told", async () => {
    let followed = 0;
    const server = createServer((request, response) => {
      if (request.url?.startsWith("/elsewhere")) followed += 1;
      const { port } = server.address() as AddressInfo;
      response.writeHead(307, { location: `http://127.0.0.1:${port}/elsewhere` }).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port } = server.address() as AddressInfo;
      const redirected = engineSql(`http://127.0.0.1:${port}`, { username: "me", password: "hunter2" });
      await assert.rejects(redirected.run("SELECT 1", never), /answered HTTP 307/);
      assert.equal(followed, 0);
    } finally {
      server.close();
    }
  });

  test("feed begins with the days before, and ends now", async () => {
    const feed = await open();
    await sql.run(`SYSTEM STOP MERGES \`${DATABASE}\`.session_replay_events`, never);
    const rows = await feed.arrive(at(6), never);
    const found = await facts();
    assert.equal(found.rows, rows);
    // All of yesterday, and the few of the night; some of yesterday's rows come later.
    assert.ok(found.sessions > 590 && found.sessions < 720, String(found.sessions));
    assert.ok(found.last * 1000 < at(6).getTime());
  });

  test("feed continues where it stopped, even in another process, and nothing arrives twice", async () => {
    const before_ = await facts();
    assert.equal(await (await open()).arrive(at(6), never), 0);
    const rows = await (await open()).arrive(at(12), never);
    const found = await facts();
    assert.ok(rows > 100, String(rows));
    assert.equal(found.rows, before_.rows + rows);
    assert.ok(found.last * 1000 > at(11).getTime() && found.last * 1000 < at(12).getTime());
  });

  test("feed makes a day's sessions once that day has begun", async () => {
    const feed = await open();
    await feed.arrive(at(23.9), never);
    const evening = await facts();
    await feed.arrive(at(46), never);
    assert.ok((await facts()).sessions > evening.sessions + 300);
  });

  test("feed doesn't write to a table that it didn't create", async () => {
    for (const statement of createReplayTables("posthog")) await sql.run(statement, never);
    await assert.rejects(openFeed(sql, { ...plan, database: "posthog" }, never), (error) => {
      return error instanceof ReplayportError && error.code === "demo.foreign_table";
    });
    const [tables] = await sql.rows<{ n: number }>(
      "SELECT count() AS n FROM system.tables WHERE database = 'posthog'",
      never,
    );
    assert.equal(tables?.n, 1);
  });
});
