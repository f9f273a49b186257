/**
 * The ClickHouse that the tests of the source read: the server of CLICKHOUSE_URL (with CLICKHOUSE_USERNAME and
 * CLICKHOUSE_PASSWORD), or the embedded engine. Each gets a database of its own, dropped at the end.
 */
import { randomBytes } from "node:crypto";
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import type { ClickHouseOptions } from "../../src/clickhouse/clickhouse.ts";
import { embedded, embeddedSkip } from "./embedded.ts";
import { type ReplaySource, replaySource } from "./replay_source.ts";

export interface ClickHouseHarness extends AsyncDisposable {
  readonly client: ClickHouseClient;
  readonly replays: ReplaySource;
  /** For a source of the test's own, for example through a proxy. */
  readonly options: ClickHouseOptions;
}

const given = process.env["CLICKHOUSE_URL"];

export const clickhouseSkip: string | false =
  given === undefined && embeddedSkip !== false ? `${embeddedSkip}; or set CLICKHOUSE_URL` : false;

export const PASSWORD = "correct horse battery staple";

export async function clickhouse(): Promise<ClickHouseHarness> {
  await using stack = new AsyncDisposableStack();
  const username = given === undefined ? "default" : (process.env["CLICKHOUSE_USERNAME"] ?? "default");
  const password = given === undefined ? PASSWORD : (process.env["CLICKHOUSE_PASSWORD"] ?? "");
  const url = given ?? stack.use(await embedded({ credentials: { username, password } })).url;
  const client = createClient({ url, username, password, log: { level: ClickHouseLogLevel.OFF } });
  stack.defer(async () => await client.close());
  const database = `replayport_test_${randomBytes(6).toString("hex")}`;
  const options = { url, username, password, database, table: "session_replay_events", requestTimeoutMs: 60_000 };
  const replays = stack.use(await replaySource(client, options));
  stack.defer(async () => void (await client.command({ query: `DROP DATABASE IF EXISTS ${database}` })));
  const kept = stack.move();
  return { client, replays, options, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}
