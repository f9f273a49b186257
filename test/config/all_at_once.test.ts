/** Problems of every kind come together, each with its place in the file. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatProblems } from "../../src/config/problems/problems.ts";
import { configOf, problemsOf } from "./parse.ts";

const BAD = `source:
  clickhouse:
    url: "\${CLICKHOUSE_URL}"
    pasword: hunter2-hunter2
destinations:
  lake: { type: s3, bucket: Acme_Lake }
exports:
  replays:
    model: session_replays
    team_id: "\${TEAM}"
    destination: lak
    schedule: hourly
    start: 2026-10-01
    format: csv
    compression: snappy
    columns:
      hash: [distinct_id, sizes]
    where: { duration_seconds: { min: long } }
  other:
    model: session_replays
    team_id: 1
    destination: lake
    schedule: "@daily"
    start: 2026-13-01
`;

const MESSAGE = `schedules.yaml has 11 problems:

schedules.yaml:3:10  source.clickhouse.url: the environment variable CLICKHOUSE_URL is missing (it says "\${CLICKHOUSE_URL}")
    Set CLICKHOUSE_URL to a value that is not empty, or write \${CLICKHOUSE_URL:-default}.
schedules.yaml:4:5  source.clickhouse.pasword: unknown key
    Did you mean "password"?
schedules.yaml:6:29  destinations.lake.bucket: not of the right form (it says "Acme_Lake")
    The bucket: 3 to 63 of a-z, 0-9, dots and hyphens. For example: bucket: acme-lake
schedules.yaml:10:14  exports.replays.team_id: the environment variable TEAM is missing (it says "\${TEAM}")
    Set TEAM to a value that is not empty, or write \${TEAM:-default}.
schedules.yaml:11:18  exports.replays.destination: no such destination (it says "lak")
    Did you mean "lake"?
schedules.yaml:12:15  exports.replays.schedule: not a schedule (it says "hourly")
    Did you mean "@hourly"? Write @hourly, @daily, @weekly, @monthly, 'every 5 minutes' (a divisor of 60), or a cron line of five fields.
schedules.yaml:15:18  exports.replays.compression: does not go with csv (it says "snappy")
    Write one of: zstd, gzip, brotli, none.
schedules.yaml:17:7  exports.replays.columns.hash: needs a salt
    Write hash_salt: "\${REPLAYPORT_HASH_SALT}" at the top of the file, and never change the salt: a different one gives different hashes.
schedules.yaml:17:27  exports.replays.columns.hash[1]: no such column (it says "sizes")
    Did you mean "size"?
schedules.yaml:18:39  exports.replays.where.duration_seconds.min: the column holds whole numbers (it says "long")
    Write a whole number.
schedules.yaml:24:12  exports.other.start: no such day in the calendar (it says "2026-13-01")
    Write a date (2026-10-01), or a timestamp with its zone (2026-10-01T06:00:00Z, 2026-10-01T08:00:00+02:00).`;

const places = async (text: string): Promise<string[]> =>
  (await problemsOf(text)).map(({ line, column, message }) => `${line}:${column} ${message}`);

suite("all problems at once", () => {
  test("the message lists all problems in the order of the file", async () => {
    assert.equal(formatProblems(await problemsOf(BAD), "schedules.yaml"), MESSAGE);
  });
});

suite("YAML that cannot be read", () => {
  test("every syntax error has its line and column", async () => {
    assert.deepEqual(await places("source: {\nexports: [}\n"), [
      "2:1 Flow map in block collection must be sufficiently indented and end with a }",
      "2:11 Flow sequence in block collection must be sufficiently indented and end with a ]",
    ]);
  });

  test("a duplicate key is reported along with the rest", async () => {
    const found = await problemsOf(
      "source: { embedded: a, embedded: b }\ndestinations: {}\nexports: { a: { modl: 1 } }\n",
    );
    assert.equal(found[0]?.message, "Map keys must be unique");
    assert.equal(found[0]?.line, 1);
    assert.ok(found.some(({ path }) => path === "exports.a.modl"));
  });

  test("a config may use anchors and merge keys", async () => {
    const config = await configOf(`source: { embedded: ./data }
destinations: { local: { type: file, path: ./lake } }
exports:
  one: &export { model: session_replays, team_id: 1, destination: local, schedule: "@hourly", start: 2026-10-01 }
  two: { <<: *export, team_id: 2 }
`);
    assert.deepEqual(
      config.exports.map(({ name, selection }) => [name, selection.teams]),
      [
        ["one", 1],
        ["two", 2],
      ],
    );
  });
});
