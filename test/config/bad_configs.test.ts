import { type Case, one, testMistakes } from "./mistakes.ts";
import { BASE, EXPORT, type Fields, type Options, S3, withS3 } from "./parse.ts";

const top = (fields: Fields, problem: string, fix: RegExp, options: Options = {}): Case => ({
  config: { ...BASE, ...fields },
  problems: [problem],
  fix,
  options,
});
const s3 = (fields: Fields, problem: string, fix: RegExp): Case => ({
  config: withS3(fields),
  problems: [`destinations.local.${problem}`],
  fix,
});
const clickhouse = (fields: Fields, problem: string, fix: RegExp): Case =>
  top({ source: { clickhouse: { url: "http://host:8123", ...fields } } }, `source.clickhouse.${problem}`, fix);
const without = (key: string): Case => {
  const { [key]: _, ...rest } = EXPORT;
  return {
    config: { ...BASE, exports: { replays: rest } },
    problems: [`exports.replays.${key}: is missing`],
    fix: /./,
  };
};

const CASES: Readonly<Record<string, Case>> = {
  "nothing at all": { config: "", problems: ["is empty"], fix: /replayport init/ },
  "a list": { config: "- a", problems: ["needs a mapping of keys, not a list"], fix: /replayport init/ },
  "an unknown key at the top": top({ exprots: {} }, "exprots: unknown key", /Remove it, or write one of: posthog_url/),
  "a key that is nearly right": top({ posthog_ulr: "x" }, "posthog_ulr: unknown key", /Did you mean "posthog_url"\?/),
  "no source": {
    config: { ...BASE, source: undefined },
    problems: ["source: is missing"],
    fix: /clickhouse or embedded/,
  },
  "an empty source": top({ source: {} }, "source: names neither clickhouse nor embedded", /Keep one/),
  "two sources": top(
    { source: { embedded: "./a", clickhouse: { url: "http://b" } } },
    "source: names both clickhouse and embedded",
    /Keep one/,
  ),
  "no url": {
    config: { ...BASE, source: { clickhouse: {} } },
    problems: ["source.clickhouse.url: is missing"],
    fix: /url: https:/,
  },
  "a url without scheme": clickhouse({ url: "host:8123" }, "url: not a web address", /https:\/\/host:8443/),
  "a url with a password": clickhouse(
    { url: "http://u:p@h" },
    "url: an address with a name or password in it",
    /keys of their own/,
  ),
  "a url with a query": clickhouse({ url: "http://h/?a=1" }, "url: an address with a query or a fragment", /Leave out/),
  "a time-out without unit": clickhouse(
    { request_timeout: 30 },
    "request_timeout: needs a text, not a number",
    /request_timeout: 10m/,
  ),
  "a ca_file that is not there": clickhouse({ ca_file: "ca.pem" }, "ca_file: cannot be read", /PEM/),
  "a posthog_url that is none": top({ posthog_url: "eu.posthog.com" }, "posthog_url: not a web address", /https:\/\//),
  "a short salt": top({ hash_salt: "abc" }, "hash_salt: shorter than 16 characters", /at least 16/),

  "no type": top({ destinations: { local: { path: "x" } } }, "destinations.local.type: is missing", /s3, file/),
  "an unknown type": top(
    { destinations: { local: { type: "S3" } } },
    "destinations.local.type: not a known type",
    /Did you mean "s3"/,
  ),
  "a key of another type": s3({ path: "x" }, "path: unknown key", /Remove it, or write one of: prefix, region/),
  "a bucket with capitals": s3({ bucket: "Acme" }, "bucket: not of the right form", /3 to 63/),
  "a bucket like an address": s3({ bucket: "10.0.0.1" }, "bucket: not of the right form", /3 to 63/),
  "a prefix with two slashes": s3({ prefix: "a//b" }, "prefix: not a folder of a bucket", /single slashes/),
  "half a pair of keys": s3({ access_key_id: "AKIA" }, "secret_access_key: is missing", /both or none/),
  "the other half": s3({ secret_access_key: "x" }, "access_key_id: is missing", /both or none/),
  "a token alone": s3({ session_token: "x" }, "session_token: has no keys beside it", /remove it/),
  "an unknown encryption": s3({ encryption: "AES265" }, "encryption: not a known value", /Did you mean "AES256"/),
  "a key for AES256": s3(
    { encryption: { type: "AES256", key: "k" } },
    "encryption.key: AES256 takes no key",
    /aws:kms/,
  ),
  "a role that is none": s3({ assume_role: { arn: "role" } }, "assume_role.arn: not of the right form", /arn:aws:iam/),
  "text for a flag": s3({ force_path_style: "yes" }, "force_path_style: needs true or false, not a text", /MinIO/),
  "a name with a space": top(
    { destinations: { "my lake": S3, local: S3 } },
    "destinations.my lake: not a name",
    /1 to 63 of a-z/,
  ),

  "no exports": top({ exports: {} }, "exports: names no export", /replayport init/),
  "an export's name with capitals": top({ exports: { Replays: EXPORT } }, "exports.Replays: not a name", /1 to 63/),
  "an export that is no mapping": top(
    { exports: { replays: "x" } },
    "exports.replays: needs a mapping of keys, not a text",
    /./,
  ),
  "no model": without("model"),
  "no team": without("team_id"),
  "no destination": without("destination"),
  "no schedule": without("schedule"),
  "no start": without("start"),
  "an unknown model": one({ model: "session_replay" }, "model: not a known value", /Did you mean "session_replays"/),
  "a model without key": one({ model: { sql: "a.sql" } }, "model.key: is missing", /key: \[team_id, day\]/),
  "a model without file": one({ model: { sql: "a.sql", key: ["a"] } }, "model.sql: no such file", /relative/),
  "a model with an empty file": one({ model: { sql: "a.sql", key: ["a"] } }, "model.sql: the file is empty", /SELECT/, {
    files: { "/etc/replayport/a.sql": " \n" },
  }),
  "a team of zero": one({ team_id: 0 }, "team_id: less than 1", /team_id: 1/),
  "a team by name": one({ team_id: "acme" }, "team_id: not a known value", /all/),
  "a team by name in a list": one({ team_id: [1, "acme"] }, "team_id[1]: needs a number, not a text", /./),
  "no team in a list": one({ team_id: [] }, "team_id: the list is empty", /team_id: 1/),
  "an unknown destination": one({ destination: "locla" }, "destination: no such destination", /Did you mean "local"\?/),
  "a schedule without its @": one({ schedule: "daily" }, "schedule: not a schedule", /Did you mean "@daily"\?/),
  "a minute too many": one(
    { schedule: "61 * * * *" },
    "schedule: not a schedule: Invalid value for minute: 61",
    /cron line/,
  ),
  "a day that never comes": one(
    { schedule: "0 0 31 2 *" },
    "schedule: not a schedule: it names a day that never comes",
    /./,
  ),
  "every 7 minutes": one({ schedule: "every 7 minutes" }, "schedule: not a schedule", /divisor of 60/),
  "an unknown time zone": one(
    { timezone: "Europe/Berln" },
    "timezone: not a time zone",
    /Did you mean "Europe\/Berlin"\?/,
  ),
  "an offset for a time zone": one({ timezone: "+02:00" }, "timezone: not a time zone", /IANA/),
  "a day that is not in the calendar": one({ start: "2026-02-30" }, "start: no such day in the calendar", /2026-10-01/),
  "a start without zone": one({ start: "2026-10-01T00:00:00" }, "start: a timestamp without a zone", /with its zone/),
  "a start in words": one({ start: "yesterday" }, "start: neither a date nor a timestamp", /2026-10-01/),
  "a start with a fraction": one(
    { start: "2026-10-01T00:00:00.5Z" },
    "start: has a fraction of a second",
    /whole seconds/,
  ),
  "a start of another age": one({ start: "0206-10-01" }, "start: before the year 2000", /first day/),
  "an unknown format": one({ format: "parqet" }, "format: not a known value", /Did you mean "parquet"\?/),
  "an unknown compression": one({ compression: "zip" }, "compression: not a known value", /Did you mean "gzip"\?/),
  "a compression of another format": one(
    { format: "csv", compression: "snappy" },
    "compression: does not go with csv",
    /zstd, gzip/,
  ),
  "a duration without unit": one({ settle: "5" }, "settle: not a duration", /90s, 5m/),
  "a duration with a fraction": one({ settle: "1.5h" }, "settle: not a duration", /whole number/),
  "a negative duration": one({ settle: "-5m" }, "settle: not a duration", /whole number/),
  "too long a settle": one({ settle: "2d" }, "settle: too long", /at least 0s and at most 1d/),
  "too short a lookback": one({ lookback: "30m" }, "lookback: too short", /at least 1h/),
  "a sweep that is true": one({ sweep: true }, "sweep: not a value that fits", /off/),
  "a sweep with a wrong schedule": one(
    { sweep: { schedule: "dayly" } },
    "sweep.schedule: not a schedule",
    /Did you mean "@daily"/,
  ),
  "a sweep before the first reading": one(
    { settle: "2h", sweep: { after: "1h" } },
    "sweep.after: shorter than settle",
    /longer/,
  ),
  "an unknown key of the sweep": one(
    { sweep: { schedul: "@daily" } },
    "sweep.schedul: unknown key",
    /Did you mean "schedule"/,
  ),
  "an unknown placeholder": one(
    { path: "{export}/{yaer}" },
    "path: has an unknown placeholder",
    /Did you mean "year"\?/,
  ),
  "a path without export": one({ path: "dt={year}" }, "path: lacks {export}", /share a folder/),
  "a path with an open brace": one({ path: "{export}/{year" }, "path: its braces do not match", /\{year\}/),
  "an absolute path": one({ path: "/{export}" }, "path: begins or ends with a slash, or has two in a row", /relative/),
  "a path out of the lake": one({ path: "../{export}" }, "path: has a folder that begins with a dot", /another name/),
  "a path into the manifests": one(
    { path: "_replayport/{export}" },
    "path: is where the manifests are",
    /another folder/,
  ),
  "a path with a backslash": one({ path: "a\\{export}" }, "path: has a backslash or a control character", /slashes/),
  "rows_per_file with a fraction": one(
    { rows_per_file: 1.5 },
    "rows_per_file: not a whole number",
    /rows_per_file: 500000/,
  ),
  "rows_per_file of zero": one({ rows_per_file: 0 }, "rows_per_file: less than 1", /500000/),
  "a size in another unit": one({ limits: { memory: "4 gigs" } }, "limits.memory: not a size", /4GiB/),
  "a small size": one({ limits: { memory: "1MiB" } }, "limits.memory: too small", /64MiB/),
  "an empty key": one({ limits: null }, "limits: is empty", /4GiB/),

  "a missing variable": one({ team_id: "${TEAM}" }, "team_id: the environment variable TEAM is missing", /Set TEAM to/),
  "an empty variable": one({ team_id: "${TEAM}" }, "team_id: the environment variable TEAM is missing", /not empty/, {
    env: { TEAM: "" },
  }),
  "a placeholder that is none": one({ team_id: "${TEAM NAME}" }, "team_id: not a placeholder", /\$\$\{/),
  "a placeholder without end": one({ path: "{export}/${TEAM" }, "path: not a placeholder", /\$\{NAME\}/),
  "a variable of another type": one(
    { rows_per_file: "${ROWS}" },
    "rows_per_file: needs a number, not a text",
    /500000/,
    {
      env: { ROWS: "many" },
    },
  ),
};

testMistakes("a config with a mistake", CASES);
