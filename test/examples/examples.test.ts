/** The examples: each config resolves, `sql` prints what reads it, and the lake on disk is loaded from the demo's ClickHouse. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { assertCommand } from "../support/command_line.ts";
import { embeddedSkip } from "../support/embedded.ts";

const root = join(import.meta.dirname, "../..");
const examples = globSync("*/", { cwd: join(root, "examples") }).sort();
/** What users set. Nobody answers at these addresses. */
const VALUES: Readonly<Record<string, string>> = {
  CLICKHOUSE_URL: "http://127.0.0.1:9",
  CLICKHOUSE_PASSWORD: "a-password-of-clickhouse",
  SNOWFLAKE_PRIVATE_KEY: "a-private-key",
  REPLAYPORT_HASH_SALT: "a-salt-of-the-examples",
  REPLAYPORT_TOKEN: "a-token-of-the-examples",
  ALERT_WEBHOOK: "https://hooks.example.com/alerts",
  AWS_ACCESS_KEY_ID: "a-key",
  AWS_SECRET_ACCESS_KEY: "a-secret-of-aws",
  AWS_ENDPOINT_URL: "http://127.0.0.1:9",
  AWS_MAX_ATTEMPTS: "1",
};
const configOf = (example: string): string => join(root, "examples", example, "schedules.yaml");

/** The command as a user runs it, in a process of its own. */
async function replayport(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, "src/cli/main.ts"), ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    timeout: 300_000,
    maxBuffer: 2 ** 26,
  });
  return stdout;
}

suite("the examples", () => {
  test("every example has a config and a README, and the list names it", () => {
    const list = readFileSync(join(root, "examples/README.md"), "utf8");
    assert.ok(examples.length >= 7);
    for (const example of examples) {
      for (const file of ["README.md", "schedules.yaml"])
        assert.ok(existsSync(join(root, "examples", example, file)), `${example}/${file}`);
      assert.ok(list.includes(`(${example}/README.md)`), example);
    }
  });

  for (const example of examples) {
    test(`the config of ${example} resolves, with the variables that a user sets`, async () => {
      const config = await loadConfig(configOf(example), VALUES);
      assert.ok(config.exports.length > 0);
    });
  }

  const READ: readonly (readonly [example: string, args: readonly string[], prints: RegExp])[] = [
    ["s3-athena", ["replays", "--engine", "athena", "--view", "replays"], /s3:\/\/acme-lake\/posthog\/replays/],
    ["snowflake", [], /FROM "ANALYTICS"\."POSTHOG"\."SESSION_REPLAYS"/],
    ["bigquery", [], /FROM `acme-data\.posthog\.session_replays`/],
    ["iceberg-glue", ["--engine", "trino"], /session_replays/],
    ["teams-hashed", ["mobile"], /s3:\/\/acme-lake\/posthog\/mobile/],
    ["fleet", ["--engine", "duckdb"], /s3:\/\/acme-lake\/posthog\/replays/],
  ];
  for (const [example, args, prints] of READ) {
    test(`sql prints how to read what ${example} loads`, { timeout: 300_000 }, async () => {
      assert.match(await replayport(VALUES, "--config", configOf(example), "sql", ...args), prints);
    });
  }

  test(
    "the lake on disk is loaded from the demo's ClickHouse, every day of it",
    { skip: embeddedSkip, timeout: 600_000 },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
      try {
        const demo = join(folder, "demo");
        const env = { DEMO: demo, LAKE: join(folder, "lake"), REPLAYPORT_STAGE_DIR: join(folder, "stage") };
        await replayport(env, "demo", "--sessions", "1000", "--days", "1", "--dir", demo, "--json");
        const config = ["--config", configOf("disk-lake")];
        await replayport(env, ...config, "check");
        await replayport(env, ...config, "--quiet", "run", "--due");
        const receipts = globSync("_replayport/replays/2*.json", { cwd: env.LAKE });
        const rows = await Promise.all(
          receipts.map(async (file) => {
            const { files } = JSON.parse(await readFile(join(env.LAKE, file), "utf8")) as { files: { rows: number }[] };
            return files.reduce((sum, one) => sum + one.rows, 0);
          }),
        );
        assert.ok(rows.reduce((sum, one) => sum + one, 0) >= 1000, `${rows.join(", ")} rows`);
        assert.match(await replayport(env, ...config, "sql"), /read_parquet/);
        const [status] = JSON.parse(await replayport(env, ...config, "status", "--json")) as { due: number }[];
        assert.equal(status?.due, 0);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

  test("the fleet's services run commands that there are, by the config beside them", () => {
    const compose = parse(readFileSync(join(root, "examples/fleet/compose.yaml"), "utf8"), { merge: true }) as {
      services: Record<string, { command: string[]; build?: string; volumes: string[] }>;
    };
    const ours = Object.values(compose.services).filter(({ build }) => build !== undefined);
    assert.equal(ours.length, 2);
    for (const { command, build = "", volumes } of ours) {
      assertCommand(command);
      assert.ok(existsSync(join(root, "examples/fleet", build, "Dockerfile")));
      assert.ok(volumes.includes("./schedules.yaml:/etc/replayport/schedules.yaml:ro"));
    }
  });
});
