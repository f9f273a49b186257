/** What passes by itself and what needs a person: over all codes that the engine knows, and over HTTP statuses. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Refusal, classifyStatus, sourceError } from "../../src/clickhouse/errors.ts";
import { KINDS, classifyCode } from "../../src/clickhouse/exception_codes.ts";
import { embedded, embeddedSkip } from "../support/embedded.ts";

/** Names that sound as if they passed by themselves, and why these don't. */
const LASTS: Readonly<Record<string, string>> = {
  TOO_MANY_ROWS: "a limit of the profile, which the same query reaches again",
  TOO_MANY_BYTES: "a limit of the profile, which the same query reaches again",
  TOO_MANY_ROWS_OR_BYTES: "a limit of the profile, which the same query reaches again",
  SET_SIZE_LIMIT_EXCEEDED: "a limit of the profile, which the same query reaches again",
  LIMIT_EXCEEDED: "a limit of the server's config, such as a number of tables",
  UNKNOWN_LOAD_BALANCING: "a wrong value of a setting",
  UNKNOWN_QUOTA: "an access entity that doesn't exist",
  QUOTA_REQUIRES_CLIENT_KEY: "the quota is keyed, and no key is configured",
  UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE: "only inserts meet it",
  NO_REPLICA_NAME_GIVEN: "a mistake in a CREATE TABLE",
  NO_SUCH_REPLICA: "names a replica that a SYSTEM statement asked for",
  REPLICA_ALREADY_EXISTS: "only CREATE TABLE meets it",
  REPLICA_IS_ALREADY_ACTIVE: "only a starting table meets it, and keeps it to itself",
  MISMATCH_REPLICAS_DATA_SOURCES: "a mistake in the cluster's config",
  UNEXPECTED_NODE_IN_ZOOKEEPER: "broken metadata, which a person repairs",
  DATABASE_REPLICATION_FAILED: "only DDL meets it",
  POSTGRESQL_REPLICATION_INTERNAL_ERROR: "of a table of PostgreSQL",
  ZERO_COPY_REPLICATION_ERROR: "only merges and fetches meet it",
  BAD_ODBC_CONNECTION_STRING: "a mistake in a table's definition",
  POSTGRESQL_CONNECTION_FAILURE: "of a table of PostgreSQL",
  ARROWFLIGHT_CONNECTION_FAILURE: "of a table of Arrow Flight",
  CLIENT_HAS_CONNECTED_TO_WRONG_PORT: "source.clickhouse.url names the wrong port",
  INVALID_SESSION_TIMEOUT: "a wrong parameter of the URL",
  CANNOT_GET_REPLICATED_DATABASE_SNAPSHOT: "only backups meet it",
  INVALID_LIMIT_EXPRESSION: "a mistake in a query",
  LIMIT_BY_WITH_TIES_IS_NOT_SUPPORTED: "a mistake in a query",
  TOP_AND_LIMIT_TOGETHER: "a mistake in a query",
  TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT: "only DROP meets it",
};
const SOUNDS_PASSING =
  /OVERLOAD|QUOTA|TIMEOUT|TOO_MANY_(SIM|ROWS|BYTES|PARTS$|UNAV)|CONNECTION|NETWORK|SOCKET|DNS|KEEPER|REPLICA|CANCEL|ABORTED|(?<!DE)LIMIT|MEMORY|TOO_SLOW$|_LOCKED|STALE|S3_|DISTRIBUTED_CACHE|LOAD_BALANC/;

suite("what passes by itself", () => {
  test("a code of ClickHouse is in one kind only, and each kind has its own code of ours", () => {
    const codes = KINDS.flatMap((kind) => kind.codes);
    assert.equal(new Set(codes).size, codes.length);
    assert.equal(new Set(KINDS.map(({ is }) => is.code)).size, KINDS.length);
    for (const { is } of KINDS) assert.match(is.code, /^source\.[a-z_]+$/);
  });

  test("each code of ClickHouse is retried or given up for a reason", { skip: embeddedSkip }, async () => {
    await using engine = await embedded();
    const result = await engine.client.query({
      query: "SELECT toString(number) AS code, errorCodeToName(number) AS name FROM numbers(2000) WHERE name != ''",
      format: "JSONEachRow",
    });
    const known = await result.json<{ code: string; name: string }>();
    assert.ok(known.length > 600);
    const names = new Map(known.map(({ code, name }) => [code, name]));
    const kinds = new Map(KINDS.flatMap(({ codes, is }) => codes.map((one) => [one.split(" ")[0], { one, is }])));
    for (const { one } of kinds.values()) {
      const [code = "", name] = one.split(" ");
      assert.equal(names.get(code), name, `${one} isn't what the engine calls it`);
    }
    const unexplained = known.filter(
      ({ code, name }) =>
        SOUNDS_PASSING.test(name) && classifyCode(Number(code)).remedy === "give-up" && LASTS[name] === undefined,
    );
    assert.deepEqual(unexplained, [], "neither retried nor with a reason why not");
    for (const name of Object.keys(LASTS)) {
      const [code] = known.find((one) => one.name === name)?.code.split(" ") ?? [];
      assert.equal(classifyCode(Number(code)).remedy, "give-up", `${name} is retried: its reason is wrong`);
    }
  });

  for (const [status, code, remedy] of [
    [429, "source.unavailable", "retry"],
    [500, "source.unavailable", "retry"],
    [502, "source.unavailable", "retry"],
    [503, "source.unavailable", "retry"],
    [504, "source.unavailable", "retry"],
    [524, "source.unavailable", "retry"],
    [408, "source.unavailable", "retry"],
    [301, "source.not_clickhouse", "give-up"],
    [400, "source.not_clickhouse", "give-up"],
    [401, "source.proxy_denied", "give-up"],
    [403, "source.proxy_denied", "give-up"],
    [404, "source.not_clickhouse", "give-up"],
    [407, "source.proxy_denied", "give-up"],
    [413, "source.request_too_large", "give-up"],
    [414, "source.request_too_large", "give-up"],
    [431, "source.request_too_large", "give-up"],
    [501, "source.not_clickhouse", "give-up"],
  ] as const) {
    test(`HTTP ${status} without a code of ClickHouse is ${code}, ${remedy}, and the message names it`, () => {
      assert.deepEqual([classifyStatus(status).code, classifyStatus(status).remedy], [code, remedy]);
      const error = sourceError("cannot read", "ClickHouse", new Refusal(status, {}, "<html>no</html>"));
      assert.match(error.message, new RegExp(`HTTP ${status}: <html>`));
      assert.equal(error.code, code);
    });
  }

  const DATE = "Thu, 01 Oct 2026 12:00:00 GMT";
  const quota = (end: string, seconds = 3600): string =>
    `Code: 201. DB::Exception: Quota for user \`reader\` for ${seconds}s has been exceeded: queries = 101/100. ` +
    `Interval will end at ${end}. Name of quota template: \`default\`. (QUOTA_EXCEEDED) (version 26.7.2.1)`;
  for (const [what, status, headers, body, afterMs] of [
    ["Retry-After in seconds", 429, { "retry-after": "7" }, "busy", 7000],
    ["Retry-After as a date", 503, { "retry-after": "Thu, 01 Oct 2026 12:00:30 GMT", date: DATE }, "busy", 30_000],
    [
      "a Retry-After that has passed",
      503,
      { "retry-after": "Thu, 01 Oct 2026 11:00:30 GMT", date: DATE },
      "",
      undefined,
    ],
    ["a Retry-After that isn't one", 503, { "retry-after": "soon" }, "", undefined],
    ["Retry-After with a code of ClickHouse", 503, { "retry-after": "2" }, "Code: 745. DB::Exception: x (Y)", 2000],
    ["a quota's end in UTC", 500, { date: DATE }, quota("2026-10-01 12:10:00"), 600_000],
    ["a quota's end in New York", 500, { date: DATE }, quota("2026-10-01 08:10:00"), 600_000],
    ["a quota's end in Kathmandu", 500, { date: DATE }, quota("2026-10-01 17:50:00"), 300_000],
    ["a quota's end that has passed", 500, { date: DATE }, quota("2020-01-01 00:00:00"), undefined],
    ["a quota's end in a wording that isn't known", 500, { date: DATE }, "Code: 201. DB::Exception: Quota", undefined],
  ] as const) {
    test(`${what} decides how long to wait`, () => {
      const error = sourceError("cannot read", "ClickHouse", new Refusal(status, headers, body));
      assert.equal(error.remedy, "retry");
      assert.equal(error.retryAfterMs, afterMs);
    });
  }
});
