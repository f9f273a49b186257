/**
 * Story 4 of issue 9: a machine whose clock is ahead. What must be true: an interval that has not ended by the worker's and
 * the source's clock is neither read nor counted as covered; a difference of more than half of `settle` is the error
 * `source.clock`, said by `run`, `check` and `status`; what a wrong clock has written does not stop the right one.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { s3Server } from "../support/s3.ts";
import { recordings } from "./partial_rows.ts";
import { DAY, iso, openStory, type Story, time } from "./story.ts";

const s3 = await s3Server();

suite("stories of clocks", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const daily = { schedule: "@daily", start: iso(time(0)) };
  const PATIENCE = { until: /will try again/ };

  /** What a machine that is four days ahead does, and then five days of one that is not. */
  const fiveDays = async (story: Story): Promise<void> => {
    await story.insert(
      ...recordings("day-0", 50, { start: time(0, 9) }),
      ...recordings("day-1", 50, { start: time(1, 9) }),
    );
    await story.cli(["run", "--due"], { at: time(6, 1), sourceAt: time(2, 1), ...PATIENCE });
    for (const day of [2, 3, 4]) {
      await story.insert(...recordings(`day-${day}`, 50, { start: time(day, 9) }));
      await story.cli(["run", "--due"], { at: time(day + 1, 1), ...PATIENCE });
    }
    for (const day of [6, 7]) await story.cli(["run", "--due"], { at: time(day, 1), ...PATIENCE });
  };

  test("one run on a machine four days ahead loses nothing of the days to come", async () => {
    await using story = await openStory(server, { export: daily });
    await fiveDays(story);
    assert.equal((await story.rows()).length, 250);
  });

  test("one run on a machine four days ahead loses nothing where nothing sweeps", async () => {
    await using story = await openStory(server, { export: { ...daily, sweep: "off" } });
    await fiveDays(story);
    assert.equal((await story.rows()).length, 250);
  });

  for (const [name, command] of [
    ["run", ["run", "--due"]],
    ["check", ["check"]],
  ] as const) {
    test(`${name} on a machine four days ahead names the clock and commits nothing`, async () => {
      await using story = await openStory(server, { export: daily });
      await story.insert(...recordings("day-0", 5, { start: time(0, 9) }));
      const { code, out, err } = await story.cli(command, { at: time(6, 1), sourceAt: time(2, 1), ...PATIENCE });
      assert.notEqual(code, 0);
      assert.match(`${out}${err}`, /source\.clock|clock/);
      assert.deepEqual(
        (await story.files()).names.filter((file) => /\d{8}T\d{6}Z/.test(file)),
        [],
      );
    });
  }

  test("status on a machine four days ahead names the clock", async () => {
    await using story = await openStory(server, { export: daily });
    const { out, err } = await story.cli(["status"], { at: time(6, 1), sourceAt: time(2, 1) });
    assert.match(`${out}${err}`, /clock/);
  });

  test(
    "a reload on S3 succeeds after a machine that was 40 days ahead",
    { skip: "skip" in s3 ? s3.skip : false },
    async () => {
      if ("skip" in s3) return;
      await using story = await openStory(server, { export: daily, s3: { server: s3 } });
      await story.insert(...recordings("day-0", 5, { start: time(0, 9) }));
      const again = ["backfill", "replays", "--from", iso(time(0)), "--to", iso(time(1)), "--force"];
      await story.cli(again, { at: time(2) + 40 * DAY, sourceAt: time(2), ...PATIENCE });
      await story.insert(...recordings("late", 5, { start: time(0, 10) }));
      const { code, err } = await story.cli(again, { at: time(2, 1), ...PATIENCE });
      assert.deepEqual({ code, sessions: (await story.rows()).length }, { code: 0, sessions: 10 }, err);
    },
  );

  test("a reload on disk succeeds after a machine that was 40 days ahead", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...recordings("day-0", 5, { start: time(0, 9) }));
    const again = ["backfill", "replays", "--from", iso(time(0)), "--to", iso(time(1)), "--force"];
    await story.cli(again, { at: time(2) + 40 * DAY, sourceAt: time(2), ...PATIENCE });
    await story.insert(...recordings("late", 5, { start: time(0, 10) }));
    const { code, err } = await story.cli(again, { at: time(2, 1), ...PATIENCE });
    assert.deepEqual({ code, sessions: (await story.rows()).length }, { code: 0, sessions: 10 }, err);
  });
});
