import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { Redactor } from "../../src/cli/redactor.ts";
import { createProgram } from "../../src/cli/program.ts";
import { type EngineSql, engineSql } from "../../src/demo/engine_sql.ts";
import { type Proof, holds, prove } from "../../src/demo/proof.ts";
import { LAKE_VIEW, type SampleResults } from "../../src/demo/sample_queries.ts";
import { ReplayportError } from "../../src/errors.ts";
import { type Embedded, startEmbedded } from "../../src/clickhouse_server/start.ts";
import { embeddedSkip } from "../support/embedded.ts";

const SESSIONS = 3_000;
const TABLE = "posthog.session_replay_events";
const signal = AbortSignal.timeout(600_000);

interface Told {
  readonly live: { readonly batches: number; readonly sweeps: number };
  readonly behind: Proof;
  readonly caughtUp: { readonly batches: number; readonly sweeps: number };
  readonly answers: SampleResults;
  readonly proof: Proof;
}

async function replayport(...args: readonly string[]): Promise<{ stdout: string; exitCode: number }> {
  const stdout = new PassThrough();
  const told = text(stdout);
  let exitCode = 0;
  const program = await createProgram({
    env: {},
    stdout,
    stderr: new PassThrough().resume(),
    redactor: new Redactor(),
    now: () => new Date(),
    signal,
    setExitCode: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync(["node", "replayport", ...args]);
  } finally {
    stdout.end();
  }
  return { stdout: await told, exitCode };
}

describe("the demo", { skip: embeddedSkip }, () => {
  let root: string;
  let dir: string;
  let told: Told;
  const run = async (): Promise<Told> => {
    const args = ["demo", "--sessions", String(SESSIONS), "--days", "1", "--dir", dir, "--json"];
    const { stdout, exitCode } = await replayport(...args);
    assert.equal(exitCode, 0);
    return JSON.parse(stdout) as Told;
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "replayport-demo-test-"));
    dir = join(root, "demo");
    told = await run();
  });
  after(() => rm(root, { recursive: true, force: true }));

  test("the demo verifies that the lake matches the source", () => {
    const { source, lake, ...differences } = told.proof;
    assert.deepEqual([source, lake], [SESSIONS, SESSIONS]);
    assert.deepEqual(differences, {
      missing: 0,
      unknown: 0,
      doubled: 0,
      different: 0,
      differentColumns: [],
      example: "",
    });
  });

  test("the demo exports every hour, falls behind by late rows and tags, and catches up by a sweep", () => {
    assert.equal(told.live.batches, 24);
    assert.ok(told.behind.different > 50, String(told.behind.different));
    assert.ok(told.behind.differentColumns.includes("ai_tags_fixed"));
    assert.ok(told.behind.differentColumns.includes("is_deleted"));
    // The day again, and the two in which rows came late.
    assert.deepEqual(told.caughtUp, { ...told.caughtUp, batches: 3, sweeps: 3 });
  });

  test("the demo queries the lake as a BI tool would", () => {
    const { days, pages, worth } = told.answers;
    assert.deepEqual(
      days.map(({ day, replays }) => [day, replays]),
      [["2026-10-01", SESSIONS]],
    );
    assert.equal(days[0]?.hours.length, 24);
    assert.equal(pages[0]?.page, "/checkout");
    assert.equal(worth.length, 10);
    assert.ok(worth.every(({ errors }) => errors > 0));
  });

  test("the demo leaves a config and a lake in which nothing is missing, due or late", async () => {
    const config = ["--config", join(dir, "schedules.yaml")];
    const { stdout } = await replayport(...config, "status", "--json");
    const [status] = JSON.parse(stdout) as Record<string, unknown>[];
    const { state, gaps, loadedUntil, due, lagSeconds, outdated } = { ...status };
    assert.deepEqual(
      { state, gaps, loadedUntil, due, lagSeconds, outdated },
      { state: "ok", gaps: [], loadedUntil: "2026-10-04T00:00:00.000Z", due: 0, lagSeconds: 0, outdated: [] },
    );
    const shown = await replayport(...config, "status");
    assert.match(shown.stdout, /^replays: complete: everything up to its end is loaded\.$/m);
    assert.doesNotMatch(shown.stdout, /late|behind|\d d \d+ h/);
  });

  test("the demo doesn't touch a folder that it didn't make", async () => {
    const other = join(root, "other");
    await mkdir(other);
    await writeFile(join(other, "thesis.txt"), "years of work");
    await assert.rejects(
      replayport("demo", "--dir", other),
      (error) => error instanceof ReplayportError && error.code === "demo.folder_in_use",
    );
    assert.deepEqual(await readdir(other), ["thesis.txt"]);
    assert.equal(await readFile(join(other, "thesis.txt"), "utf8"), "years of work");
  });

  test("the demo replaces an earlier demo's files, with the same results", async () => {
    const again = await run();
    assert.deepEqual(again.proof, told.proof);
    assert.deepEqual(again.answers, told.answers);
  });

  describe("its proof", () => {
    let engine: Embedded;
    let sql: EngineSql;
    const proved = (): Promise<Proof> => prove(sql, TABLE, LAKE_VIEW, signal);
    /** The largest file of the day is the sweep's; those that it replaced stay for a while. */
    const sweepFile = async (): Promise<string> => {
      const folder = join(dir, "lake", "replays", "dt=2026-10-01");
      const names = (await readdir(folder)).filter((each) => each.endsWith(".parquet"));
      const sized = await Promise.all(
        names.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })),
      );
      const [largest] = sized.sort((a, b) => b.bytes - a.bytes);
      assert.ok(largest);
      return join(folder, largest.name);
    };
    before(async () => {
      engine = await startEmbedded({ path: join(dir, "clickhouse"), outside: true, signal });
      sql = engineSql(engine.url, engine.credentials);
    });
    after(() => engine[Symbol.asyncDispose]());

    test("the demo's proof holds for an intact lake", async () => {
      assert.ok(holds(await proved()));
    });

    test("the demo's proof fails if a file of the lake is lost", async () => {
      const path = await sweepFile();
      const kept = await readFile(path);
      await rm(path);
      const proof = await proved();
      await writeFile(path, kept);
      assert.ok(!holds(proof));
      assert.ok(proof.missing + proof.different > 0);
    });

    test("the demo's proof fails if the source has one more row, and names session and columns", async () => {
      const [row] = await sql.rows<{ session_id: string }>(`SELECT session_id FROM ${LAKE_VIEW} LIMIT 1`, signal);
      assert.ok(row);
      const columns = "* REPLACE (click_count + 1 AS click_count)";
      const of = `WHERE session_id = '${row.session_id}' LIMIT 1`;
      await sql.run(`INSERT INTO ${TABLE} SELECT ${columns} FROM ${TABLE} ${of}`, signal);
      const { different, differentColumns, example } = await proved();
      assert.deepEqual([different, example], [1, row.session_id]);
      assert.ok(differentColumns.includes("click_count"));
    });

    test("the demo's proof fails if a session is duplicated or not in the source", async () => {
      const twice = `(SELECT * FROM ${LAKE_VIEW} UNION ALL SELECT * FROM ${LAKE_VIEW} LIMIT 5)`;
      const doubled = await prove(sql, TABLE, twice, signal);
      assert.ok(doubled.doubled > 0);
      const renamed = `(SELECT * REPLACE (if(startsWith(session_id, '01'), concat('x', session_id), '') AS session_id) FROM ${LAKE_VIEW})`;
      const strange = await prove(sql, TABLE, renamed, signal);
      assert.deepEqual([strange.missing, strange.unknown], [SESSIONS, SESSIONS]);
    });

    test("the demo's proof fails for an empty source", () => {
      const nothing = { source: 0, lake: 0, missing: 0, unknown: 0, doubled: 0, different: 0 };
      assert.ok(!holds({ ...nothing, differentColumns: [], example: "" }));
    });
  });
});
