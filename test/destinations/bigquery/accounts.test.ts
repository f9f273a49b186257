/**
 * The conformance suite against a real account, and what only the real service shows: bytes and partitions that a MERGE
 * reads, labels, transactions that meet, types, refusals. bigquery_account.ts says what switches it on.
 */
import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { commitJobId } from "../../../destinations/bigquery/names.ts";
import { hours } from "../../conformance/batches.ts";
import { openTestBigQuery } from "./harness.ts";
import { conformance } from "../../conformance/suite.ts";
import { EVERYTHING, rejectsWith } from "../../conformance/context.ts";
import { embeddedSkip } from "../../support/embedded.ts";
import { type Account, accountHarness, accountTarget, accountSkip, openAccount, STRANGER } from "./account.ts";
import { ReplayBatches, type ReplayRow } from "../replay_batches.ts";
import { type FormatSource, formatSource } from "../source_formats.ts";

const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2026, 8, 1);

/** Hour h of day d after the first: `2026-09-01 00:00:00.123456`. */
function at(day: number, hour = 0): string {
  const time = new Date(FIRST_DAY + day * DAY_MS + hour * 3_600_000);
  return `${time.toISOString().slice(0, 19).replace("T", " ")}.123456`;
}

function replay(session: string, version: number, day: number, more: Partial<ReplayRow> = {}): ReplayRow {
  return { session, version, start: at(day), end: at(day, 1), ...more };
}

/** The commit job of the last load, whose id is made of the commit before it. */
async function lastCommit(account: Account, generation = 0): Promise<string> {
  const { options } = account;
  const receipts = await account.select(
    `SELECT attempt FROM LEDGER_ WHERE target_table = '${options.table}' ORDER BY committed_at DESC LIMIT 2`,
  );
  const before = receipts[1]?.["attempt"] as string | undefined;
  return commitJobId(options, await account.created(), before ?? "", generation);
}

suite("bigquery: a real account", { skip: accountSkip, concurrency: false }, () => {
  conformance("bigquery, a real account", accountHarness);

  test("a MERGE reads the days of its sessions, and not the whole table", { timeout: 600_000 }, async ({ signal }) => {
    await using account = openAccount();
    await using batches = await ReplayBatches.open();
    await using destination = openTestBigQuery(account.options);
    const urls = Array.from({ length: 50 }, (_, index) => `https://acme.test/a/long/page/of/this/session/${index}`);
    const month = Array.from({ length: 30 * 20 }, (_, index) => replay(`s${index}`, 1, index % 30, { urls }));
    await destination.load(await batches.batch(hours(0), month), signal);
    await destination.load(await batches.batch(hours(1), [replay("s7", 2, 7)]), signal);
    const statements = await account.children(await lastCommit(account));
    const merged = statements.find(({ statistics }) => statistics?.query?.statementType === "MERGE")?.statistics?.query;
    assert.ok(merged, "the commit has a MERGE");
    const size = await account.size();
    assert.ok(
      Number(merged.totalBytesProcessed) < size / 5,
      `the MERGE read ${merged.totalBytesProcessed} bytes of a table of ${size}`,
    );
    const versions = await account.select("SELECT _version AS version FROM TABLE_ WHERE session_id = 's7'");
    assert.deepEqual(versions, [{ version: 2 }]);
  });

  test(
    "two intervals with the same new sessions, at once: each session is there once",
    {
      timeout: 600_000,
    },
    async ({ signal }) => {
      await using account = openAccount();
      await using batches = await ReplayBatches.open();
      await using one = openTestBigQuery(account.options);
      await using two = openTestBigQuery(account.options);
      for (let round = 0; round < 3; round += 1) {
        const rows = (version: number): ReplayRow[] => [replay(`round ${round}`, version, round)];
        await Promise.all([
          one.load(await batches.batch(hours(2 * round), rows(1)), signal),
          two.load(await batches.batch(hours(2 * round + 1), rows(2)), signal),
        ]);
      }
      const found = await account.select("SELECT session_id, _version AS version FROM TABLE_ ORDER BY session_id");
      assert.deepEqual(
        found,
        [0, 1, 2].map((round) => ({ session_id: `round ${round}`, version: 2 })),
      );
      assert.equal((await Array.fromAsync(one.receipts(EVERYTHING, signal))).length, 6);
    },
  );

  test(
    "two tables of one dataset that commit at once share their ledger, and neither is cancelled",
    { timeout: 600_000 },
    async ({ signal }) => {
      await using accounts = openAccount();
      await using other = openAccount();
      await using batches = await ReplayBatches.open();
      for (let round = 0; round < 5; round += 1) {
        const loads = [accounts, other].map(async ({ options }) => {
          await using destination = openTestBigQuery(options);
          await destination.load(await batches.batch(hours(round), [replay("a", round + 1, round)]), signal);
        });
        await Promise.all(loads);
      }
      for (const account of [accounts, other]) {
        const { status } = await account.job(await lastCommit(account));
        assert.equal(status?.errorResult, undefined);
        assert.match(await lastCommit(account), /_g0$/);
      }
    },
  );

  test(
    "a session whose first rows were purged is found in its old partition",
    { timeout: 300_000 },
    async ({ signal }) => {
      await using account = openAccount();
      await using batches = await ReplayBatches.open();
      await using destination = openTestBigQuery(account.options);
      await destination.load(await batches.batch(hours(0), [replay("a", 1, 0)]), signal);
      await destination.load(await batches.batch(hours(1), [replay("a", 2, 60)]), signal);
      assert.deepEqual(await account.select("SELECT _version AS version FROM TABLE_"), [{ version: 2 }]);
    },
  );

  test("jobs carry labels", { timeout: 300_000 }, async ({ signal }) => {
    await using account = openAccount();
    await using batches = await ReplayBatches.open();
    await using destination = openTestBigQuery({ ...account.options, labels: { team: "data" } });
    const batch = await batches.batch(hours(0), [replay("a", 1, 0)]);
    await destination.load(batch, signal);
    const { configuration } = await account.job(await lastCommit(account));
    assert.deepEqual(configuration?.labels, {
      team: "data",
      replayport_export: "sessions",
      replayport_interval: "20261001t000000z_20261001t010000z",
      replayport_attempt: batch.attempt,
    });
  });

  for (const [format, gzip] of [
    ["parquet", false],
    ["jsonl", true],
    ["csv", true],
  ] as const) {
    test(`${format}: every type comes as it left, as JSON too`, { timeout: 300_000 }, async ({ signal }) => {
      await using account = openAccount();
      await using batches = await ReplayBatches.open();
      await using destination = openTestBigQuery({ ...account.options, jsonColumns: ["first_url"] });
      const rows = [
        replay("a", 7, 3, { url: '{"path": "/a"}', urls: ["https://acme.test/ü?x=1,2", 'with "quotes"'] }),
        replay("b", 8, 3, { url: null, urls: [] }),
        replay("c", 9, 3, { url: "no JSON", deleted: true }),
      ];
      await destination.load(await batches.batch(hours(0), rows, { format, gzip }), signal);
      const found = await account.select(
        "SELECT session_id, FORMAT_TIMESTAMP('%F %H:%M:%E6S', start_time) AS start, IFNULL(TO_JSON_STRING(first_url), 'null') AS url, all_urls, FORMAT_TIMESTAMP('%F %H:%M:%E6S', blocks[0]) AS block, score, is_deleted, distinct_id FROM TABLE_ ORDER BY session_id",
      );
      assert.deepEqual(found, [
        {
          session_id: "a",
          start: at(3),
          url: '{"path":"/a"}',
          all_urls: ["https://acme.test/ü?x=1,2", 'with "quotes"'],
          block: at(3),
          score: 1.75,
          is_deleted: false,
          distinct_id: "person of a",
        },
        {
          session_id: "b",
          start: at(3),
          url: "null",
          all_urls: [],
          block: at(3),
          score: 2,
          is_deleted: false,
          distinct_id: "person of b",
        },
        {
          session_id: "c",
          start: at(3),
          url: "null",
          all_urls: [],
          block: at(3),
          score: 2.25,
          is_deleted: true,
          distinct_id: null,
        },
      ]);
    });
  }

  let source: FormatSource | undefined;
  after(async () => await source?.[Symbol.asyncDispose]());
  for (const [format, compression] of [
    ["parquet", "zstd"],
    ["parquet", "lz4"],
    ["jsonl", "gzip"],
    ["csv", "none"],
  ] as const) {
    test(
      `ClickHouse's own files: ${format}, ${compression}`,
      {
        timeout: 300_000,
        skip: embeddedSkip,
      },
      async ({ signal }) => {
        source ??= await formatSource();
        await source.shows(accountTarget, { format, compression }, signal);
      },
    );
  }

  test("a limit of what may be billed is BigQuery's to keep", { timeout: 300_000 }, async ({ signal }) => {
    await using account = openAccount();
    await using batches = await ReplayBatches.open();
    await using destination = openTestBigQuery({ ...account.options, maximumBytesBilled: 1 });
    const batch = await batches.batch(hours(0), [replay("a", 1, 0)]);
    const error = await rejectsWith("give-up", destination.load(batch, signal));
    assert.equal(error.code, "bigquery.bytes_billed");
    assert.deepEqual(await account.leftovers(), []);
  });

  test(
    "who may run jobs and nothing else is told which statement helps",
    {
      timeout: 300_000,
      skip: STRANGER === undefined ? "no account without rights: set REPLAYPORT_TEST_BIGQUERY_STRANGER" : false,
    },
    async ({ signal }) => {
      const { options } = openAccount();
      const serviceAccount = STRANGER ?? "";
      await using destination = openTestBigQuery({ ...options, impersonate: { serviceAccount } });
      const error = await rejectsWith("give-up", destination.check(signal));
      assert.equal(error.code, "bigquery.access_denied");
      const schema = `\`${options.project}\`.\`${options.dataset}\``;
      assert.ok(
        error.hint?.includes(
          `GRANT \`roles/bigquery.dataEditor\` ON SCHEMA ${schema} TO "serviceAccount:${serviceAccount}"`,
        ),
        error.hint,
      );
    },
  );
});
