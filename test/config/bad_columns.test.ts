import { type Case, one, testMistakes } from "./mistakes.ts";
import { type Fields, withExport } from "./parse.ts";

const NO_SALT = "columns.hash: needs a salt";
const SALT = { hash_salt: "0123456789abcdef" };
const salted = (columns: Fields, problem: string, fix: RegExp): Case => ({
  config: withExport({ columns }, SALT),
  problems: [`exports.replays.columns.${problem}`],
  fix,
});

const CASES: Readonly<Record<string, Case>> = {
  "columns as a list": one({ columns: ["distinct_id"] }, "columns: needs a mapping of keys, not a list", /./),
  "a rule that is nearly right": one(
    { columns: { strip_querry: [] } },
    "columns.strip_querry: unknown key",
    /Did you mean "strip_query"/,
  ),
  "an unknown column": one(
    { columns: { exclude: ["distinctid"] } },
    "columns.exclude[0]: no such column",
    /Did you mean "distinct_id"/,
  ),
  "a column like no other": one(
    { columns: { exclude: ["qqqqqqqq"] } },
    "columns.exclude[0]: no such column",
    /There is: team_id, /,
  ),
  "including what is exported": one(
    { columns: { include: ["size"] } },
    "columns.include[0]: is exported anyway",
    /block_urls/,
  ),
  "an unknown column to include": one(
    { columns: { include: ["block_url"] } },
    "columns.include[0]: no such column",
    /Did you mean "block_urls"/,
  ),
  "excluding the key": one(
    { columns: { exclude: ["session_id"] } },
    "columns.exclude[0]: cannot be left out",
    /current/,
  ),
  "excluding the version": one(
    { columns: { exclude: ["_version"] } },
    "columns.exclude[0]: cannot be left out",
    /current/,
  ),
  "excluding the time of reading": one(
    { columns: { exclude: ["_exported_at"] } },
    "columns.exclude[0]: cannot be left out",
    /current/,
  ),
  "excluding what is left out": one(
    { columns: { exclude: ["block_urls"] } },
    "columns.exclude[0]: is left out anyway",
    /Remove it/,
  ),
  "including and excluding": one(
    { columns: { include: ["block_urls"], exclude: ["block_urls"] } },
    "columns.exclude[0]: both included and excluded",
    /one of the two/,
  ),
  "hashing without salt": one({ columns: { hash: ["distinct_id"] } }, NO_SALT, /REPLAYPORT_HASH_SALT/),
  "hashing a number": salted({ hash: ["size"] }, "hash[0]: a column of type int64", /string\[\]/),
  "hashing the key": salted({ hash: ["session_id"] }, "hash[0]: cannot be changed", /replay_url/),
  "hashing what is not exported": salted({ hash: ["block_urls"] }, "hash[0]: is not exported", /export the column/),
  "hashing what is excluded": salted(
    { exclude: ["distinct_id"], hash: ["distinct_id"] },
    "hash[0]: is not exported",
    /export the column/,
  ),
  "stripping a time": salted(
    { strip_query: ["start_time"] },
    "strip_query[0]: a column of type timestamp",
    /strip_query is for/,
  ),
  "hashing the key of a model in SQL": {
    config: withExport({ model: { sql: "a.sql", key: ["day"] }, columns: { hash: ["day"] } }, SALT),
    problems: ["exports.replays.columns.hash[0]: a column of the key"],
    fix: /identifies a row/,
    options: { files: { "/etc/replayport/a.sql": "SELECT 1 AS day" } },
  },
  "excluding the version of a model in SQL": {
    config: withExport({ model: { sql: "a.sql", key: ["day"] }, columns: { exclude: ["_version"] } }),
    problems: ["exports.replays.columns.exclude[0]: cannot be left out"],
    fix: /current/,
    options: { files: { "/etc/replayport/a.sql": "SELECT 1 AS day" } },
  },

  "a condition on no column": one({ where: { clicks: 1 } }, "where.clicks: no such column", /./),
  "a condition on a list": one(
    { where: { all_urls: "x" } },
    "where.all_urls: a column of lists cannot be compared",
    /Remove/,
  ),
  "text for a number": one({ where: { size: "big" } }, "where.size: the column holds whole numbers", /whole number/),
  "a quoted number": one({ where: { size: "5" } }, "where.size: the column holds whole numbers", /whole number/),
  "a fraction for a whole number": one({ where: { size: 1.5 } }, "where.size: the column holds whole numbers", /whole/),
  "a number for text": one(
    { where: { snapshot_library: 5 } },
    "where.snapshot_library: the column holds text",
    /quotes/,
  ),
  "a number for a flag": one({ where: { is_deleted: 1 } }, "where.is_deleted: the column holds flags", /true or false/),
  "a list for a flag": {
    config: withExport({ where: { is_deleted: ["true"] } }),
    problems: [
      "exports.replays.where.is_deleted: a flag needs no list",
      "exports.replays.where.is_deleted[0]: the column holds flags",
    ],
    fix: /true or false/,
  },
  "text for a time": one(
    { where: { start_time: { min: "soon" } } },
    "where.start_time.min: neither a date nor a timestamp",
    /2026/,
  ),
  "a number for a time": one(
    { where: { start_time: { min: 5 } } },
    "where.start_time.min: the column holds timestamps",
    /2026/,
  ),
  "a range of text": one(
    { where: { first_url: { min: "a" } } },
    "where.first_url: a column of type string has no range",
    /list/,
  ),
  "a range without ends": one({ where: { size: {} } }, "where.size: a range without an end", /min, max or both/),
  "a range turned round": one(
    { where: { size: { min: 2, max: 1 } } },
    "where.size: min is greater than max: no row fits",
    /Exchange/,
  ),
  "an unknown end": one({ where: { size: { least: 2 } } }, "where.size.least: unknown key", /min, max/),
  "a value of a list that does not fit": one(
    { where: { team_id: [1, "a"] } },
    "where.team_id[1]: the column holds whole numbers",
    /./,
  ),
};

testMistakes("a mistake about columns", CASES);
