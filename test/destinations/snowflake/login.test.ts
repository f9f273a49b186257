/** How a session is opened, marked and closed: keys, tokens, passwords, tags, and what the driver must not do. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import type { SnowflakeAuth, SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { hours } from "../../conformance/batches.ts";
import { EVERYTHING, rejectsWith } from "../../conformance/context.ts";
import { PASSPHRASE, PASSWORD, ROLE, TOKEN, WAREHOUSE } from "./emulator.ts";
import { sessions } from "./batches.ts";
import { openFixture, server, SIGNAL, skip, type Fixture } from "./fixture.ts";

const NOBODY = "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----";

async function asksLedger(fixture: Fixture, options: Partial<SnowflakeOptions>): Promise<void> {
  assert.deepEqual(await Array.fromAsync(fixture.open(options).covered(EVERYTHING, SIGNAL)), []);
  assert.equal(await server.openSessions(), 0);
}

suite("Snowflake: ways to sign in", { skip }, () => {
  const keyed = (auth: SnowflakeAuth): Partial<SnowflakeOptions> => ({ username: "KEYS", auth });

  test("a private key as PEM, also with its line breaks written as \\n", async () => {
    await using fixture = await openFixture();
    await asksLedger(fixture, keyed({ type: "key", pem: server.keys.plain }));
    for (const escaped of [String.raw`\n`, String.raw`\\n`, String.raw`\r\n`]) {
      await asksLedger(fixture, keyed({ type: "key", pem: server.keys.plain.replaceAll("\n", escaped) }));
    }
  });

  test("an encrypted private key, with its passphrase", async () => {
    await using fixture = await openFixture();
    await asksLedger(fixture, keyed({ type: "key", pem: server.keys.encrypted, passphrase: PASSPHRASE }));
  });

  test("a private key in a file, encrypted or not, is read anew for each session", async () => {
    await using fixture = await openFixture();
    const path = join(fixture.folder, "key.p8");
    await writeFile(path, server.keys.encrypted);
    const destination = fixture.open(keyed({ type: "key_file", path, passphrase: PASSPHRASE }));
    assert.deepEqual(await Array.fromAsync(destination.covered(EVERYTHING, SIGNAL)), []);
    await writeFile(path, NOBODY);
    await rejectsWith("give-up", Array.fromAsync(destination.covered(EVERYTHING, SIGNAL)));
    await writeFile(path, server.keys.plain);
    assert.deepEqual(await Array.fromAsync(destination.covered(EVERYTHING, SIGNAL)), []);
  });

  test("an OAuth token, and one in a file that is renewed between two sessions", async () => {
    await using fixture = await openFixture();
    await asksLedger(fixture, { username: "TOKENS", auth: { type: "oauth", token: TOKEN } });
    const path = join(fixture.folder, "token");
    await writeFile(path, "of yesterday");
    const destination = fixture.open({ username: "TOKENS", auth: { type: "oauth_file", path } });
    const error = await rejectsWith("retry", Array.fromAsync(destination.covered(EVERYTHING, SIGNAL)));
    assert.equal(error.code, "snowflake.token_expired");
    await writeFile(path, `${TOKEN}\n`);
    assert.deepEqual(await Array.fromAsync(destination.covered(EVERYTHING, SIGNAL)), []);
  });

  for (const { name, options, code, says } of [
    {
      name: "a wrong password",
      options: { auth: { type: "password", password: "wrong-password" } },
      code: "snowflake.login",
      says: /Incorrect username or password.*account \(acme-test\), username \(PASSWORDS\) and password/,
    },
    {
      name: "a user that does not exist",
      options: { username: "NOBODY" },
      code: "snowflake.login",
      says: /DESCRIBE USER NOBODY;/,
    },
    {
      name: "a key of somebody else",
      options: { username: "PASSWORDS", auth: { type: "key", pem: "KEY" } },
      code: "snowflake.login",
      says: /ALTER USER PASSWORDS SET RSA_PUBLIC_KEY='…';/,
    },
    {
      name: "no passphrase for an encrypted key",
      options: { username: "KEYS", auth: { type: "key", pem: "ENCRYPTED" } },
      code: "snowflake.private_key",
      says: /the private key of private_key cannot be read.*It is encrypted: set private_key_passphrase\./,
    },
    {
      name: "a wrong passphrase",
      options: { username: "KEYS", auth: { type: "key", pem: "ENCRYPTED", passphrase: "wrong-passphrase" } },
      code: "snowflake.private_key",
      says: /private_key_passphrase is wrong/,
    },
    {
      name: "a key that is none",
      options: { username: "KEYS", auth: { type: "key", pem: NOBODY } },
      code: "snowflake.private_key",
      says: /openssl genrsa 2048/,
    },
    {
      name: "a file that is not there",
      options: { username: "KEYS", auth: { type: "key_file", path: "/no/such/key.p8" } },
      code: "snowflake.secret_file",
      says: /cannot read \/no\/such\/key\.p8: .*no such file.*relative to the config/,
    },
    {
      name: "a role that the user has not",
      options: { role: "nobody" },
      code: "snowflake.role",
      says: /GRANT ROLE "NOBODY" TO USER PASSWORDS;/,
    },
    {
      name: "a warehouse that is not there",
      options: { warehouse: "nowhere" },
      code: "snowflake.warehouse",
      says: /No active warehouse.*GRANT USAGE ON WAREHOUSE "NOWHERE" TO ROLE "REPLAYPORT";/,
    },
    {
      name: "an account that is not there",
      options: { host: "no-such-account.invalid" },
      code: "snowflake.unknown_host",
      says: /No such host: check `account` and `host` \(http:\/\/no-such-account\.invalid:\d+\)/,
    },
  ] as const) {
    test(`${name} is an error that says what to do, and shows no secret`, async () => {
      await using fixture = await openFixture();
      const pems: Readonly<Record<string, string>> = { KEY: server.keys.plain, ENCRYPTED: server.keys.encrypted };
      const auth: SnowflakeAuth | undefined =
        "auth" in options && "pem" in options.auth
          ? { ...options.auth, pem: pems[options.auth.pem] ?? options.auth.pem }
          : "auth" in options
            ? options.auth
            : undefined;
      // Without a table of receipts nothing is asked that needs a warehouse.
      if (code === "snowflake.warehouse") await fixture.open().load(await fixture.batch({ files: [] }), SIGNAL);
      const destination = fixture.open({ ...options, ...(auth === undefined ? {} : { auth }) });
      const error = await rejectsWith("give-up", Array.fromAsync(destination.covered(EVERYTHING, SIGNAL)));
      const shown = `${error.message} ${error.hint}`;
      assert.equal(error.code, code, shown);
      assert.match(shown, says);
      for (const secret of [PASSWORD, "wrong-password", "wrong-passphrase", "MII", "not a key"]) {
        assert.ok(!shown.includes(secret), shown);
      }
    });
  }
});

suite("Snowflake: sessions", { skip }, () => {
  test("carry a tag with export and interval, in Snowflake's own settings whatever the account says", async () => {
    await using fixture = await openFixture();
    const destination = fixture.open({ queryTag: "it's data-platform" });
    const batch = await fixture.batch({ of: hours(3), files: [sessions({ session: "a", version: 1 })] });
    await server.clearLog();
    await destination.load(batch, SIGNAL);
    const [settings = "", ...rest] = await fixture.sent();
    const tag = /QUERY_TAG = '((?:[^']|'')*)'/.exec(settings)?.[1]?.replaceAll("''", "'") ?? "";
    assert.deepEqual(JSON.parse(tag), {
      app: "replayport",
      export: "sessions",
      interval: intervalName(hours(3)),
      doing: "load",
      tag: "it's data-platform",
    });
    assert.ok(rest.every((sql) => !sql.startsWith("ALTER SESSION")));
    assert.equal(await server.openSessions(), 0);
  });

  test("name role and warehouse as SQL would", async () => {
    await using fixture = await openFixture();
    await asksLedger(fixture, { role: ROLE.toLowerCase(), warehouse: `"${WAREHOUSE}"` });
    const error = await rejectsWith("give-up", fixture.open({ role: `"${ROLE.toLowerCase()}"` }).check(SIGNAL));
    assert.equal(error.code, "snowflake.role");
  });

  test("write nothing into the working folder, nor to stdout or stderr", async () => {
    await using fixture = await openFixture();
    const folder = await mkdtemp(join(tmpdir(), "replayport-quiet-"));
    const client = join(import.meta.dirname, "..", "..", "..", "destinations", "snowflake", "index.ts");
    const script = `
      import { openSnowflake } from ${JSON.stringify(client)};
      const deps = { now: () => new Date(), version: "test", onWarning: () => undefined };
      const options = ${JSON.stringify({ ...fixture.options, loginAttempts: 1 })};
      await openSnowflake(options, { export: "sessions" }, deps).check(AbortSignal.timeout(60_000));
      const wrong = { ...options, auth: { type: "password", password: "wrong" } };
      await openSnowflake(wrong, { export: "sessions" }, deps).check(AbortSignal.timeout(60_000)).catch(() => undefined);
      const away = { ...options, port: 1 };
      await openSnowflake(away, { export: "sessions" }, deps).check(AbortSignal.timeout(60_000)).catch(() => undefined);`;
    try {
      const args = ["--input-type=module-typescript", "--eval", script];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });
      assert.deepEqual([stdout, stderr, await readdir(folder)], ["", "", []]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
