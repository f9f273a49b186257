/** The commands as a person or a script runs them: processes of their own, from an empty folder. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { z } from "@hono/zod-openapi";
import {
  auditSchema,
  checkSchema,
  leftoverSchema,
  loadedSchema,
  plannedSchema,
  sqlSchema,
  statusSchema,
} from "../../src/web/command_schemas.ts";
import { errorSchema, runSchema } from "../../src/web/schemas.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { openFaultProxy } from "../support/fault_proxy.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const HOUR = 3_600_000;
const SALT = "a salt that nobody may see";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

suite("the command line", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let folder: string;
  let env: Record<string, string>;
  /** The first full hour of the data; all of it settled long ago, none of it old enough for a sweep. */
  const start = Math.floor(Date.now() / HOUR) * HOUR - 6 * HOUR;

  before(async () => {
    server = await clickhouse();
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    env = {
      PATH: process.env["PATH"] ?? "",
      CLICKHOUSE_URL: server.options.url,
      CLICKHOUSE_PASSWORD: server.options.password,
      SALT,
      REPLAYPORT_STAGE_DIR: join(folder, "stage"),
    };
    await server.replays.insert(
      Array.from({ length: 60 }, (_, index) => ({
        team: 1,
        session: `session-${index}`,
        firstMicros: (start + index * 300_000) * 1000,
        lastMicros: (start + index * 300_000 + 60_000) * 1000,
        ingested: Math.floor(start / 1000) + index * 300,
        url: `https://example.com/${index}?secret=1`,
      })),
    );
    await writeFile(
      join(folder, "schedules.yaml"),
      `source:
  clickhouse: { url: "\${CLICKHOUSE_URL}", password: "\${CLICKHOUSE_PASSWORD}", database: ${server.options.database} }
destinations:
  local: { type: file, path: ./lake }
exports:
  replays:
    model: session_replays
    team_id: all
    destination: local
    schedule: "@hourly"
    start: ${new Date(start).toISOString()}
    columns: { hash: [distinct_id], strip_query: [first_url] }
hash_salt: "\${SALT}"
`,
    );
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const begin = (args: readonly string[], over: Record<string, string> = {}): ChildProcess =>
    spawn(process.execPath, [MAIN, ...args], {
      cwd: folder,
      env: { ...env, ...over },
      stdio: ["ignore", "pipe", "pipe"],
    });
  const end = async (child: ChildProcess): Promise<Ended> => {
    const [out, err, [code]] = await Promise.all([
      text(child.stdout ?? assert.fail()),
      text(child.stderr ?? assert.fail()),
      once(child, "exit") as Promise<[number | null]>,
    ]);
    assert.ok(
      !`${out}${err}`.includes(SALT) && !`${out}${err}`.includes(server.options.password),
      "a secret was shown",
    );
    return { code, out, err };
  };
  const run = async (...args: string[]): Promise<Ended> => await end(begin(args));

  test("--help names every command, and each command's help has an example", async () => {
    const { code, out } = await run("--help");
    assert.equal(code, 0);
    const commands = [...out.matchAll(/^ {2}([a-z]+)(?: |$)/gm)]
      .map(([, name]) => name ?? "")
      .filter((name) => name !== "help");
    for (const name of ["init", "check", "run", "backfill", "status", "sql", "demo", "clickhouse"])
      assert.ok(commands.includes(name), name);
    assert.match(out, /130 {2}stopped by Ctrl-C/);
    for (const name of commands) {
      const help = await run(name, "--help");
      assert.equal(help.code, 0, name);
      if (/^[a-z]+$/.test(name)) assert.match(help.out, /Examples?:\n/, name);
    }
  });

  test("an unknown command or option exits with code 2 and suggests a known one", async () => {
    const command = await run("statsu");
    assert.equal(command.code, 2);
    assert.match(command.err, /Did you mean status/);
    const option = await run("run", "--deu");
    assert.equal(option.code, 2);
    assert.match(option.err, /Did you mean --due/);
    const neither = await run("run");
    assert.equal(neither.code, 2);
    assert.match(neither.err, /run takes either --due or --interval/);
  });

  test("init writes a commented config, and doesn't overwrite an existing file", async () => {
    const made = await run("init", "-c", "new.yaml");
    assert.equal(made.code, 0);
    assert.match(await readFile(join(folder, "new.yaml"), "utf8"), /^# yaml-language-server/);
    const again = await run("init", "-c", "new.yaml");
    assert.equal(again.code, 2);
    assert.match(again.err, /new.yaml already exists/);
    const check = await run("check", "-c", "new.yaml");
    assert.equal(check.code, 2);
    assert.match(check.err, /LAKE_BUCKET/);
  });

  test("a missing config file points to init", async () => {
    const { code, err } = await run("status", "-c", "nowhere.yaml");
    assert.equal(code, 2);
    assert.match(err, /replayport init/);
  });

  test("check reports what works", async () => {
    const { code, out } = await run("check");
    assert.equal(code, 0);
    assert.match(out, /ok {4} {2}source: ClickHouse at http:.*version/);
    assert.match(out, /ok {4} {2}destination local: .*written, read and deleted/);
    assert.deepEqual(await readdir(join(folder, "lake")).catch(() => []), []);
  });

  test("check reports a wrong password with a hint, beside its other findings", async () => {
    const { code, out } = await end(begin(["check", "--json"], { CLICKHOUSE_PASSWORD: "wrong password" }));
    assert.equal(code, 1);
    const { ok, findings } = JSON.parse(out) as {
      ok: boolean;
      findings: { what: string; ok: boolean; hint?: string }[];
    };
    assert.equal(ok, false);
    assert.match(findings.find(({ what }) => what === "source")?.hint ?? "", /password/);
    assert.equal(findings.find(({ what }) => what === "destination local")?.ok, true);
  });

  test("backfill --plan over years is summed up by month, with the time to expect", async () => {
    const { code, out, err } = await run(
      "backfill",
      "replays",
      "--from",
      "2024-01-01",
      "--to",
      "now",
      "--plan",
      "--interval",
      "day",
    );
    assert.equal(code, 0, err);
    assert.match(out, /^month \(UTC\) +intervals +rows +bytes\n2024-01 +31 +0 +0 B\n2024-02 +29 /m);
    assert.match(
      out,
      /at most 60 rows, about .*, about \d.* by a guess, since nothing is loaded yet; nothing was loaded/,
    );
  });

  test("backfill --plan loads nothing", async () => {
    const from = new Date(start).toISOString();
    const to = new Date(start + 5 * HOUR).toISOString();
    const { code, out } = await run(
      "backfill",
      "replays",
      "--from",
      from,
      "--to",
      to,
      "--plan",
      "--interval",
      "schedule",
    );
    assert.equal(code, 0);
    assert.match(out, /5 intervals, at most 60 rows, about .*; nothing was loaded/);
    assert.deepEqual(await readdir(join(folder, "lake")).catch(() => []), []);
  });

  test("run --due loads what is due once, and logs a JSON line per batch off a terminal", async () => {
    const first = await run("run", "--due", "--limit", "2");
    assert.equal(first.code, 0);
    assert.match(first.out, /replays: 2 intervals loaded, 24 rows/);
    const lines = first.err
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { msg: string; rows: number });
    assert.deepEqual(
      lines.map(({ msg, rows }) => [msg, rows]),
      [
        ["loaded", 12],
        ["loaded", 12],
      ],
    );
    const rest = JSON.parse((await run("run", "--due", "--json", "--quiet")).out) as {
      loaded: { rows: number }[];
      failed: unknown[];
    }[];
    assert.equal(
      rest[0]?.loaded.reduce((sum, { rows }) => sum + rows, 0),
      36,
    );
    assert.deepEqual(rest[0]?.failed, []);
    assert.match((await run("run", "--due")).out, /replays: nothing is due/);
    assert.deepEqual(await readdir(join(folder, "stage")), []);
  });

  test("status shows what is loaded and the lag", async () => {
    const [status] = JSON.parse((await run("status", "--json")).out) as {
      rows: number;
      due: number;
      gaps: unknown[];
      lagSeconds: number;
      outdated: unknown[];
    }[];
    assert.equal(status?.rows, 60);
    assert.equal(status?.due, 0);
    assert.deepEqual(status?.gaps, []);
    assert.deepEqual(status?.outdated, []);
    assert.ok((status?.lagSeconds ?? 0) < 2 * 3600);
    assert.match((await run("status")).out, /replays .* 60 /);
  });

  test("status shows gaps, and intervals that were loaded under older rules", async () => {
    const receipts = join(folder, "lake/_replayport/replays");
    const [, second] = (await readdir(receipts)).sort();
    const kept = await readFile(join(receipts, second ?? ""), "utf8");
    await rm(join(receipts, second ?? ""));
    const config = await readFile(join(folder, "schedules.yaml"), "utf8");
    await writeFile(join(folder, "changed.yaml"), config.replace("strip_query: [first_url]", "exclude: [first_url]"));
    const { out } = await run("status", "-c", "changed.yaml");
    assert.match(out, /not loaded: /);
    assert.match(out, /1 interval due/);
    assert.match(out, /loaded under older rules/);
    await writeFile(join(receipts, second ?? ""), kept);
  });

  test("sql prints a statement for each engine, or says why it can't", async () => {
    const duckdb = await run("sql");
    assert.match(duckdb.out, /^SELECT[^]*QUALIFY row_number/);
    assert.equal((await run("sql", "replays", "--engine", "clickhouse")).code, 0);
    const athena = await run("sql", "replays", "--engine", "athena");
    assert.equal(athena.code, 1);
    assert.match(athena.err, /can.t read the folder/);
  });

  test("a forced backfill that Ctrl-C cut off says what it loaded, and --resume loads the rest", async () => {
    const range = ["--from", new Date(start).toISOString(), "--to", new Date(start + 5 * HOUR).toISOString()];
    const args = ["backfill", "replays", ...range, "--force", "--interval", "schedule", "--concurrency", "1"];
    const refused = await run(...args, "--resume");
    assert.deepEqual([refused.code, /no forced backfill of replays was cut off/.test(refused.err)], [2, true]);
    await using proxy = await openFaultProxy(server.options.url);
    let extractions = 0;
    let third: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      third = resolve;
    });
    proxy.decide(({ form }) => {
      if (!form.includes("param_exported_at")) return undefined;
      extractions += 1;
      if (extractions < 3) return undefined;
      third();
      return { kind: "hold-answer", until: new Promise(() => undefined) };
    });
    const child = begin(args, { CLICKHOUSE_URL: proxy.url });
    const cut = end(child);
    await reached;
    child.kill("SIGINT");
    const { code, err } = await cut;
    assert.equal(code, 130);
    assert.match(err, /^stopping; press Ctrl-C again/m);
    const [, loaded = ""] =
      /^replays: (\d) of 5 intervals loaded, \d+ rows, .*\. To load the rest: .* --resume$/m.exec(err) ?? [];
    // The next interval is read while this one is loaded.
    assert.ok(["1", "2"].includes(loaded), err);
    const resumed = await run(...args, "--resume");
    assert.equal(resumed.code, 0, resumed.err);
    assert.match(resumed.out, new RegExp(`^replays: ${5 - Number(loaded)} intervals loaded`));
    assert.equal((await run(...args, "--resume")).code, 2);
  });

  test("every command's --json has the API's shapes", async () => {
    const range = ["--from", new Date(start).toISOString(), "--to", new Date(start + 5 * HOUR).toISOString()];
    const all: readonly (readonly [readonly string[], z.ZodType, number?])[] = [
      [["check"], checkSchema],
      [["run", "replays", "--interval", new Date(start).toISOString()], z.array(loadedSchema).length(1)],
      [["run", "--due"], z.array(loadedSchema).length(1)],
      [["backfill", "replays", ...range, "--force", "--plan"], z.array(plannedSchema).min(1)],
      [["backfill", "replays", ...range], z.array(loadedSchema).length(1)],
      [["audit", "replays"], auditSchema],
      [["gc", "replays"], z.array(leftoverSchema).min(1)],
      [["sql", "replays"], sqlSchema],
      [["status"], z.array(statusSchema).length(1)],
      [["runs"], z.array(runSchema).min(5)],
      [["run", "nothing", "--due"], errorSchema, 2],
    ];
    for (const [args, schema, expected = 0] of all) {
      if (args[0] === "gc") {
        const files = await readdir(join(folder, "lake/replays"), { recursive: true });
        const file = files.find((name) => name.endsWith(".0.parquet")) ?? assert.fail("no file");
        await writeFile(join(folder, "lake/replays", file.replace(".0.parquet", ".7.parquet")), "of a load that died");
      }
      const { code, out, err } = await run(...args, "--json", "--quiet");
      assert.equal(code, expected, `${args.join(" ")}: ${err}`);
      const { error } = schema.safeParse(JSON.parse(out));
      assert.equal(error, undefined, `${args.join(" ")}: ${error?.message} ${out}`);
    }
    const failing = begin(["run", "replays", "--interval", new Date(start).toISOString(), "--json", "--quiet"], {
      CLICKHOUSE_PASSWORD: "wrong password",
    });
    const [{ failed, loaded } = assert.fail("no export")] = z
      .array(loadedSchema)
      .parse(JSON.parse((await end(failing)).out));
    assert.deepEqual([loaded, failed[0]?.error?.code, failed[0]?.state], [[], "source.auth", "failed"]);
  });

  test("run --interval and backfill --force replace files without duplicating rows", async () => {
    const again = await run("run", "replays", "--interval", new Date(start).toISOString());
    assert.match(again.out, /1 interval loaded, 12 rows/);
    const range = ["--from", new Date(start).toISOString(), "--to", new Date(start + 5 * HOUR).toISOString()];
    const nothing = await run("backfill", "replays", ...range);
    assert.match(nothing.out, /is loaded; --force loads them again/);
    const forced = await run("backfill", "replays", ...range, "--force", "--interval", "month", "--concurrency", "2");
    assert.equal(forced.code, 0, forced.err);
    assert.match(forced.out, /1 interval loaded, 60 rows/);
    const [status] = JSON.parse((await run("status", "--json")).out) as { rows: number; files: number; due: number }[];
    assert.equal(status?.rows, 60);
    assert.equal(status?.files, 1);
    assert.equal(status?.due, 0);
  });

  test("Ctrl-C exits with code 130, and leaves nothing staged or half loaded", async () => {
    await using proxy = await openFaultProxy(server.options.url);
    let asked: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      asked = resolve;
    });
    proxy.decide(({ form }) => {
      if (!form.includes("param_exported_at")) return undefined;
      asked();
      return { kind: "hold-answer", until: new Promise(() => undefined) };
    });
    const child = begin(["run", "replays", "--interval", new Date(start).toISOString()], { CLICKHOUSE_URL: proxy.url });
    const ended = end(child);
    await reached;
    child.kill("SIGINT");
    const { code, err } = await ended;
    assert.equal(code, 130);
    assert.match(err, /anything not loaded is still due/);
    assert.deepEqual(await readdir(join(folder, "stage")), []);
    const [status] = JSON.parse((await run("status", "--json")).out) as { rows: number }[];
    assert.equal(status?.rows, 60);
  });

  test("an unreachable source exits with code 1 and a hint, and the batch stays due", async () => {
    const child = begin(["run", "replays", "--interval", new Date(start).toISOString()], {
      CLICKHOUSE_URL: "http://127.0.0.1:1",
    });
    const warned = once(child.stderr ?? assert.fail(), "data");
    const ended = end(child);
    await warned;
    child.kill("SIGTERM");
    const { code, err } = await ended;
    assert.equal(code, 143);
    assert.match(err, /will try again/);
    assert.match(err, /ECONNREFUSED/);
  });
});
