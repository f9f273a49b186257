/** Commands need only the variables that they use, and name those that are missing. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { commandLine, type CommandLine, ended } from "../support/cli_process.ts";
import { redisServer } from "../support/redis.ts";
import { writeReceipts } from "../support/lake_fixture.ts";

const HOUR = 3_600_000;
const START = new Date(Math.floor(Date.now() / HOUR) * HOUR - 12 * HOUR);

const CONFIG = `posthog_url: "\${POSTHOG_URL}"
source:
  clickhouse:
    url: "\${CLICKHOUSE_URL}"
    password: "\${CLICKHOUSE_PASSWORD}"
destinations:
  lake: { type: file, path: "./\${LAKE_FOLDER:-lake}" }
  bucket:
    type: s3
    bucket: "\${BUCKET}"
    region: eu-central-1
    access_key_id: "\${KEY_ID}"
    secret_access_key: "\${SECRET_KEY}"
  table: { type: iceberg, catalog: { uri: "http://127.0.0.1:1", token: "\${CATALOG_TOKEN}" }, namespace: [posthog] }
  warehouse:
    type: snowflake
    account: acme-analytics
    username: REPLAYPORT
    private_key: "\${SNOWFLAKE_PRIVATE_KEY}"
    database: ANALYTICS
    schema: POSTHOG
    table: SESSION_REPLAYS
exports:
  replays: { model: session_replays, team_id: 1, destination: lake, schedule: "@hourly", start: ${START.toISOString()}, columns: { hash: [distinct_id] } }
  teams: { model: session_replays, team_id: "\${TEAM}", destination: lake, schedule: "@hourly", start: 2026-10-01 }
  far: { model: session_replays, team_id: 1, destination: bucket, schedule: "@hourly", start: 2026-10-01 }
  icy: { model: session_replays, team_id: 1, destination: table, schedule: "@hourly", start: 2026-10-01 }
  snow: { model: session_replays, team_id: 1, destination: warehouse, schedule: "@hourly", start: 2026-10-01 }
limits: { memory: "\${MEMORY}" }
hash_salt: "\${SALT}"
http: { token: "\${HTTP_TOKEN}" }
alerts: { webhook: "\${WEBHOOK}" }
`;
/** Of the config above, in its order. */
const ALL = [
  "POSTHOG_URL",
  "CLICKHOUSE_URL",
  "CLICKHOUSE_PASSWORD",
  "BUCKET",
  "KEY_ID",
  "SECRET_KEY",
  "CATALOG_TOKEN",
  "SNOWFLAKE_PRIVATE_KEY",
  "TEAM",
  "MEMORY",
  "SALT",
  "HTTP_TOKEN",
  "WEBHOOK",
];

const named = (text: string): string[] =>
  [...text.matchAll(/the environment variable (\w+) is missing/g)].map(([, name = ""]) => name);

suite("commands and the variables of the config", () => {
  let folder: string;
  let cli: CommandLine;
  /** What is printed names no placeholder and nothing that stands for a missing value. */
  const run = async (...args: string[]): Promise<Awaited<ReturnType<CommandLine["run"]>>> => {
    const result = await cli.run(...args);
    // A problem shows the line of the file, nothing else does.
    const said = `${result.out}${result.err}`.replaceAll(/\(it says [^)]*\)|or write \$\{\w+:-default\}/g, "");
    assert.doesNotMatch(said, /\$\{|missingvariable/, args.join(" "));
    return result;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    cli = commandLine(folder);
    await writeFile(join(folder, "schedules.yaml"), CONFIG);
    await writeFile(join(folder, "fleet.yaml"), `${CONFIG}redis: { url: "\${REDIS_URL}" }\n`);
    await writeReceipts(join(folder, "lake"), "replays", [{ start: START, end: new Date(START.getTime() + HOUR) }]);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const args of [
    ["sql", "replays"],
    ["sql", "replays", "--follow", "manifests", "--engine", "clickhouse"],
    ["sql", "icy"],
    ["sql", "snow", "--view", "replays"],
    ["runs", "replays"],
    ["gc", "replays"],
    ["status", "replays", "--json"],
  ] as const) {
    test(`${args.join(" ")} needs no variable`, async () => {
      const { code, out, err } = await run(...args);
      assert.equal(code, 0, err);
      assert.notEqual(out, "");
    });
  }

  test("status of an export shows it, and says that its rules can't be compared without what they need", async () => {
    const { code, out, err } = await run("status", "replays");
    assert.equal(code, 0, err);
    assert.match(out, /replays .*11/);
    assert.deepEqual(named(err), ["SALT"]);
  });

  for (const [args, names] of [
    [["sql", "far"], ["BUCKET"]],
    [["status", "far"], ["BUCKET"]],
    [["status", "icy"], ["CATALOG_TOKEN"]],
    [["gc", "icy"], ["CATALOG_TOKEN"]],
    [["runs", "snow"], ["SNOWFLAKE_PRIVATE_KEY"]],
    [["sql", "teams"], ["TEAM"]],
    [["audit", "replays"], ["MEMORY"]],
    [["adopt", "replays"], ["CLICKHOUSE_URL"]],
    [["check"], ALL],
    [["run", "--due"], ALL],
    [["run", "replays", "--due"], ALL],
    [["backfill", "replays", "--from", "2026-10-01", "--to", "2026-10-02", "--plan"], ALL],
    [["worker"], ALL],
    [["pause", "replays", "-c", "fleet.yaml"], ["REDIS_URL"]],
    [["runs", "-c", "fleet.yaml"], ["REDIS_URL"]],
  ] as const) {
    test(`${args.join(" ")} names ${names.length === ALL.length ? "every variable" : names.join()} and its place`, async () => {
      const { code, out, err } = await run(...args);
      const found = named(err);
      for (const name of names) assert.ok(found.includes(name), `${name}: ${err}`);
      if (names.length < ALL.length) assert.ok(found.length <= 3 && !found.includes("HTTP_TOKEN"), err);
      else assert.deepEqual(found, names);
      assert.match(err, /\.yaml:\d+:\d+ {2}\S+: the environment variable/);
      assert.match(err, /Set \w+ to a value that is not empty/);
      assert.equal(code, 2);
      assert.equal(out, "");
    });
  }

  test("pause, resume and retry of an export need the address of its own destination only", async (t) => {
    const redis = await redisServer();
    if ("skip" in redis) return t.skip(redis.skip);
    const known = {
      POSTHOG_URL: "https://eu.posthog.com",
      CLICKHOUSE_URL: "http://127.0.0.1:1",
      REDIS_URL: redis.url,
    } as const;
    const prefix = `redis: { url: "\${REDIS_URL}", prefix: paused }\n`;
    await writeFile(join(folder, "paused.yaml"), CONFIG + prefix);
    for (const command of ["pause", "resume", "retry"]) {
      const { code, err } = await ended(cli.begin([command, "replays", "-c", "paused.yaml"], known));
      assert.equal(code, 0, err);
    }
    const { code, err } = await ended(cli.begin(["pause", "far", "-c", "paused.yaml"], known));
    assert.deepEqual([code, named(err)], [2, ["BUCKET"]], err);
  });

  test("status shows each export that it can read, and for the others the variable", async () => {
    const { code, out } = await run("status", "--json");
    assert.equal(code, 1);
    const rows = JSON.parse(out) as {
      export: string;
      intervals: number | null;
      ledgerError: { message: string } | null;
    }[];
    const of = (name: string) => rows.find((row) => row.export === name) ?? assert.fail(name);
    assert.equal(of("replays").intervals, 1);
    for (const [name, variable] of [
      ["teams", "TEAM"],
      ["far", "BUCKET"],
      ["icy", "CATALOG_TOKEN"],
      ["snow", "SNOWFLAKE_PRIVATE_KEY"],
    ] as const) {
      assert.ok(named(of(name).ledgerError?.message ?? "").includes(variable), name);
    }
  });

  test("status of an export in a fleet without the variables of its Redis shows the ledger, and what is missing", async () => {
    const { code, out } = await run("status", "replays", "-c", "fleet.yaml");
    assert.equal(code, 0);
    assert.match(out, /The fleet's part is missing/);
    assert.match(out, /REDIS_URL/);
  });

  test("another mistake in the config refuses every command, beside the variables", async () => {
    await writeFile(join(folder, "wrong.yaml"), `${CONFIG}exprots: {}\n`);
    const { code, err } = await run("sql", "replays", "-c", "wrong.yaml");
    assert.equal(code, 2);
    assert.match(err, /exprots: unknown key/);
    assert.deepEqual(named(err), ALL);
  });
});
