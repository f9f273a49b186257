/** Problems of every kind come together, each with its place in the file. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatProblems } from "../../src/config/problems/problems.ts";
import { BASE, configOf, EXPORT, problemsOf } from "./parse.ts";

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
    Write one of: zstd, gzip, brotli, lz4, none.
schedules.yaml:17:7  exports.replays.columns.hash: needs a salt
    Write hash_salt: "\${REPLAYPORT_HASH_SALT}" at the top of the file, and keep the salt: another one gives other hashes.
schedules.yaml:17:27  exports.replays.columns.hash[1]: no such column (it says "sizes")
    Did you mean "size"?
schedules.yaml:18:39  exports.replays.where.duration_seconds.min: the column holds whole numbers (it says "long")
    Write a whole number.
schedules.yaml:24:12  exports.other.start: no such day in the calendar (it says "2026-13-01")
    Write a date (2026-10-01), or a timestamp with its zone (2026-10-01T06:00:00Z, 2026-10-01T08:00:00+02:00).`;

const places = async (text: string): Promise<string[]> =>
  (await problemsOf(text)).map(({ line, column, message }) => `${line}:${column} ${message}`);

suite("all problems at once", () => {
  test("the message lists them in the order of the file", async () => {
    assert.equal(formatProblems(await problemsOf(BAD), "schedules.yaml"), MESSAGE);
  });

  test("a missing variable does not lead to a second problem at its place", async () => {
    const found = await problemsOf({ ...BASE, hash_salt: "${SALT}", exports: { a: { ...EXPORT, team_id: "${T}" } } });
    assert.deepEqual(found.map(({ path }) => path).sort(), ["exports.a.team_id", "hash_salt"]);
  });

  test("a wrong key does not hide what its neighbours do wrong", async () => {
    const found = await problemsOf({
      ...BASE,
      exports: { a: { ...EXPORT, timezone: "Mars", start: "x", schedule: "y" } },
    });
    assert.deepEqual(found.map(({ path }) => path).sort(), [
      "exports.a.schedule",
      "exports.a.start",
      "exports.a.timezone",
    ]);
  });
});

suite("YAML that cannot be read", () => {
  test("every mistake has line and column", async () => {
    assert.deepEqual(await places("source: {\nexports: [}\n"), [
      "2:1 Flow map in block collection must be sufficiently indented and end with a }",
      "2:11 Flow sequence in block collection must be sufficiently indented and end with a ]",
    ]);
  });

  test("a key that stands twice is told along with the rest", async () => {
    const found = await problemsOf(
      "source: { embedded: a, embedded: b }\ndestinations: {}\nexports: { a: { modl: 1 } }\n",
    );
    assert.equal(found[0]?.message, "Map keys must be unique");
    assert.equal(found[0]?.line, 1);
    assert.ok(found.some(({ path }) => path === "exports.a.modl"));
  });

  for (const [name, text, message] of [
    ["an alias without anchor", "source: *nowhere", "an alias without an anchor before it"],
    ["an unknown tag", "source: !secret x", "a tag that YAML does not know"],
    ["tabs", "source:\n\tembedded: x", "Tabs are not allowed as indentation"],
    ["a second document", "a: 1\n---\nb: 2", "Source contains multiple documents; please use YAML.parseAllDocuments()"],
    ["an alias in a circle", "source: &a [*a]", "an alias cannot be resolved"],
  ] as const) {
    test(name, async () => {
      const [problem] = await problemsOf(text);
      assert.equal(problem?.message, message);
      assert.equal(typeof problem.line, "number");
      assert.notEqual(problem.fix, "");
    });
  }

  test("aliases that multiply", async () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level}, `.repeat(9)}]`,
    );
    const [problem] = await problemsOf(["l0: &l0 [x]", ...levels].join("\n"));
    assert.equal(problem?.message, "an alias cannot be resolved");
  });

  test("anchors and merge keys may be used", async () => {
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

  test("keys that JavaScript knows are keys like others", async () => {
    const found = await problemsOf({ ...BASE, exports: { a: { ...EXPORT, where: { constructor: 1, toString: 2 } } } });
    assert.deepEqual(
      found.map(({ path, message }) => `${path}: ${message}`),
      ["exports.a.where.constructor: no such column", "exports.a.where.toString: no such column"],
    );
    for (const text of ["__proto__: { embedded: x }", "exports: { a: { where: { __proto__: 1 } } }"]) {
      const [problem] = await problemsOf(text);
      assert.equal(problem?.message, "unknown key");
    }
  });
});
