/**
 * Story 7 of issue 9: a worker is killed between the upload and the commit of an hour, and its machine is back after two days,
 * when a sweep covers the hour. What must be true: what readers of the folder see is what the receipts count. A file of
 * the dead attempt is either not visible, or gone, or named by a manifest; erased people are in none of them.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { openFaultProxy } from "../support/fault_proxy.ts";
import { s3Server } from "../support/s3.ts";
import { recordings } from "./partial_rows.ts";
import { DAY, iso, openStory, type Story, time } from "./story.ts";

const s3 = await s3Server();
/** The sweep's window begins before the hour that dies: it is another interval. */
const hourly = { start: iso(time(0, 22)) };
const RUN = ["run", "replays", "--interval", iso(time(0, 23))];

suite("stories of dead attempts", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  /** Dies by SIGKILL at the step that makes the receipt of an hour visible in a folder. */
  const dies = async (story: Story): Promise<void> => {
    const module = join(story.folder, "dies.mjs");
    await writeFile(
      module,
      `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
for (const name of ["link", "rename"]) {
  const real = fs.promises[name];
  fs.promises[name] = async (from, to) => {
    if (/_replayport.*\\d{8}T\\d{6}Z_.*\\.json$/.test(String(to))) process.kill(process.pid, "SIGKILL");
    return await real(from, to);
  };
}
syncBuiltinESMExports();\n`,
    );
    const { code } = await story.cli(RUN, { at: time(1, 0, 10), imports: [module] });
    assert.equal(code, null, "it was not killed");
  };

  const agree = async (story: Story): Promise<void> => {
    const { rows } = await story.status();
    const [seen, named] = [await story.sessions(), await story.rows(["--follow", "manifests"])];
    assert.deepEqual(seen, named.map((row) => String(row["session_id"])).sort(), "readers see what no receipt names");
    assert.equal(seen.length, rows, "readers and status differ");
  };

  const eachFileIsNamed = async (story: Story): Promise<void> => {
    const { root, names } = await story.files();
    const receipts = await Promise.all(
      names.filter((name) => name.endsWith(".json")).map(async (name) => await readFile(join(root, name), "utf8")),
    );
    const unnamed = names.filter(
      (name) =>
        name.endsWith(".parquet") && !name.split("/").at(-1)?.startsWith(".") && !receipts.join().includes(name),
    );
    assert.deepEqual(unnamed, []);
  };

  test("an hour's file of a killed worker is not current after the sweep of an erased source", async () => {
    await using story = await openStory(server, { export: hourly });
    await story.insert(...recordings("erased", 5, { start: time(0, 23, 10) }));
    await dies(story);
    await story.source(`TRUNCATE TABLE ${story.table}`);
    await story.ok(["run", "--due", "--limit", "1"], { at: time(2, 0, 30) });
    await agree(story);
    await eachFileIsNamed(story);
  });

  test("an hour's file of a killed worker does not keep people in the lake that a column rule hides", async () => {
    await using story = await openStory(server, { export: hourly });
    await story.insert(...recordings("hidden", 5, { start: time(0, 23, 10) }));
    await dies(story);
    await story.configure({ columns: { exclude: ["distinct_id"] } });
    await story.ok(["run", "--due", "--limit", "1"], { at: time(2, 0, 30) });
    await eachFileIsNamed(story);
    await agree(story);
  });

  test("gc lists the file of a killed worker and removes it with --delete", async () => {
    await using story = await openStory(server, { export: hourly });
    await story.insert(...recordings("a", 5, { start: time(0, 23, 10) }));
    await dies(story);
    const visible = (await story.files()).names.filter((name) => name.endsWith(".parquet"));
    // By the file system's clock, which is the machine's: what is younger than a day may belong to a live load.
    const later = Date.now() + 2 * DAY;
    const { out } = await story.ok(["gc", "replays"], { at: later });
    for (const name of visible) assert.ok(out.includes(name.split("/").at(-1) ?? ""), `${name} is not listed`);
    await story.ok(["gc", "replays", "--delete"], { at: later });
    assert.deepEqual(
      (await story.files()).names.filter((name) => name.endsWith(".parquet")),
      [],
    );
  });

  test(
    "a worker that is killed while S3 commits its hour leaves nothing for readers",
    { skip: "skip" in s3 ? s3.skip : false },
    async () => {
      if ("skip" in s3) return;
      await using proxy = await openFaultProxy(s3.endpoint);
      await using story = await openStory(server, { export: hourly, s3: { server: s3, endpoint: proxy.url } });
      await story.insert(...recordings("erased", 5, { start: time(0, 23, 10) }));
      const { child, ended } = await story.start(RUN, { at: time(1, 0, 10) });
      proxy.decide(({ method, path }) => {
        if (method !== "PUT" || !/_replayport\/[^?]*\d{8}T\d{6}Z_[^?]*\.json/.test(decodeURIComponent(path)))
          return undefined;
        child.kill("SIGKILL");
        return { kind: "cut-request" };
      });
      assert.equal((await ended).code, null, "it was not killed");
      proxy.decide(() => undefined);
      await story.source(`TRUNCATE TABLE ${story.table}`);
      await story.ok(["run", "--due", "--limit", "1"], { at: time(2, 0, 30) });
      await agree(story);
      await eachFileIsNamed(story);
    },
  );
});
