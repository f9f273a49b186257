/**
 * Story 14 of issue 9: what the source said was not checked. What must be true: settings that correctness rests on hold
 * whatever a proxy drops, or the run refuses; rows are counted in every format and compression before a commit, whatever
 * the summary says; 0 rows against a count above 0 is an error; a column that is gone is loud; an overloaded or limited
 * source is waited for.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { recording, recordings } from "./partial_rows.ts";
import { type Answered, isExtract } from "./source_proxy.ts";
import { type Ended, iso, openStory, type Story, time } from "./story.ts";

const daily = { schedule: "@daily", start: iso(time(0)), sweep: "off" };
const RUN = ["run", "replays", "--interval", iso(time(0))];
const PATIENCE = { until: /will try again/ };

/** What chproxy lets through. */
const ALLOWED = /^(query|database|query_id|default_format|param_.*|session_id|compress|decompress)$/;

function dropSettings({ searchParams }: URL): void {
  const dropped = [...searchParams.keys()].filter((name) => !ALLOWED.test(name));
  for (const name of dropped) searchParams.delete(name);
}

suite("stories of the source's word", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const four = recordings("a", 4, { start: time(0, 9) });
  /** Either everything is in the lake and in the receipt, or nothing is and the command says so. */
  const wholeOrRefused = async (story: Story, { code, err }: Ended): Promise<void> => {
    const files = (await story.files()).names.filter((name) => !name.startsWith("_replayport"));
    if (code === 0) {
      assert.equal((await story.status())["rows"], 4, "the receipt does not count four sessions");
      assert.ok(files.length > 0, "there is no file");
    } else {
      assert.deepEqual(files, [], err);
      assert.match(err, /compression|counted|rows|setting/);
    }
  };

  for (const [said, given] of [
    ["nothing", "0"],
    ["a part", "2"],
  ] as const) {
    test(`JSON Lines in lz4 are committed whole where the summary counts ${said}`, async () => {
      await using story = await openStory(server, { export: { ...daily, format: "jsonl", compression: "lz4" } });
      await story.insert(...four);
      story.proxy.answer = (answered, asked) => {
        const summary = answered.headers["x-clickhouse-summary"];
        if (!isExtract(asked) || typeof summary !== "string") return answered;
        const changed = JSON.stringify({ ...(JSON.parse(summary) as object), result_rows: given });
        return { ...answered, headers: { ...answered.headers, "x-clickhouse-summary": changed } };
      };
      await wholeOrRefused(story, await story.cli(RUN, PATIENCE));
    });
  }

  test("an empty answer against a count of four is no empty batch", async () => {
    await using story = await openStory(server, { export: { ...daily, format: "jsonl", compression: "none" } });
    await story.insert(...four);
    story.proxy.answer = (answered, asked) =>
      isExtract(asked)
        ? {
            ...answered,
            body: Buffer.alloc(0),
            headers: {
              ...answered.headers,
              "content-length": "0",
              "x-clickhouse-summary": '{"read_rows":"4","result_rows":"0"}',
            },
          }
        : answered;
    const { code, err } = await story.cli(RUN, PATIENCE);
    assert.notEqual(code, 0, "an empty batch was committed");
    assert.match(err, /load\.rows_missing|0 rows|4/);
    assert.deepEqual(
      (await story.files()).names.filter((name) => name.endsWith(".json") && /\d{8}T/.test(name)),
      [],
    );
  });

  test("every session is exported through a proxy that drops settings where a profile cuts groups", async () => {
    await using story = await openStory(server, { export: daily });
    await story.source(`SYSTEM STOP MERGES ${story.table}`);
    // One block each: ClickHouse checks the limit between blocks.
    for (const row of four) await story.insert(row);
    story.proxy.ask = ({ url }) => {
      dropSettings(url);
      // The profile of the user.
      url.searchParams.set("max_rows_to_group_by", "2");
      url.searchParams.set("group_by_overflow_mode", "any");
      url.searchParams.set("max_block_size", "1");
      url.searchParams.set("max_threads", "1");
      url.searchParams.set("wait_end_of_query", "1");
      return undefined;
    };
    await wholeOrRefused(story, await story.cli(RUN, PATIENCE));
  });

  test("times are in UTC through a proxy that drops settings in front of a server in New York", async () => {
    await using story = await openStory(server, { export: { ...daily, format: "jsonl" } });
    await story.insert(recording("a", { start: time(0, 9) }));
    story.proxy.ask = ({ url }) => {
      dropSettings(url);
      url.searchParams.set("session_timezone", "America/New_York");
      url.searchParams.set("wait_end_of_query", "1");
      url.searchParams.set("enable_http_compression", "1");
      return undefined;
    };
    const { code, err } = await story.cli(RUN, PATIENCE);
    if (code !== 0) assert.match(err, /settings/);
    else {
      const [row] = await story.rows();
      assert.deepEqual([row?.["start_time"], row?.["_ingested_at"]], [iso(time(0, 9)), iso(time(0, 9, 1))]);
    }
  });

  test("check names the settings that a proxy drops", async () => {
    await using story = await openStory(server, { export: daily });
    story.proxy.ask = ({ url, sql }) => {
      dropSettings(url);
      url.searchParams.set("wait_end_of_query", "1");
      // As a server that has a constraint on the setting: the clause in the statement changes nothing either.
      return /getSetting/.test(sql)
        ? refusal(
            400,
            "Code: 452. DB::Exception: Setting group_by_overflow_mode should not be changed. (SETTING_CONSTRAINT_VIOLATION)",
            "452",
          )
        : undefined;
    };
    const { code, out, err } = await story.cli(["check"]);
    assert.notEqual(code, 0);
    assert.match(`${out}${err}`, /setting/i);
  });

  test("a column that the source has lost is named before NULLs are exported", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...four);
    await story.ok(RUN);
    await story.source(`ALTER TABLE ${story.table} DROP COLUMN click_count`);
    const { code, err } = await story.cli(RUN, PATIENCE);
    assert.notEqual(code, 0, "NULLs were exported without a word");
    assert.match(err, /click_count/);
    assert.deepEqual(
      (await story.rows()).map((row) => row["click_count"]),
      [3, 3, 3, 3],
    );
  });

  test("a column that is gone is exported as NULL once the config accepts that, also after its receipt", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...four);
    await story.ok(RUN);
    await story.source(`ALTER TABLE ${story.table} DROP COLUMN keypress_count`);
    await story.configure({ accept_missing_columns: ["keypress_count"] });
    await story.ok(["run", "replays", "--interval", iso(time(1))]);
    // The newest receipt lacks the column now, so a new interval needs no consent; the rows of the first one do.
    await story.configure({ accept_missing_columns: undefined });
    await story.ok(["run", "replays", "--interval", iso(time(2))]);
    const { code, err } = await story.cli(RUN, PATIENCE);
    assert.notEqual(code, 0);
    assert.match(err, /source\.columns_gone/);
  });

  test("a column that a user's own SELECT has lost is named", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...four);
    await story.source(`CREATE VIEW ${story.table}_own AS SELECT session_id, 1 AS one, 2 AS two FROM ${story.table}`);
    await writeFile(
      join(story.folder, "own.sql"),
      `SELECT * FROM ${story.table}_own WHERE {interval_start} < {interval_end}`,
    );
    await story.configure({ model: { sql: "own.sql", key: ["session_id"] }, team_id: undefined });
    await story.ok(RUN);
    await story.source(`CREATE OR REPLACE VIEW ${story.table}_own AS SELECT session_id, 1 AS one FROM ${story.table}`);
    const { code, err } = await story.cli(RUN, PATIENCE);
    assert.notEqual(code, 0, "the column went without a word");
    assert.match(err, /the source no longer has two/);
  });

  test("a view that has lost columns is named before NULLs are exported", async () => {
    await using story = await openStory(server, { export: daily });
    await story.insert(...four);
    await story.ok(RUN);
    await story.source(`RENAME TABLE ${story.table} TO ${story.table}_all`);
    await story.source(
      `CREATE VIEW ${story.table} AS SELECT * EXCEPT (all_urls, keypress_count) FROM ${story.table}_all`,
    );
    const { code, err } = await story.cli(RUN, PATIENCE);
    assert.notEqual(code, 0, "NULLs were exported without a word");
    assert.match(err, /all_urls|keypress_count/);
  });

  for (const [what, answer] of [
    [
      "is overloaded (code 745)",
      refusal(500, "Code: 745. DB::Exception: CPU is overloaded. (SERVER_OVERLOADED)", "745"),
    ],
    [
      "has reached a quota (code 201)",
      refusal(
        500,
        "Code: 201. DB::Exception: Quota for user `default` for 1s has been exceeded: queries = 2/1. Interval will end at 2020-01-01 00:00:00. (QUOTA_EXCEEDED)",
        "201",
      ),
    ],
    [
      "asks for patience by HTTP 429",
      { status: 429, headers: { "retry-after": "4" }, body: Buffer.from("Too many requests") },
    ],
    [
      "is restarted behind a proxy that answers HTTP 503",
      { status: 503, headers: {}, body: Buffer.from("<html>Service Unavailable</html>") },
    ],
  ] as const) {
    test(`a source that ${what} is asked again`, async () => {
      await using story = await openStory(server, { export: daily });
      await story.insert(...four);
      let refusedAt: number | undefined;
      let waited: number | undefined;
      story.proxy.ask = (asked) => {
        if (refusedAt !== undefined) waited ??= Date.now() - refusedAt;
        if (!isExtract(asked) || refusedAt !== undefined) return undefined;
        refusedAt = Date.now();
        return answer;
      };
      const { code, err } = await story.cli(RUN);
      assert.deepEqual({ code, rows: (await story.rows()).length }, { code: 0, rows: 4 }, err);
      const asked = Number("retry-after" in answer.headers ? answer.headers["retry-after"] : 0) * 1000;
      assert.ok((waited ?? 0) >= asked, `it was asked to wait ${asked} ms and waited ${waited} ms`);
    });
  }
});

function refusal(status: number, message: string, code: string): Answered {
  return {
    status,
    headers: { "x-clickhouse-exception-code": code, "content-type": "text/plain" },
    body: Buffer.from(message),
  };
}
