/**
 * `_version` grows with every partial row and with nothing else. Session k of a history holds its first k rows, so one
 * query shows the version after each row.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { sessionReplays } from "../../src/models/session_replays_query.ts";
import { describeTable } from "../../src/clickhouse/describe.ts";
import { embedded, embeddedSkip } from "../support/embedded.ts";
import { type PartialRow, openOptions, replaySource } from "../support/replay_source.ts";

const START = Date.UTC(2026, 9, 1);

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
      return { ...row, deleted: true };
    case "score":
      return { ...row, score: (change.amount - 500) / 7 };
  }
}

suite("_version", { skip: embeddedSkip }, () => {
  test("grows with every partial row, stays below 2^53, and does not move when parts are merged", async () => {
    await using engine = await embedded();
    await using replays = await replaySource(engine.client, openOptions(engine.url, "posthog"));
    const ask = async <T>({ sql, parameters }: { sql: string; parameters: object }): Promise<T[]> =>
      await (
        await engine.client.query({ query: sql, query_params: { ...parameters }, format: "JSONEachRow" })
      ).json<T>();
    const rules = { include: [], exclude: [], hash: [], stripQuery: [] };
    const selection = { teams: "all" as const, rules, where: [], salt: "", posthogUrl: "" };
    const model = sessionReplays(await describeTable(ask, "posthog", "session_replay_events"), selection);
    const versions = async (): Promise<bigint[]> => {
      const read = {
        interval: { start: new Date(START - 86_400_000 * 30), end: new Date(START + 86_400_000 * 30) },
        exportedAt: new Date(),
        pruneBefore: undefined,
        alsoChangedSince: undefined,
        part: { index: 0, of: 1 },
      };
      const rows = await ask<{ session_id: string; _version: string }>(model.rows(read, "jsonl"));
      return rows.sort((a, b) => (a.session_id < b.session_id ? -1 : 1)).map((row) => BigInt(row._version));
    };
    await fc.assert(
      fc.asyncProperty(fc.array(aChange, { minLength: 1, maxLength: 12 }), async (history) => {
        await replays.truncate();
        const news = onlyNews(history);
        const rows = news.flatMap((_, length) =>
          news.slice(0, length + 1).map((change, index) => rowOf(change, index, `after ${String(length + 10)}`)),
        );
        await replays.insert(rows);
        const before = await versions();
        assert.equal(before.length, news.length);
        for (const [index, version] of before.entries()) {
          assert.ok(version < 2n ** 53n);
          const previous = before[index - 1];
          if (previous !== undefined) {
            assert.ok(
              version > previous,
              `${JSON.stringify(news[index])} left the version at ${version}, from ${previous}`,
            );
          }
        }
        await replays.merge();
        assert.deepEqual(await versions(), before);
      }),
      { numRuns: 30 },
    );
  });
});
