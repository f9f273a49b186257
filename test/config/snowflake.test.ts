/** The section of a Snowflake destination: what it becomes, and what is wrong with it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { SnowflakeOptions } from "../../destinations/snowflake/options.ts";
import { type Case, testMistakes } from "./mistakes.ts";
import { BASE, configOf, EXPORT, type Fields } from "./parse.ts";

const TABLE: Fields = {
  type: "snowflake",
  account: "acme-analytics",
  username: "REPLAYPORT",
  database: "ANALYTICS",
  schema: "POSTHOG",
  table: "SESSION_REPLAYS",
};

const withSnowflake = (fields: Fields, of: Fields = {}): Fields => ({
  ...BASE,
  destinations: { local: { ...TABLE, ...fields } },
  exports: { replays: { ...EXPORT, ...of } },
});

const wrong = (fields: Fields, problem: string, fix: RegExp, of: Fields = {}): Case => ({
  config: withSnowflake({ password: "hunter2hunter2", ...fields }, of),
  problems: [problem],
  fix,
});

async function resolved(fields: Fields): Promise<SnowflakeOptions> {
  const { destinations } = await configOf(withSnowflake(fields), {});
  return destinations["local"] as SnowflakeOptions;
}

suite("config: snowflake", () => {
  test("the least: a key pair, tombstones, half an hour for a statement", async () => {
    assert.deepEqual(await resolved({ private_key_file: "./key.p8" }), {
      ...TABLE,
      auth: { type: "key_file", path: "/etc/replayport/key.p8" },
      onDelete: "tombstone",
      statementTimeoutMs: 1_800_000,
    });
  });

  test("each way to sign in", async () => {
    const auth = async (fields: Fields): Promise<unknown> => (await resolved(fields)).auth;
    assert.deepEqual(await auth({ private_key: "PEM", private_key_passphrase: "p" }), {
      type: "key",
      pem: "PEM",
      passphrase: "p",
    });
    assert.deepEqual(await auth({ password: "hunter2hunter2" }), { type: "password", password: "hunter2hunter2" });
    assert.deepEqual(await auth({ oauth_token: "t0ken" }), { type: "oauth", token: "t0ken" });
    assert.deepEqual(await auth({ oauth_token_file: "/run/token" }), { type: "oauth_file", path: "/run/token" });
  });
});

const CASES: Readonly<Record<string, Case>> = {
  "excluding is_deleted": wrong(
    { on_delete: "delete" },
    "exports.replays.columns.exclude[1]: cannot be excluded",
    /on_delete of the destination local/,
    { columns: { exclude: ["distinct_id", "is_deleted"] } },
  ),
};

testMistakes("a snowflake destination", CASES);
