/**
 * A lake that 0.1.0 wrote is read and carried on: its manifests have layout 1, no owner and no read time in their names,
 * and its `_version` is a number. lake_of_0_1_0 is such a lake: two hours of four sessions, loaded at 12:10.
 * And story 4 of issue 9: what a machine with a wrong clock has written there does not stop the right one.
 */
import assert from "node:assert/strict";
import { cp, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recording, recordings } from "./partial_rows.ts";
import { DAY, iso, openStory, type Story } from "./story.ts";

/** The columns of 0.1.0 that its files lack, to keep them small. */
const LEFT_OUT =
  "active_seconds inactive_seconds all_urls keypress_count mouse_activity_count active_milliseconds console_log_count " +
  "console_warn_count console_error_count size event_count snapshot_library snapshot_mode retention_period_days " +
  "ai_tags_fixed ai_tags_freeform ai_highlighted surfacing_score activity_score replay_url";
const TEN = Date.UTC(2026, 9, 1, 10);
const HOUR = 3_600_000;
const at = (hours: number): number => TEN + hours * HOUR + 600_000;

suite("stories of a lake of 0.1.0", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  /** The source as it was when 0.1.0 read it. */
  const carriedOn = async (changes: Readonly<Record<string, unknown>> = {}): Promise<Story> => {
    const story = await openStory(server, {
      export: { start: iso(TEN), columns: { exclude: LEFT_OUT.split(" ") }, ...changes },
    });
    await cp(join(import.meta.dirname, "lake_of_0_1_0"), join(story.folder, "lake"), { recursive: true });
    const { root, names } = await story.files();
    for (const name of names.filter((one) => one.endsWith(".json"))) {
      // One line, as it was written; the formatter has laid it out.
      const receipt: unknown = JSON.parse(await readFile(join(root, name), "utf8"));
      await writeFile(join(root, name), `${JSON.stringify(receipt)}\n`);
      await utimes(join(root, name), at(2) / 1000, at(2) / 1000);
    }
    await story.insert(
      ...recordings("ten", 4, { start: TEN + 600_000 }),
      ...recordings("eleven", 4, { start: TEN + HOUR + 600_000 }),
    );
    return story;
  };

  test("the printed SQL reads a lake whose files lack columns that were added since", async () => {
    await using story = await carriedOn({ columns: {} });
    assert.equal((await story.sessions()).length, 8);
  });

  test("the sessions of a lake of 0.1.0 are read together with those of the next hour", async () => {
    await using story = await carriedOn();
    await story.insert(...recordings("twelve", 4, { start: TEN + 2 * HOUR + 600_000 }));
    await story.ok(["run", "--due"], { at: at(3) });
    assert.equal((await story.sessions()).length, 12);
    assert.equal((await story.rows(["--follow", "manifests"])).length, 12);
  });

  test("a session of a lake of 0.1.0 that has changed since is read as it is now", async () => {
    await using story = await carriedOn();
    await story.insert(recording("ten-0000", { start: TEN + 2 * HOUR + 600_000, clicks: 40 }));
    await story.ok(["run", "--due"], { at: at(3) });
    const clicks = new Map((await story.rows()).map((row) => [row["session_id"], row["click_count"]]));
    assert.deepEqual([clicks.get("ten-0000"), clicks.get("ten-0001")], [43, 3]);
  });

  test("a sweep of a lake of 0.1.0 keeps the sessions that the source has lost", async () => {
    await using story = await carriedOn();
    await story.source(
      `ALTER TABLE ${story.table} DELETE WHERE startsWith(session_id, 'ten') SETTINGS mutations_sync = 2`,
    );
    const { code, err } = await story.cli(["run", "--due", "--limit", "1"], { at: TEN - 10 * HOUR + 2 * DAY + HOUR });
    assert.deepEqual({ code, sessions: (await story.sessions()).length }, { code: 0, sessions: 8 }, err);
  });

  test("an hour that a machine 40 days ahead has read can be loaded again by one whose clock is right", async () => {
    await using story = await carriedOn();
    const { root, names } = await story.files();
    const receipt = join(
      root,
      names.find((name) => name.endsWith("T110000Z.000000.json")) ?? assert.fail("no receipt"),
    );
    const ahead = iso(at(2) + 40 * DAY);
    await writeFile(
      receipt,
      (await readFile(receipt, "utf8")).replaceAll(/"(readAt|committedAt)":"[^"]*"/g, `"$1":"${ahead}"`),
    );
    await story.insert(...recordings("late", 2, { start: TEN + 700_000 }));
    const { code, err } = await story.cli(["run", "replays", "--interval", iso(TEN)], {
      at: at(3),
      until: /will try again/,
    });
    assert.deepEqual({ code, sessions: (await story.sessions()).length }, { code: 0, sessions: 10 }, err);
  });
});
