/**
 * Story 11 of issue 9: queries fail during a reload, since replaced files go at once. What must be true: a file that a query
 * may have listed stays readable for `keep_replaced` (an hour); it goes with a later load. And a reader in a loop never
 * sees an error, nor a session missing.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recordings } from "./partial_rows.ts";
import { iso, openStory, query, type Story, time } from "./story.ts";

const hourly = { start: iso(time(0, 9)), sweep: { after: "1h", schedule: "0 */6 * * *" } };

suite("stories of readers", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const load = async (story: Story): Promise<void> => {
    for (const hour of [9, 10, 11]) await story.insert(...recordings(`hour-${hour}`, 10, { start: time(0, hour, 10) }));
    await story.ok(["run", "--due"], { at: time(0, 12, 10) });
  };
  const data = async (story: Story): Promise<string[]> => {
    const { root, names } = await story.files();
    return names
      .filter((name) => /[^/]*\d{8}T[^/]*\.parquet$/.test(name) && !name.includes("/."))
      .map((name) => `${root}/${name}`);
  };
  /** What a query reads that has listed the folder some time ago. */
  const readable = async (files: readonly string[]): Promise<number> =>
    (await query(`SELECT DISTINCT session_id FROM read_parquet([${files.map((file) => `'${file}'`).join(", ")}])`))
      .length;

  test("a query that listed the files before a forced reload can read them after it", async () => {
    await using story = await openStory(server, { export: hourly });
    await load(story);
    const listed = await data(story);
    await story.ok(["backfill", "replays", "--from", iso(time(0, 9)), "--to", iso(time(0, 12)), "--force"], {
      at: time(0, 12, 20),
    });
    assert.equal(await readable(listed), 30);
  });

  test("a query that listed the files before a sweep can read them after it", async () => {
    await using story = await openStory(server, { export: hourly });
    await load(story);
    const listed = await data(story);
    await story.ok(["run", "--due"], { at: time(0, 13, 10) });
    assert.equal(await readable(listed), 30);
  });

  test("replaced files go with the first load after keep_replaced", async () => {
    await using story = await openStory(server, { export: { ...hourly, sweep: "off" } });
    await load(story);
    const listed = await data(story);
    const again = ["run", "replays", "--interval", iso(time(0, 9))];
    await story.ok(again, { at: time(0, 12, 20) });
    const between = await data(story);
    assert.deepEqual(
      listed.filter((file) => !between.includes(file)),
      [],
      "a replaced file went at once",
    );
    await story.ok(["run", "--due"], { at: time(0, 14, 10) });
    const left = await data(story);
    assert.equal(listed.filter((file) => !left.includes(file)).length, 1, "the replaced file is still there");
  });

  test("readers in a loop see every session and no error while hours are reloaded", async () => {
    await using story = await openStory(server, { export: { ...hourly, start: iso(time(0, 0)), sweep: "off" } });
    for (let hour = 0; hour < 12; hour += 1)
      await story.insert(...recordings(`hour-${hour}`, 10, { start: time(0, hour, 10) }));
    await story.ok(["run", "--due"], { at: time(0, 12, 10) });
    const sql = await story.statement();
    const range = ["--from", iso(time(0, 0)), "--to", iso(time(0, 12))];
    const done = new AbortController();
    const reload = (async () => {
      await story.ok(["backfill", "replays", ...range, "--force", "--interval", "schedule"], { at: time(0, 12, 20) });
    })().finally(() => done.abort());
    const seen = new Map<string, number>();
    const reads = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const found = await query(sql).then(
          (rows) => `${rows.length} sessions`,
          (error: unknown) => String(error).replaceAll(/"[^"]*"/g, "a file"),
        );
        seen.set(found, (seen.get(found) ?? 0) + 1);
      }
    };
    await Promise.all([reload, reads(), reads(), reads()]);
    assert.deepEqual([...seen.keys()], ["120 sessions"], JSON.stringify([...seen]));
  });
});
