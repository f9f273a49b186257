/**
 * Story 9 of issue 9: whether time is swept was decided by the receipt's time of commit, or by its file's mtime. What must be
 * true: the time at which a batch was *read* decides. A load that took long, a lake that was copied, synced to a bucket or
 * restored from a backup is swept as if nothing had happened.
 */
import assert from "node:assert/strict";
import { cp, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { s3Server } from "../support/s3.ts";
import { recordings } from "./partial_rows.ts";
import { isExtract } from "./source_proxy.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const s3 = await s3Server();
const hourly = { start: iso(time(0, 22)) };

suite("stories of what is swept", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const load = async (story: Story): Promise<void> => {
    await story.insert(...recordings("first", 5, { start: time(0, 22, 10) }));
    await story.ok(["run", "--due"], { at: time(1, 0, 10) });
  };
  /** Rows become visible after their hour was read: only the sweep can find them. */
  const late = async (story: Story): Promise<number> => {
    await story.insert(...recordings("late", 5, { start: time(0, 22, 20) }));
    await story.ok(["run", "--due", "--limit", "1"], { at: time(2, 0, 30) });
    return (await story.rows()).length;
  };

  test("a load that takes a day and a half is swept all the same", async () => {
    await using story = await openStory(server, { export: { ...hourly, sweep: { after: "12h" } } });
    await story.insert(...recordings("first", 5, { start: time(0, 22, 10) }));
    let moved = false;
    story.proxy.answer = (answered, asked) => {
      // The hours are read; then the machine sleeps, or the disk is slow, until the next day.
      if (isExtract(asked)) moved = true;
      return answered;
    };
    story.proxy.ask = async (asked) => {
      if (isExtract(asked)) await story.moveClock(time(1, 12, 30));
      return undefined;
    };
    await story.cli(["run", "--due"], { at: time(1, 0, 10), until: /will try again/ });
    assert.ok(moved, "nothing was read");
    story.proxy.ask = () => undefined;
    assert.equal(await late(story), 10);
  });

  test("a lake that was copied is swept all the same", async () => {
    await using story = await openStory(server, { export: hourly });
    await load(story);
    const lake = join(story.folder, "lake");
    await cp(lake, `${lake}-copy`, { recursive: true });
    await rm(lake, { recursive: true });
    await cp(`${lake}-copy`, lake, { recursive: true });
    assert.equal(await late(story), 10);
  });

  test("a lake whose files a backup has restored with other times is swept all the same", async () => {
    await using story = await openStory(server, { export: hourly });
    await load(story);
    const { root, names } = await story.files();
    for (const name of names) await utimes(join(root, name), time(1, 23, 59) / 1000, time(5) / 1000);
    assert.equal(await late(story), 10);
  });

  test(
    "a bucket that was synced later than its batches were read is swept all the same",
    { skip: "skip" in s3 ? s3.skip : false },
    async () => {
      if ("skip" in s3) return;
      await using story = await openStory(server, { export: hourly, s3: { server: s3 } });
      // The server's own clock is weeks ahead of the story's, as after a sync: each object is as new as that.
      await load(story);
      assert.equal(await late(story), 10);
    },
  );
});
