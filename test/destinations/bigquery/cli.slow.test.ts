/** The commands with a BigQuery destination, as a person runs them: processes of their own, from a folder of their own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { type BigQueryServer, bigqueryServer, PROJECT, TOKEN } from "./emulator.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";
import { bigquerySkip } from "./fixture.ts";

const MAIN = join(import.meta.dirname, "../../../src/cli/main.ts");
const HOUR = 3_600_000;
const SESSIONS = 60;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Status {
  readonly export: string;
  readonly due: number;
  readonly intervals: number;
  readonly rows: number;
  readonly destination: string;
}

suite("bigquery: the command line", { skip: clickhouseSkip === false ? await bigquerySkip() : clickhouseSkip }, () => {
  let source: ClickHouseHarness;
  let server: BigQueryServer;
  let dataset: string;
  let folder: string;
  const start = Math.floor(Date.now() / HOUR) * HOUR - 8 * HOUR;

  const config = (more: Readonly<Record<string, string>> = {}): string => {
    const destination: Record<string, string> = {
      type: "bigquery",
      project: PROJECT,
      dataset,
      table: "session_replays",
      access_token: "${BIGQUERY_TOKEN}",
      api_endpoint: server.url,
      ...more,
    };
    const lines = Object.entries(destination).filter(([, value]) => value !== "");
    return `source:
  clickhouse: { url: "${source.options.url}", password: "${source.options.password}", database: ${source.options.database} }
destinations:
  bq:
${lines.map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`).join("\n")}
exports:
  replays:
    model: session_replays
    team_id: all
    destination: bq
    schedule: "@hourly"
    start: ${new Date(start).toISOString()}
`;
  };

  before(async () => {
    const found = await bigqueryServer();
    assert.ok(!("skip" in found));
    server = found;
    dataset = await server.dataset();
    source = await clickhouse();
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    await source.replays.insert(
      Array.from({ length: SESSIONS }, (_, index) => ({
        team: 1,
        session: `session-${index}`,
        firstMicros: (start + index * 300_000) * 1000,
        lastMicros: (start + index * 300_000 + 60_000) * 1000,
        ingested: Math.floor(start / 1000) + index * 300,
        url: `https://example.com/${index}`,
      })),
    );
    await writeFile(join(folder, "schedules.yaml"), config());
  });
  after(async () => {
    await source[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"],
        HOME: folder,
        METADATA_SERVER_DETECTION: "none",
        BIGQUERY_TOKEN: TOKEN,
        REPLAYPORT_STAGE_DIR: join(folder, "stage"),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit") as Promise<[number | null]>,
    ]);
    assert.ok(!`${out}${err}`.includes(TOKEN), "the token was shown");
    return { code, out, err };
  };

  const broken = async (more: Readonly<Record<string, string>>): Promise<string> => {
    await writeFile(join(folder, "broken.yaml"), config(more));
    const { code, out } = await run(["check", "-c", "broken.yaml"]);
    assert.equal(code, 1);
    return out;
  };

  test("check, backfill, run, status and sql", { timeout: 300_000 }, async () => {
    const checked = await run(["check"]);
    assert.equal(checked.code, 0, checked.out + checked.err);
    assert.match(
      checked.out,
      new RegExp(`bigquery://${PROJECT}.${dataset}.session_replays: written, read and deleted`),
    );
    assert.deepEqual(await server.tables(dataset), []);

    const to = new Date(start + 2 * HOUR).toISOString();
    const filled = await run(["backfill", "replays", "--from", new Date(start).toISOString(), "--to", to]);
    assert.equal(filled.code, 0, filled.err);
    const due = await run(["run", "--due", "--concurrency", "2"]);
    assert.equal(due.code, 0, due.err);

    const status = await run(["status", "--json"]);
    const [replays] = JSON.parse(status.out) as Status[];
    assert.ok(replays);
    assert.deepEqual([replays.export, replays.due], ["replays", 0]);
    assert.ok(replays.rows >= SESSIONS && replays.intervals > 2);

    const { out: statement } = await run(["sql"]);
    const rows = await server.select(
      `SELECT COUNT(*), COUNT(DISTINCT session_id) FROM (${statement.replace(";", "")})`,
    );
    assert.deepEqual(rows, [[String(SESSIONS), String(SESSIONS)]]);
    // An audit runs if a midnight has passed since the first interval.
    const tables = (await server.tables(dataset)).filter((name) => name !== "_replayport_audits");
    assert.deepEqual(tables, ["_replayport_receipts", "session_replays"]);

    const again = await run(["run", "--due"]);
    assert.match(again.out, /nothing is due/);
  });

  test("what is wrong is told with what to do", { timeout: 300_000 }, async () => {
    assert.match(
      await broken({ dataset: "nothing_here" }),
      /Not found: .*nothing_here[^]*what to do: Create it: CREATE SCHEMA `replayport-test`\.`nothing_here`/,
    );
    assert.match(
      await broken({ access_token: "" }),
      /Could not load the default credentials[^]*what to do: .*GOOGLE_APPLICATION_CREDENTIALS/,
    );
    assert.match(
      await broken({ api_endpoint: "http://127.0.0.1:1" }),
      /ECONNREFUSED[^]*what to do: Check that this machine can reach http:\/\/127\.0\.0\.1:1/,
    );
  });

  test("the variable that Google's clients know for an emulator is known, and the config goes before it", async () => {
    await writeFile(join(folder, "emulator.yaml"), config({ api_endpoint: "" }));
    const host = server.url.replace("http://", "");
    for (const [file, value] of [
      ["emulator.yaml", host],
      ["schedules.yaml", "http://127.0.0.1:1"],
    ] as const) {
      const { code, out, err } = await run(["check", "-c", file], { BIGQUERY_EMULATOR_HOST: value });
      assert.equal(code, 0, `${value}: ${out}${err}`);
    }
  });
});
