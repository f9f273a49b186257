/**
 * `_version` grows with every partial row and with nothing else. Session k of a history holds its first k rows, so one
 * query shows the version after each row.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import fc from "fast-check";
import type { Correction } from "../../src/models/correction.ts";
import type { Model } from "../../src/models/model.ts";
import { sessionReplays } from "../../src/models/session_replays_query.ts";
import { READS, type ReadColumn, type ReadName } from "../../src/models/session_replays_reads.ts";
import { describeTable, TABLE_FACTS, type TableFacts } from "../../src/clickhouse/describe.ts";
import { READ } from "../support/definitions.ts";
import { type EmbeddedHarness, embedded, embeddedSkip } from "../support/embedded.ts";
import { type PartialRow, type ReplaySource, openOptions, replaySource } from "../support/replay_source.ts";

const START = Date.UTC(2026, 9, 1);
const DAY_MS = 86_400_000;
const days = (first: number, until: number): Correction => ({
  from: new Date(START + first * DAY_MS),
  until: new Date(START + until * DAY_MS),
});
const DAY_BEFORE = days(-1, 0);
/** Of two days that overlap, and of one before all rows. */
const CORRECTIONS = [days(-3, -1), days(-2, 1), days(-30, -29)];

/** A row that says something new: a recording of at least one message, a new tag, a deletion, or a better score. */
interface Change {
  readonly atSeconds: number;
  readonly startSeconds: number;
  readonly news: "recording" | "tag" | "deletion" | "score";
  readonly amount: number;
}

const aChange: fc.Arbitrary<Change> = fc.record({
  atSeconds: fc.integer({ min: 0, max: 200_000 }),
  startSeconds: fc.integer({ min: -500_000, max: 200_000 }),
  news: fc.constantFrom("recording", "recording", "tag", "deletion", "score"),
  amount: fc.integer({ min: 1, max: 1000 }),
});

/** Drops changes that change nothing: a second deletion, a lower score. */
function onlyNews(changes: readonly Change[]): Change[] {
  let deleted = false;
  let best = -Infinity;
  return changes.filter(({ news, amount }) => {
    if (news === "deletion") {
      const first = !deleted;
      deleted = true;
      return first;
    }
    if (news === "score") {
      const better = amount - 500 > best;
      best = Math.max(best, amount - 500);
      return better;
    }
    return true;
  });
}

function rowOf(change: Change, index: number, session: string): PartialRow {
  const start = START + change.startSeconds * 1000;
  const row = {
    team: 1,
    session,
    firstMicros: start * 1000 + index,
    lastMicros: (start + 1000) * 1000 + index,
    ingested: START / 1000 + change.atSeconds,
    messages: 0,
  };
  switch (change.news) {
    case "recording":
      return { ...row, messages: 1, clicks: change.amount, url: `https://example.com/${change.amount}` };
    case "tag":
      return { ...row, tags: [`tag ${index}`] };
    case "deletion":
      return { ...row, lastMicros: row.firstMicros, deleted: true };
    case "score":
      return { ...row, score: (change.amount - 500) / 7 };
  }
}

/** How much rows say, by what rowOf makes of them: every count, and every URL and tag once. */
function amountOf(rows: readonly Change[], history: readonly Change[]): number {
  const recordings = rows.filter(({ news }) => news === "recording");
  const tags = new Set(rows.flatMap((change) => (change.news === "tag" ? [history.indexOf(change)] : [])));
  const counts = recordings.reduce((sum, { amount }) => sum + amount * (1 + 1500 + 100) + 1 + 3, 0);
  return counts + new Set(recordings.map(({ amount }) => amount)).size + tags.size;
}

/** For each value that is read, what a partial row brings that changes it. Values without a term bring what comes with them. */
const NEWS = {
  first_seen: { min_first_timestamp: "2026-09-30 23:59:59.999999", message_count: 1 },
  last_seen: { max_last_timestamp: "2026-10-01 00:00:01.000001", message_count: 1 },
  first_row: { min_first_timestamp: "2026-09-30 23:59:59.999999" },
  last_row: { max_last_timestamp: "2026-10-01 00:00:01.000001" },
  ingested: { _timestamp: START / 1000 + 1 },
  distinct: { distinct_id: "somebody else", max_last_timestamp: "2026-10-01 00:00:01.000001" },
  block_starts: { block_first_timestamps: ["2026-10-01 00:00:00.000000"], message_count: 1 },
  corrected: { min_first_timestamp: "2026-09-30 23:00:00.000000" },
  block_ends: { block_last_timestamps: ["2026-10-01 00:00:00.000000"], message_count: 1 },
  block_links: { block_urls: ["s3://bucket/block"], message_count: 1 },
  landing: { first_url: "https://example.com/" },
  urls: { all_urls: ["https://example.com/"] },
  clicks: { click_count: 1 },
  keypresses: { keypress_count: 1 },
  mouse: { mouse_activity_count: 1 },
  active_ms: { active_milliseconds: 1 },
  logs: { console_log_count: 1 },
  warns: { console_warn_count: 1 },
  errors: { console_error_count: 1 },
  bytes: { size: 1 },
  messages: { message_count: 1 },
  events: { event_count: 1 },
  origin: { snapshot_source: "mobile" },
  library: { snapshot_library: "posthog-ios" },
  mode: { snapshot_mode_v2: "wireframe" },
  retention: { retention_period_days: 0 },
  deleted: { is_deleted: 1 },
  deleted_on: { is_deleted: 1, max_last_timestamp: "2026-10-02 00:00:00.000000" },
  tags: { ai_tags_fixed: ["bug"] },
  free_tags: { ai_tags_freeform: ["went in circles"] },
  highlighted: { ai_highlighted: 1 },
  score: { surfacing_score: -0.5 },
} satisfies Record<ReadName, Readonly<Record<string, unknown>>>;

// @ts-expect-error: a column can't be read without saying what it adds to _version.
const withoutTerm: ReadColumn = { source: "x", type: "Nullable(Int64)", plain: (column) => `sum(${column})` };
void withoutTerm;

suite("_version", { skip: embeddedSkip }, () => {
  let engine: EmbeddedHarness;
  let replays: ReplaySource;
  let model: Model;
  before(async () => {
    engine = await embedded();
    replays = await replaySource(engine.client, openOptions(engine.url, "posthog"));
    const rules = { include: [], exclude: [], hash: [], stripQuery: [] };
    const selection = { teams: "all" as const, rules, where: [], salt: "", posthogUrl: "" };
    const [facts] = await ask<TableFacts>({
      sql: `SELECT ${TABLE_FACTS}`,
      parameters: { database: "posthog", table: "session_replay_events" },
    });
    model = sessionReplays(describeTable("posthog", "session_replay_events", facts), selection);
  });
  after(async () => {
    await replays[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });
  const ask = async <T>({ sql, parameters }: { sql: string; parameters: object }): Promise<T[]> =>
    await (await engine.client.query({ query: sql, query_params: { ...parameters }, format: "JSONEachRow" })).json<T>();
  /** The version of each session. */
  const versions = async (corrections: readonly Correction[] = []): Promise<Map<string, string>> => {
    const interval = { start: new Date(START - 86_400_000 * 30), end: new Date(START + 86_400_000 * 30) };
    const read = { ...READ, interval, exportedAt: new Date(), corrections };
    const rows = await ask<{ session_id: string; _version: string }>(model.rows(read, "jsonl"));
    rows.sort((a, b) => (a.session_id < b.session_id ? -1 : 1));
    for (const { _version } of rows) assert.match(_version, /^[ab][0-9a-f]{31}$/);
    return new Map(rows.map((row) => [row.session_id, row._version]));
  };

  test("a change of any value that is read makes _version grow", async () => {
    await replays.truncate();
    const names = Object.keys(NEWS) as ReadName[];
    const base = { team: 1, firstMicros: START * 1000, lastMicros: START * 1000, ingested: START / 1000, messages: 0 };
    await replays.insert([
      ...names.map((session) => ({ ...base, session })),
      ...names.map((session) => ({ ...base, session, columns: NEWS[session] })),
      { ...base, session: "unchanged" },
      { ...base, session: "unchanged" },
    ]);
    const found = await versions([DAY_BEFORE]);
    const unchanged = found.get("unchanged") ?? assert.fail();
    for (const name of names) {
      const version = found.get(name) ?? assert.fail(name);
      assert.ok(version > unchanged, `a change of ${READS[name].source} left the version at ${version}`);
    }
  });

  test("a test change of a value without a _version term brings a value that has one, and any other comes alone", () => {
    for (const name of Object.keys(NEWS) as ReadName[]) {
      const { source, version } = READS[name];
      const { [source]: own, ...others } = NEWS[name] as Readonly<Record<string, unknown>>;
      assert.ok(own !== undefined, name);
      const withTerm = Object.values(READS).filter((read) => typeof read.version === "string");
      const companions = Object.keys(others).filter((other) => withTerm.some((read) => read.source === other));
      assert.equal(companions.length, typeof version === "string" ? 0 : 1, name);
      assert.equal(companions.length, Object.keys(others).length, name);
    }
  });

  test("_version grows with every partial row, and doesn't change when rows merge", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aChange, { minLength: 1, maxLength: 12 }), async (history) => {
        await replays.truncate();
        const news = onlyNews(history);
        const rows = news.flatMap((_, length) =>
          news.slice(0, length + 1).map((change, index) => rowOf(change, index, `after ${String(length + 10)}`)),
        );
        await replays.insert(rows);
        const grown = [...(await versions(CORRECTIONS)).values()];
        assert.equal(grown.length, news.length);
        for (const [index, version] of grown.entries()) {
          const previous = grown[index - 1];
          if (previous !== undefined) {
            assert.ok(
              version > previous,
              `${JSON.stringify(news[index])} left the version at ${version}, from ${previous}`,
            );
          }
        }
        await replays.merge();
        assert.deepEqual([...(await versions(CORRECTIONS)).values()], grown);
      }),
      { numRuns: 30 },
    );
  });

  test("a correction beats any amount of the sessions that have a row of its days, and nothing that was deleted", async () => {
    await replays.truncate();
    const row = (session: string, day: number, more: object = {}) => {
      const micros = Math.floor((START + day * DAY_MS) * 1000);
      return {
        team: 1,
        session,
        firstMicros: micros,
        lastMicros: micros,
        ingested: START / 1000,
        messages: 1,
        ...more,
      };
    };
    const large = { messages: 1_000_000_000 };
    await replays.insert([
      row("first of the days", -3),
      row("last of the days", -2 + 1 - 1e-9),
      row("the day before", -4, large),
      row("the day after", -1, large),
      row("a row of the days", -1),
      row("a row of the days", -2),
      row("deleted", 2),
      row("deleted", 2, { messages: 0, columns: { is_deleted: 1 } }),
    ]);
    const none = await versions();
    const once = await versions([days(-3, -1)]);
    const twice = await versions([days(-3, -1), days(-3, -1)]);
    const version = (of: Map<string, string>, session: string): string => of.get(session) ?? assert.fail(session);
    for (const session of ["the day before", "the day after", "deleted"]) {
      assert.equal(version(once, session), version(none, session), session);
    }
    for (const session of ["first of the days", "last of the days", "a row of the days"]) {
      assert.ok(version(once, session) > version(none, "the day after"), session);
      assert.ok(version(twice, session) > version(once, session), session);
      assert.ok(version(twice, session) < version(none, "deleted"), session);
      assert.equal(version(once, session).slice(3), version(none, session).slice(3), session);
    }
  });

  test("a deleted read beats any other, then the fuller one, whatever purge, retention and replays have left", async () => {
    const aRead = fc.array(fc.nat({ max: 2 }), { minLength: 12, maxLength: 12 });
    const reads = fc.array(aRead, { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(aChange, { minLength: 1, maxLength: 12 }), reads, async (history, copies) => {
        await replays.truncate();
        // Read k sees each row of the history not at all, once, or twice, as after a replay of Kafka's messages.
        const seen = copies.map((of) => history.flatMap((change, at) => Array<Change>(of[at] ?? 0).fill(change)));
        await replays.insert(
          seen.flatMap((rows, read) =>
            rows.map((change) => rowOf(change, history.indexOf(change), `read ${String(read)}`)),
          ),
        );
        const found = await versions();
        const known = [...found].map(([session, version]) => {
          const rows = seen[Number(session.slice(5))] ?? assert.fail(session);
          return { version, deleted: rows.some(({ news }) => news === "deletion"), amount: amountOf(rows, history) };
        });
        for (const a of known) {
          for (const b of known) {
            if (a.deleted === b.deleted && a.amount === b.amount) continue;
            const wins = a.deleted === b.deleted ? a.amount > b.amount : a.deleted;
            assert.equal(a.version > b.version, wins, JSON.stringify([a, b]));
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  test("PostHog's purge takes the version of a deleted session down, also where the marker has merged", async () => {
    await replays.truncate();
    const recorded = { team: 1, firstMicros: START * 1000, lastMicros: START * 1000 + 60_000_000, clicks: 500 };
    const marker = { team: 1, firstMicros: START * 1000 + 9_000_000_000, lastMicros: START * 1000 + 9_000_000_000 };
    const late = {
      ...recorded,
      lastMicros: START * 1000 + 9_500_000_000,
      ingested: START / 1000 + 900_000,
      clicks: 900,
    };
    await replays.insert([{ ...recorded, session: "a", ingested: START / 1000 }]);
    await replays.insert([{ ...marker, session: "a", ingested: START / 1000 + 9000, deleted: true }]);
    const deleted = (await versions()).get("a") ?? assert.fail();
    await replays.merge();
    assert.equal((await versions()).get("a"), deleted);
    await engine.client.command({
      query: `ALTER TABLE ${replays.database}.session_replay_events DELETE WHERE is_deleted = 1 SETTINGS mutations_sync = 2`,
    });
    await replays.insert([{ ...late, session: "a" }]);
    assert.ok(((await versions()).get("a") ?? assert.fail()) < deleted);
  });
});
