/** A replay table of PostHog's shape in an embedded engine, with a source that reads it and rows to put into it. */
import type { ClickHouseClient } from "@clickhouse/client";
import { KEEP_PARTIAL_ROWS, REPLAY_COLUMNS, createReplayTables } from "../../src/demo/replay_table.ts";
import type { Source } from "../../src/export/source.ts";
import { withoutClock } from "../../src/export/clock.ts";
import { type ClickHouseOptions, openClickHouse } from "../../src/clickhouse/clickhouse.ts";

/**
 * One partial row, as PostHog's consumers insert it: a block of a recording, or without messages a row of tags or a marker
 * of deletion. Times are microseconds since the epoch.
 */
export interface PartialRow {
  readonly team: number;
  readonly session: string;
  readonly firstMicros: number;
  readonly lastMicros: number;
  /** Whole seconds since the epoch. */
  readonly ingested: number;
  readonly url?: string;
  readonly urls?: readonly string[];
  readonly clicks?: number;
  readonly messages?: number;
  readonly retention?: number;
  readonly deleted?: boolean;
  readonly tags?: readonly string[];
  readonly score?: number;
  readonly mobile?: boolean;
  /** Values of any columns of the table, by the table's names. Win over the fields above. */
  readonly columns?: Readonly<Record<string, unknown>>;
}

export interface ReplaySource extends AsyncDisposable {
  readonly source: Source;
  readonly database: string;
  insert(rows: readonly PartialRow[]): Promise<void>;
  /** Merges what ClickHouse would merge some day. */
  merge(): Promise<void>;
  /** Drops the rows that the condition selects. @returns the keys of their sessions, as in `Row` */
  remove(where: string): Promise<string[]>;
  /** As if a shard were away, or a replica behind: the rows are there again after `show`. @returns whether there were any */
  hide(where: string): Promise<boolean>;
  /** @returns the keys of the sessions whose rows are there again */
  show(): Promise<string[]>;
  truncate(): Promise<void>;
}

export async function replaySource(client: ClickHouseClient, options: ClickHouseOptions): Promise<ReplaySource> {
  const { database } = options;
  for (const query of createReplayTables(database)) await client.command({ query });
  const table = `${database}.session_replay_events`;
  const source = withoutClock(await openClickHouse(options));
  const hidden = `${database}.hidden_rows`;
  await client.command({ query: `CREATE TABLE IF NOT EXISTS ${hidden} AS ${table}` });
  const keys = async (from: string, where: string): Promise<string[]> => {
    const query = `SELECT DISTINCT concat(toString(team_id), '/', session_id) AS key FROM ${from} WHERE ${where}`;
    const rows = await (await client.query({ query, format: "JSONEachRow" })).json<{ key: string }>();
    return rows.map(({ key }) => key);
  };
  const drop = async (where: string): Promise<void> =>
    void (await client.command({ query: `ALTER TABLE ${table} DELETE WHERE ${where} SETTINGS mutations_sync = 2` }));
  const move = async (from: string, to: string, where: string): Promise<void> =>
    void (await client.command({
      query: `INSERT INTO ${to} ${KEEP_PARTIAL_ROWS} SELECT * FROM ${from} WHERE ${where}`,
    }));
  return {
    source,
    database,
    async remove(where) {
      const found = await keys(table, where);
      if (found.length > 0) await drop(where);
      return found;
    },
    async hide(where) {
      if ((await keys(table, where)).length === 0) return false;
      await move(table, hidden, where);
      await drop(where);
      return true;
    },
    async show() {
      const found = await keys(hidden, "true");
      if (found.length === 0) return found;
      await move(hidden, table, "true");
      await client.command({ query: `TRUNCATE TABLE ${hidden}` });
      return found;
    },
    insert: async (rows) => await insertRows(client, table, rows),
    merge: async () => void (await client.command({ query: `OPTIMIZE TABLE ${table} FINAL` })),
    async truncate() {
      for (const each of [table, hidden]) await client.command({ query: `TRUNCATE TABLE ${each}` });
    },
    [Symbol.asyncDispose]: async () => await source[Symbol.asyncDispose](),
  };
}

async function insertRows(client: ClickHouseClient, table: string, rows: readonly PartialRow[]): Promise<void> {
  const lines = rows.map((row) => JSON.stringify(columnsOf(row)));
  // Parameters travel in the URL, which servers limit.
  for (let from = 0; from < lines.length;) {
    let until = from + 1;
    for (let size = lines[from]?.length ?? 0; until < lines.length && size < 4000; until += 1)
      size += lines[until]?.length ?? 0;
    await insertLines(client, table, lines.slice(from, until).join("\n"));
    from = until;
  }
}

const BLOCK = "s3://recordings/block?range=bytes=0-1";

/** The columns that differ from the default of their type. */
function columnsOf(row: PartialRow): Record<string, unknown> {
  const { deleted = false } = row;
  const { clicks = 0, messages = deleted ? 0 : 1 } = row;
  const [first, last] = [microsText(row.firstMicros), microsText(row.lastMicros)];
  const known = {
    session_id: row.session,
    team_id: row.team,
    distinct_id: deleted ? "" : `user-${row.session}`,
    min_first_timestamp: first,
    max_last_timestamp: last,
    ...(messages > 0 ? { block_first_timestamps: [first], block_last_timestamps: [last], block_urls: [BLOCK] } : {}),
    _timestamp: row.ingested,
    first_url: row.url,
    all_urls: row.urls ?? (row.url === undefined ? [] : [row.url]),
    click_count: clicks,
    active_milliseconds: clicks * 1500,
    size: clicks * 100,
    message_count: messages,
    event_count: messages * 3,
    retention_period_days: row.retention,
    is_deleted: Number(deleted),
    ai_tags_fixed: row.tags,
    surfacing_score: row.score,
    snapshot_source: row.mobile === undefined ? undefined : row.mobile ? "mobile" : "web",
    ...row.columns,
  };
  for (const name of Object.keys(row.columns ?? {})) {
    if (!REPLAY_COLUMNS.some(([column]) => column === name)) throw new Error(`the table has no column ${name}`);
  }
  return known;
}

function microsText(micros: number): string {
  const ms = Math.floor(micros / 1000);
  const rest = String(micros - ms * 1000).padStart(3, "0");
  return `${new Date(ms).toISOString().slice(0, -1).replace("T", " ")}${rest}`;
}

/** The columns as one value each, before they become states of an aggregate function. */
const PLAIN_COLUMNS = REPLAY_COLUMNS.map(([name, type]) => {
  const plain = type.replace(/ DEFAULT .*$/, "");
  const [, value] = /^(?:Simple)?AggregateFunction\(\w+, (.*?)(?:, DateTime64\(6, 'UTC'\))?\)$/.exec(plain) ?? [];
  return { name, type: value ?? plain, state: plain.startsWith("AggregateFunction(argMin") };
});

async function insertLines(client: ClickHouseClient, table: string, lines: string): Promise<void> {
  const names = PLAIN_COLUMNS.map(({ name }) => name).join(", ");
  const values = PLAIN_COLUMNS.map(({ name, state }) =>
    state ? `initializeAggregation('argMinState', ${name}, min_first_timestamp)` : name,
  );
  const structure = PLAIN_COLUMNS.map(({ name, type }) => `${name} ${type.replaceAll("'", "\\'")}`).join(", ");
  await client.command({
    query: `INSERT INTO ${table} (${names}) ${KEEP_PARTIAL_ROWS}
SELECT ${values.join(", ")} FROM format(JSONEachRow, '${structure}', {rows:String})`,
    query_params: { rows: lines },
  });
}

/** How to reach an engine that asks for no password. */
export function openOptions(url: string, database: string): ClickHouseOptions {
  return { url, username: "default", password: "", database, table: "session_replay_events", requestTimeoutMs: 60_000 };
}
