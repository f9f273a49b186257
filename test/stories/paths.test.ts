/**
 * Story 10 of issue 9: `path`, `format` or the teams change. What must be true: the printed SQL covers every folder and format
 * that the manifests name; `status` says what was loaded otherwise; keys that a manifest names outside the export's own
 * folder are not accepted.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recordings } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const daily = { schedule: "@daily", start: iso(time(0)), sweep: "off" };

suite("stories of paths and formats", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const day = async (story: Story, of: number): Promise<void> => {
    await story.insert(...recordings(`day-${of}`, 5, { start: time(of, 9) }));
    await story.ok(["run", "--due"], { at: time(of + 1, 1) });
  };

  for (const [what, changes] of [
    ["path", { path: "sessions/{export}/{year}/{month}/{day}" }],
    ["format", { format: "jsonl" }],
    ["compression of text", { format: "csv", compression: "gzip" }],
  ] as const) {
    test(`the printed SQL reads what was loaded before and after the ${what} changed`, async () => {
      await using story = await openStory(server, { export: daily });
      await day(story, 0);
      await story.configure(changes);
      const between = await story.ok(["status"], { at: time(1, 2) });
      assert.match(between.out, /1 interval \(.*\) loaded under an older path or format: .*Nothing is lost/);
      assert.equal((await story.sessions()).length, 5);
      await day(story, 1);
      assert.equal((await story.sessions()).length, 10);
      assert.equal((await story.rows(["--follow", "manifests"])).length, 10);
      await story.ok(["backfill", "replays", "--from", iso(time(0)), "--to", iso(time(1)), "--force"], {
        at: time(1, 3),
      });
      assert.deepEqual((await story.status({ at: time(1, 4) }))["otherFolders"], []);
      assert.equal((await story.sessions()).length, 10);
    });
  }

  test("status says that a team was added whose history is not loaded", async () => {
    await using story = await openStory(server, { export: { ...daily, team_id: [1] } });
    await story.insert(...recordings("two", 5, { start: time(0, 9), team: 2 }));
    await day(story, 0);
    await story.configure({ team_id: [1, 2] });
    const { out } = await story.ok(["status"], { at: time(1, 2) });
    assert.match(out, /loaded for another selection \(model, team_id or where\)/);
    const [, command = ""] = /load what is missing: replayport (.*)/.exec(out) ?? [];
    await story.ok(command.split(" "), { at: time(1, 3) });
    assert.equal((await story.sessions()).length, 10);
    assert.doesNotMatch((await story.ok(["status"], { at: time(1, 4) })).out, /selection/);
  });

  test("status tells a change of columns from one of the rows that are selected", async () => {
    await using story = await openStory(server, { export: daily });
    await day(story, 0);
    await story.configure({ columns: { exclude: ["first_url"] } });
    const columns = (await story.ok(["status"], { at: time(1, 2) })).out;
    assert.match(columns, /older rules of the export \(columns\): the same rows/);
    assert.doesNotMatch(columns, /selection/);
    await story.configure({ columns: {}, where: { click_count: { min: 1 } } });
    const where = (await story.ok(["status"], { at: time(1, 2) })).out;
    assert.match(where, /another selection/);
    assert.doesNotMatch(where, /older rules/);
  });

  test("a receipt that names a file outside the lake deletes nothing there", async () => {
    await using story = await openStory(server, { export: daily });
    await day(story, 0);
    const { root, names } = await story.files();
    const name =
      names.find((one) => /_replayport\/replays\/\d{8}T.*\.json$/.test(one)) ?? assert.fail("there is no receipt");
    const outside = join(story.folder, "precious.txt");
    await writeFile(outside, "precious");
    const receipt = JSON.parse(await readFile(join(root, name), "utf8")) as { files: { key: string }[] };
    for (const file of receipt.files) file.key = "../precious.txt";
    await writeFile(join(root, name), JSON.stringify(receipt));
    await story.cli(["run", "replays", "--interval", iso(time(0))], { at: time(1, 2), until: /will try again/ });
    assert.equal(await readFile(outside, "utf8").catch(() => "gone"), "precious");
  });
});
