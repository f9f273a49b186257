/**
 * Story 10 of issue 9: two installations share a prefix and an export's name. The second one is refused with the first one's
 * name and the way out (`adopt`), and nothing in the lake changes.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recordings } from "./partial_rows.ts";
import { iso, openStory, type Story, time } from "./story.ts";

const daily = { schedule: "@daily", start: iso(time(0)), sweep: "off" };

suite("stories of owners", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const day = async (story: Story, of: number): Promise<void> => {
    await story.insert(...recordings(`day-${of}`, 5, { start: time(of, 9) }));
    await story.ok(["run", "--due"], { at: time(of + 1, 1) });
  };

  test("an installation with another source refuses a lake that is not its own and names the way out", async () => {
    await using first = await openStory(server, { export: daily });
    await using second = await openStory(server, { export: daily });
    await day(first, 0);
    await second.insert(...recordings("other", 5, { start: time(0, 9) }));
    const names = (await first.files()).names;
    // The second installation writes to the same folder under the same name.
    const config = JSON.parse(await readFile(join(second.folder, "schedules.yaml"), "utf8")) as {
      destinations: { lake: object };
    };
    config.destinations.lake = { type: "file", path: join(first.folder, "lake") };
    await writeFile(join(second.folder, "schedules.yaml"), JSON.stringify(config));
    const { code, err } = await second.cli(["run", "--due"], { at: time(1, 1), until: /will try again/ });
    assert.equal(code, 1);
    assert.match(err, /adopt/);
    assert.deepEqual((await first.files()).names, names);
    const adopted = await second.ok(["adopt"], { at: time(1, 2) });
    assert.match(
      adopted.out,
      /belongs to 127\.0\.0\.1\/replayport_story_\w+ now, no longer to 127\.0\.0\.1\/replayport_story_/,
    );
    await second.ok(["run", "--due"], { at: time(1, 2) });
    // The first one's receipt covered the day.
    await second.ok(["run", "replays", "--interval", iso(time(0))], { at: time(1, 3) });
    assert.equal((await first.sessions()).length, 10);
    const refused = await first.cli(["check"], { at: time(1, 4) });
    assert.equal(refused.code, 1);
    assert.match(refused.out, /belongs to another installation/);
  });

  test("an installation for another PostHog refuses a lake that is not its own and names the way out", async () => {
    await using story = await openStory(server, { export: daily });
    await day(story, 0);
    await story.configure({}, "other.yaml", { posthog_url: "https://us.posthog.example" });
    const { code, err } = await story.cli(["run", "--due"], { at: time(1, 1), config: "other.yaml" });
    assert.equal(code, 1);
    assert.match(err, /adopt/);
  });

  test("a name in the config survives a move of PostHog, and a team that is added changes no owner", async () => {
    await using story = await openStory(server, { export: { ...daily, team_id: [1] } });
    await story.configure({}, "schedules.yaml", { installation: "acme production" });
    await day(story, 0);
    await story.configure({ team_id: [1, 2] }, "schedules.yaml", {
      installation: "acme production",
      posthog_url: "https://us.posthog.example",
    });
    await day(story, 1);
    assert.equal((await story.sessions()).length, 10);
  });
});
