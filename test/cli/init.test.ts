/** What `init` writes by its options, off a terminal. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import fc from "fast-check";
import type { DestinationType } from "../../destinations/options.ts";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { ReplayportError } from "../../src/errors.ts";
import { initTemplate } from "../../src/config/template.ts";
import { DESTINATIONS, parseSource } from "../../src/cli/init_questions.ts";
import { commandLine, type CommandLine } from "../support/cli_process.ts";

/** For every variable that a written config may name. */
const VALUES: Readonly<Record<string, string>> = {
  CLICKHOUSE_URL: "https://host:8443",
  CLICKHOUSE_PASSWORD: "hunter22",
  LAKE_BUCKET: "acme-lake",
  CATALOG_URL: "https://catalog.acme.internal",
  CATALOG_WAREHOUSE: "acme",
  CATALOG_TOKEN: "a-token",
  BIGQUERY_PROJECT: "acme-data",
  SNOWFLAKE_ACCOUNT: "acme-analytics",
  SNOWFLAKE_PRIVATE_KEY: "a-key",
};

suite("init", () => {
  let folder: string;
  let cli: CommandLine;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    cli = commandLine(folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const loaded = async (file: string, out: string): Promise<Config> => {
    const named = [...out.matchAll(/^ {2}([A-Z_]+) +not set$/gm)].map(([, name = ""]) => name);
    return await loadConfig(join(folder, file), Object.fromEntries(named.map((name) => [name, VALUES[name]])));
  };

  for (const type of Object.keys(DESTINATIONS) as DestinationType[]) {
    test(`a config for ${type} is valid once the variables are set that init lists`, async () => {
      const file = `${type}.yaml`;
      const source = "https://reader:s3cr3t%2Fpass@ch.acme.internal:8443/?database=ph";
      const { code, out, err } = await cli.run("init", "--source", source, "--destination", type, "-c", file);
      assert.equal(code, 0, err);
      const config = await loaded(file, out);
      assert.deepEqual(
        Object.values(config.destinations).map((one) => one.type),
        [type],
      );
      assert.ok(config.source.kind === "clickhouse");
      const { url, username, password, database } = config.source;
      assert.deepEqual(
        { url, username, password, database },
        { url: "https://ch.acme.internal:8443", username: "reader", password: "hunter22", database: "ph" },
      );
      assert.doesNotMatch((await readFile(join(folder, file), "utf8")) + out + err, /s3cr3t/);
      assert.match(out, new RegExp(`replayport check --config ${file}\n {2}replayport run --due --config ${file}\n$`));
    });
  }

  test("one option is enough, and a folder is the embedded engine's, wherever the file is", async () => {
    const first = await cli.run("init", "--source", "./data/ch", "-c", "embedded.yaml");
    const { source, destinations } = await loaded("embedded.yaml", first.out);
    assert.equal(source.kind === "embedded" && source.path, join(folder, "data/ch"));
    assert.deepEqual(Object.keys(destinations), ["lake"]);
    assert.doesNotMatch(first.out, /CLICKHOUSE/);
    const second = await cli.run("init", "--destination", "file", "-c", "lake.yaml");
    assert.equal((await loaded("lake.yaml", second.out)).source.kind, "clickhouse");
    assert.match(second.out, /CLICKHOUSE_URL +not set\n {2}CLICKHOUSE_PASSWORD +not set\n.*USERNAME +not set; default/);
  });

  test("a file that exists stays as it is without --force, and a folder that is missing is an error that says so", async () => {
    await writeFile(join(folder, "mine.yaml"), "mine");
    const again = await cli.run("init", "--destination", "s3", "-c", "mine.yaml");
    assert.equal(again.code, 2);
    assert.match(again.err, /mine\.yaml already exists/);
    assert.equal(await readFile(join(folder, "mine.yaml"), "utf8"), "mine");
    assert.equal((await cli.run("init", "--force", "-c", "mine.yaml")).code, 0);
    const missing = await cli.run("init", "-c", "no/such/folder/a.yaml");
    assert.equal(missing.code, 2);
    assert.match(missing.err, /^error: .* can't be written: .*\n {2}what to do: Create its folder/);
  });

  test("a source or destination that the config couldn't have is refused, without repeating it, and nothing is written", async () => {
    for (const source of [
      "clickhouse://reader:s3cr3t@host:9000",
      "host:8123/s3cr3t",
      "https://",
      "https://reader:s3cr3t@host:port",
      "https://host:8443/?s3cr3t=1",
      "https://host:8443/#s3cr3t",
      "",
    ]) {
      assert.throws(
        () => parseSource(source),
        ({ code, message, hint }: ReplayportError) => code === "cli.options" && !/s3cr3t/.test(message + hint),
        source,
      );
    }
    const { code, out, err } = await cli.run("init", "--source", "clickhouse://reader:s3cr3t@host:9000");
    assert.equal(code, 2);
    assert.match(err, /^error: the source is neither/);
    assert.doesNotMatch(out + err, /s3cr3t/);
    const other = await cli.run("init", "--destination", "redshift");
    assert.equal(other.code, 2);
    assert.match(other.err, /Allowed choices are file, s3, snowflake, bigquery, iceberg/);
    assert.equal(existsSync(join(folder, "schedules.yaml")), false);
  });
});

test("property: a user's name, database and path arrive in the config as they were given, and the password never", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((one) => one.trim() === one);
  await fc.assert(
    fc.asyncProperty(text, text, fc.boolean(), async (username, database, asParameter) => {
      const url = new URL("https://host:8443/proxy/");
      url.searchParams.set("database", database);
      if (asParameter) {
        url.searchParams.set("user", username);
        url.searchParams.set("password", "hunter-2-hunter");
      } else {
        url.username = encodeURIComponent(username);
        url.password = "hunter-2-hunter";
      }
      const written = initTemplate(new Date(), { source: parseSource(url.href), destination: "file" });
      assert.doesNotMatch(written, /hunter/);
      const read = (): Promise<string> => Promise.reject(new Error("it names no file"));
      const result = await parseConfig(written, { file: "schedules.yaml", env: VALUES, read });
      assert.ok("config" in result);
      const { source } = result.config;
      assert.ok(source.kind === "clickhouse");
      assert.deepEqual([source.username, source.database, source.url], [username, database, "https://host:8443/proxy"]);
    }),
    { numRuns: 60 },
  );
});
