/** What a right config becomes. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { suite, test } from "node:test";
import { BASE, configOf, EXPORT, exportOf, type Fields, S3, withS3 } from "./parse.ts";

suite("the source in the config", () => {
  const sourceOf = async (source: Fields, files = {}) => (await configOf({ ...BASE, source }, { files })).source;

  test("a server has a default for every optional key", async () => {
    assert.deepEqual(await sourceOf({ clickhouse: { url: "https://host:8443/proxy/" } }), {
      kind: "clickhouse",
      url: "https://host:8443/proxy",
      username: "default",
      password: "",
      database: "posthog",
      table: "session_replay_events",
      requestTimeoutMs: 600_000,
    });
  });
  test("a server takes every key", async () => {
    const clickhouse = {
      url: "http://host:8123",
      username: "reader",
      password: "secret",
      database: "default",
      table: "replays",
      request_timeout: "30s",
      ca_file: "certs/ca.pem",
    };
    assert.deepEqual(await sourceOf({ clickhouse }, { "/etc/replayport/certs/ca.pem": "-----" }), {
      kind: "clickhouse",
      url: "http://host:8123",
      username: "reader",
      password: "secret",
      database: "default",
      table: "replays",
      requestTimeoutMs: 30_000,
      caFile: "/etc/replayport/certs/ca.pem",
    });
  });
  test("the embedded engine can be written as a path or as a mapping", async () => {
    const embedded = { kind: "embedded", database: "default", table: "session_replay_events" };
    assert.deepEqual(await sourceOf({ embedded: "./data" }), { ...embedded, path: "/etc/replayport/data" });
    assert.deepEqual(await sourceOf({ embedded: { path: "/var/data", database: "posthog", table: "t" } }), {
      kind: "embedded",
      path: "/var/data",
      database: "posthog",
      table: "t",
    });
  });
});

suite("destinations in the config", () => {
  const destinationOf = async (fields: Fields) => (await configOf(withS3(fields))).destinations["local"];

  test("a folder is relative to the config file", async () => {
    assert.deepEqual((await configOf(BASE)).destinations, {
      local: { type: "file", path: resolve("/etc/replayport/lake") },
    });
  });
  test("a bucket needs only its name", async () => assert.deepEqual(await destinationOf({}), S3));
  test("a bucket takes every key", async () => {
    assert.deepEqual(
      await destinationOf({
        prefix: "/posthog/raw/",
        region: "eu-central-1",
        endpoint: "http://127.0.0.1:9000/",
        force_path_style: true,
        encryption: { type: "aws:kms", key: "alias/lake" },
        assume_role: { arn: "arn:aws:iam::123456789012:role/lake", external_id: "x", session_name: "replayport" },
        access_key_id: "AKIA",
        secret_access_key: "abc",
        session_token: "def",
      }),
      {
        type: "s3",
        bucket: "acme-lake",
        prefix: "posthog/raw",
        region: "eu-central-1",
        endpoint: "http://127.0.0.1:9000",
        forcePathStyle: true,
        encryption: { type: "aws:kms", key: "alias/lake" },
        assumeRole: { arn: "arn:aws:iam::123456789012:role/lake", externalId: "x", sessionName: "replayport" },
        credentials: { accessKeyId: "AKIA", secretAccessKey: "abc", sessionToken: "def" },
      },
    );
  });
  test("an encryption can be written as its name alone", async () => {
    assert.deepEqual(await destinationOf({ encryption: "AES256" }), { ...S3, encryption: { type: "AES256" } });
    assert.deepEqual(await destinationOf({ encryption: "aws:kms" }), { ...S3, encryption: { type: "aws:kms" } });
  });
  test("two destinations may be the same place", async () => {
    await configOf({
      ...BASE,
      destinations: { local: S3, other: S3 },
      exports: { a: EXPORT, b: { ...EXPORT, destination: "other" } },
    });
  });
});

suite("exports in the config", () => {
  test("an export has a default for every optional key", async () => {
    const { schedule, sweep, audit, ...rest } = await exportOf({});
    assert.deepEqual(rest, {
      name: "replays",
      model: { kind: "session_replays" },
      selection: {
        teams: 1,
        rules: { include: [], exclude: [], hash: [], stripQuery: [] },
        where: [],
        salt: "",
        posthogUrl: "",
      },
      destination: "local",
      start: new Date("2026-10-01T00:00:00Z"),
      end: undefined,
      settleMs: 300_000,
      quietAfterMs: 3 * 3_600_000,
      lookbackMs: 259_200_000,
      format: "parquet",
      compression: "zstd",
      path: "{export}/dt={year}-{month}-{day}",
      rowsPerFile: 500_000,
      limits: { memoryBytes: 2 ** 32, seconds: 600, threads: 0 },
      acceptMissingColumns: [],
      attemptMs: 6 * 3_600_000,
    });
    assert.deepEqual([schedule.text, schedule.timezone], ["@hourly", "UTC"]);
    assert.deepEqual([sweep?.schedule.text, sweep?.afterMs], ["@daily", 86_400_000]);
    assert.deepEqual([audit?.schedule.text, audit?.days], ["@daily", 30]);
  });

  test("an export takes every key", async () => {
    const { schedule, sweep, audit, ...rest } = await exportOf(
      {
        team_id: "all",
        schedule: "30 6 * * 1-5",
        timezone: "Europe/Berlin",
        end: "2027-01-01",
        format: "csv",
        compression: "gzip",
        settle: "10m",
        quiet_after: "30m",
        lookback: "1w",
        sweep: { schedule: "@weekly", after: "2d" },
        audit: { schedule: "@weekly", days: 60 },
        path: "raw/{export}/{year}/{hour}",
        columns: {
          include: ["block_urls"],
          exclude: ["ai_tags_freeform"],
          hash: ["distinct_id", "distinct_id"],
          strip_query: ["first_url", "all_urls", "block_urls"],
        },
        where: {
          snapshot_source: "web",
          team_id: [1, 2],
          duration_seconds: { min: 5, max: 600 },
          start_time: { min: "2026-10-01" },
        },
        rows_per_file: 1000,
        limits: { time: "1m", attempt: "90m" },
      },
      {
        posthog_url: "https://eu.posthog.com/",
        hash_salt: "a salt of 16 and more",
        limits: { memory: "1GiB", time: "5m", threads: 2 },
      },
    );
    assert.deepEqual(rest, {
      name: "replays",
      model: { kind: "session_replays" },
      selection: {
        teams: "all",
        rules: {
          include: ["block_urls"],
          exclude: ["ai_tags_freeform"],
          hash: ["distinct_id"],
          stripQuery: ["first_url", "all_urls", "block_urls"],
        },
        where: [
          { column: "snapshot_source", op: "equal", value: "web" },
          { column: "team_id", op: "in", values: [1, 2] },
          { column: "duration_seconds", op: "range", min: 5, max: 600 },
          // Midnight in the export's time zone.
          { column: "start_time", op: "range", min: "2026-09-30 22:00:00.000000" },
        ],
        salt: "a salt of 16 and more",
        posthogUrl: "https://eu.posthog.com",
      },
      destination: "local",
      start: new Date("2026-09-30T22:00:00Z"),
      end: new Date("2026-12-31T23:00:00Z"),
      settleMs: 600_000,
      quietAfterMs: 1_800_000,
      lookbackMs: 604_800_000,
      format: "csv",
      compression: "gzip",
      path: "raw/{export}/{year}/{hour}",
      rowsPerFile: 1000,
      limits: { memoryBytes: 2 ** 30, seconds: 60, threads: 2 },
      acceptMissingColumns: [],
      attemptMs: 90 * 60_000,
    });
    assert.deepEqual(schedule.next(new Date("2026-10-02T12:00:00Z")), new Date("2026-10-05T04:30:00Z"));
    assert.deepEqual(
      [sweep?.schedule.text, sweep?.schedule.timezone, sweep?.afterMs],
      ["@weekly", "Europe/Berlin", 172_800_000],
    );
    assert.deepEqual([audit?.schedule.text, audit?.schedule.timezone, audit?.days], ["@weekly", "Europe/Berlin", 60]);
  });

  test("an audit can be off, and an export without start_time has none", async () => {
    assert.equal((await exportOf({ audit: "off" })).audit, undefined);
    assert.equal((await exportOf({ audit: false })).audit, undefined);
    assert.equal((await exportOf({ audit: { days: 7 } })).audit?.schedule.text, "@daily");
    assert.equal((await exportOf({ columns: { exclude: ["start_time"] } })).audit, undefined);
  });

  test("a sweep can be off, and has its own defaults", async () => {
    assert.equal((await exportOf({ sweep: "off" })).sweep, undefined);
    assert.equal((await exportOf({ sweep: false })).sweep, undefined);
    assert.equal((await exportOf({ sweep: { after: "3d" } })).sweep?.schedule.text, "@daily");
    assert.equal((await exportOf({ sweep: { schedule: "@weekly" } })).sweep?.afterMs, 86_400_000);
  });

  test("the salt goes only to exports that hash", async () => {
    const hash_salt = "a salt of 16 and more";
    const config = await configOf({
      ...BASE,
      hash_salt,
      exports: { a: EXPORT, b: { ...EXPORT, columns: { hash: ["distinct_id"] } } },
    });
    assert.deepEqual(
      config.exports.map(({ selection }) => selection.salt),
      ["", hash_salt],
    );
  });

  test("a model in SQL keeps unchecked column names, because only ClickHouse knows them", async () => {
    const { model, selection } = await exportOf(
      {
        model: { sql: "models/days.sql", key: ["day", "team_id", "day"] },
        team_id: [1],
        columns: { exclude: ["whatever"], strip_query: ["page"] },
        where: { day: "2026-10-01", n: { min: 1 } },
      },
      {},
      { files: { "/etc/replayport/models/days.sql": "SELECT 1 AS day\n" } },
    );
    assert.deepEqual(model, {
      kind: "sql",
      file: "/etc/replayport/models/days.sql",
      sql: "SELECT 1 AS day",
      key: ["day", "team_id"],
    });
    assert.deepEqual(selection.rules, { include: [], exclude: ["whatever"], hash: [], stripQuery: ["page"] });
    assert.deepEqual(selection.where, [
      { column: "day", op: "equal", value: "2026-10-01" },
      { column: "n", op: "range", min: 1 },
    ]);
  });

  test("a model in SQL needs no team", async () => {
    const { team_id: _, ...rest } = EXPORT;
    const exports = { a: { ...rest, model: { sql: "/a.sql", key: ["x"] } } };
    const [definition] = (await configOf({ ...BASE, exports }, { files: { "/a.sql": "SELECT 1 AS x" } })).exports;
    assert.equal(definition?.selection.teams, "all");
  });

  test("exports keep the order of the file", async () => {
    const { exports, file } = await configOf({ ...BASE, exports: { zebra: EXPORT, ape: EXPORT, "1": EXPORT } });
    assert.deepEqual(new Set(exports.map(({ name }) => name)), new Set(["zebra", "ape", "1"]));
    assert.equal(file, "/etc/replayport/schedules.yaml");
  });
});
