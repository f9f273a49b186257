/** Nothing secret in a problem, wherever it stands and whatever else is wrong. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { configJsonSchema } from "../../src/config/problems/json_schema.ts";
import { formatProblems, maskUrl } from "../../src/config/problems/problems.ts";
import type { SchemaNode } from "../../src/config/problems/schema_node.ts";
import { nearest } from "../../src/config/problems/suggest.ts";
import { markedKeys, SECRET_NAME, secretPaths } from "../../src/config/secrets.ts";
import { BASE, configOf, EXPORT, type Fields, problemsOf, S3, withExport, withS3 } from "./parse.ts";

/** Told from all words of ours by its first letters. */
const secret = fc
  .string({ minLength: 1, maxLength: 30, unit: "grapheme-ascii" })
  .map((text) => `Zq9${text.replaceAll("$", "_")}`);

const message = async (config: Fields | string, env: Record<string, string> = {}): Promise<string> => {
  const found = await problemsOf(config, { env });
  return formatProblems(found, "schedules.yaml") + JSON.stringify(found);
};

const assertHidden = async (
  config: Fields | string,
  value: string,
  env: Record<string, string> = {},
): Promise<void> => {
  const text = await message(config, env);
  for (const form of [value, JSON.stringify(value).slice(1, -1), value.slice(0, 8)]) {
    assert.ok(form.length < 4 || !text.includes(form), `${JSON.stringify(value)} is in:\n${text}`);
  }
};

/** Something that is wrong, so that there is a message at all. */
const WRONG: Fields = { model: "no", unknown: 1 };

suite("secrets in the config file", () => {
  const places: Readonly<Record<string, (value: unknown) => Fields>> = {
    password: (value) => ({ ...BASE, source: { clickhouse: { url: "x", password: value } } }),
    "password of a wrong type": (value) => ({ ...BASE, source: { clickhouse: { url: "x", password: [value] } } }),
    "password under a wrong name": (value) => ({ ...BASE, source: { clickhouse: { url: "x", passwrd: value } } }),
    "password at the wrong place": (value) => ({ ...BASE, password: value }),
    "url with a password": (value) => ({ ...BASE, source: { clickhouse: { url: `http://me:${String(value)}@host` } } }),
    "url with a query": (value) => ({
      ...BASE,
      source: { clickhouse: { url: `http://host/?password=${String(value)}` } },
    }),
    hash_salt: (value) => withExport(WRONG, { hash_salt: value }),
    "hash_salt of a wrong type": (value) => withExport(WRONG, { hash_salt: { a: value } }),
    "hash_salt that is short": (value) => withExport(WRONG, { hash_salt: String(value).slice(0, 8) }),
    access_key_id: (value) => withS3({ access_key_id: value }),
    secret_access_key: (value) => withS3({ secret_access_key: value, access_key_id: [value] }),
    session_token: (value) => withS3({ session_token: value }),
    "a password of a type to come": (value) => withS3({ type: "snowflake", password: value, private_key: value }),
  };
  for (const [name, config] of Object.entries(places)) {
    test(`${name} is never shown`, async () => {
      await fc.assert(
        fc.asyncProperty(secret, async (value) => {
          await assertHidden(config(value), value);
        }),
        { numRuns: 15 },
      );
    });
  }

  test("a password that YAML can't parse is never shown", async () => {
    for (const sign of ["*", "&", "!", "@", "`", "%", "|", ">", '"\\', "{", "[", "'"]) {
      const text = `source:\n  clickhouse:\n    password: ${sign}Zq9hunter2 Zq9hunter2: x\n    url: y\n`;
      await assertHidden(text, "Zq9hunter2");
    }
  });
});

suite("secrets from the environment", () => {
  /** Each leaf of a config that has all there is. */
  const full: Fields = {
    posthog_url: "https://eu.posthog.com",
    source: { clickhouse: { url: "https://host", username: "me", password: "x", request_timeout: "5m", ca_file: "x" } },
    destinations: {
      lake: {
        ...S3,
        prefix: "a",
        region: "eu",
        endpoint: "https://s3",
        force_path_style: true,
        encryption: { type: "aws:kms", key: "k" },
        assume_role: { arn: "arn", external_id: "x", session_name: "s" },
        access_key_id: "x",
        secret_access_key: "y",
      },
    },
    limits: { memory: "4GiB", time: "5m", threads: 1 },
    exports: {
      replays: {
        ...EXPORT,
        ...WRONG,
        timezone: "UTC",
        format: "csv",
        compression: "zstd",
        settle: "5m",
        lookback: "3d",
        sweep: { schedule: "@daily", after: "1d" },
        path: "{export}",
        columns: { include: ["block_urls"], exclude: ["size"], hash: ["distinct_id"], strip_query: ["first_url"] },
        where: { size: { min: 1, max: 2 }, snapshot_source: ["web"], start_time: "2026-10-01", is_deleted: true },
        rows_per_file: 5,
      },
    },
    hash_salt: "0123456789abcdef",
  };
  const leaves = (value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] =>
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, item]) =>
          leaves(item, [...path, Array.isArray(value) ? Number(key) : key]),
        )
      : [path];
  const replaced = (value: unknown, path: readonly (string | number)[], by: string): unknown => {
    const [first, ...rest] = path;
    if (first === undefined) return by;
    if (Array.isArray(value)) return value.map((item, index) => (index === first ? replaced(item, rest, by) : item));
    const copy: Record<string, unknown> = { ...(value as Fields) };
    copy[String(first)] = replaced(copy[String(first)], rest, by);
    return copy;
  };

  test("a value is never shown, whole or within a text, at any place", async () => {
    const places = leaves(full);
    assert.ok(places.length > 40);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), secret, fc.boolean(), async (path, value, whole) => {
        const config = replaced(full, path, whole ? "${HIDDEN}" : "a ${HIDDEN} b");
        await assertHidden(stringify(config, { lineWidth: 0 }), value, { HIDDEN: value });
      }),
      { numRuns: 150 },
    );
  });

  test("the reason of the cron parser may quote the line, so it is left out", async () => {
    const line = "0 0 Zq9hunter2 * *";
    assert.match(await message(withExport({ schedule: line })), /not a schedule: configuration entry 3 \(Zq9/);
    assert.doesNotMatch(await message(withExport({ schedule: "${WHEN}" }), { WHEN: line }), /Zq9/i);
  });

  test("a problem shows a value as the file has it, with its placeholder", async () => {
    const text = await message(withExport({ schedule: "${WHEN}" }), { WHEN: "Zq9 at noon" });
    assert.match(text, /exports\.replays\.schedule: not a schedule \(it says "\$\{WHEN\}"\)/);
  });
});

suite("the secrets that logs hide", () => {
  test("logs get every secret, longest first, and no other value of the environment", async () => {
    const config = await configOf(
      {
        ...BASE,
        source: { clickhouse: { url: "http://${HOST}", username: "me", password: "${PW}" } },
        destinations: {
          local: { type: "file", path: "/x" },
          "access-key-lake": {
            ...S3,
            region: "${REGION}",
            access_key_id: "AKIA",
            secret_access_key: "abcdefgh",
            session_token: "tok",
          },
        },
        hash_salt: "a salt that is long enough",
      },
      { env: { HOST: "clickhouse", PW: "hunter2", REGION: "eu-central-1" } },
    );
    assert.deepEqual(config.secrets, ["a salt that is long enough", "abcdefgh", "hunter2", "AKIA", "tok"]);
  });

  test("a variable with a secret's name is hidden wherever it is used", async () => {
    const config = await configOf(withExport({ where: { distinct_id: "u-${VIP_TOKEN}" } }), {
      env: { VIP_TOKEN: "t0k3n" },
    });
    assert.deepEqual(config.secrets, ["t0k3n"]);
  });

  test("an empty password isn't a secret to hide", async () => {
    const source = { clickhouse: { url: "http://h", password: "${PW:-}" } };
    assert.deepEqual((await configOf({ ...BASE, source })).secrets, []);
  });

  /** Paths of files that hold a secret; the path itself is none, though its name hides it all the same. */
  const FILE = /_file$/;
  /** A switch and an address. Their names hide them all the same. */
  const OPEN: ReadonlySet<string> = new Set(["vended_credentials", "token_url"]);

  test("every field of the schema whose name looks like a secret's is marked as secret", () => {
    const keys = new Set<string>();
    const visit = ({ properties, additionalProperties, items, anyOf = [], oneOf = [] }: SchemaNode): void => {
      for (const key of Object.keys(properties ?? {})) keys.add(key);
      const below = [...Object.values(properties ?? {}), additionalProperties || undefined, items, ...anyOf, ...oneOf];
      for (const node of below) if (node) visit(node);
    };
    visit(configJsonSchema());
    assert.ok(keys.size > 80);
    const marked = markedKeys(configJsonSchema());
    assert.deepEqual(
      [...keys].filter((key) => SECRET_NAME.test(key) && !FILE.test(key) && !OPEN.has(key) && !marked.has(key)),
      [],
    );
  });

  test("a field that the schema marks is secret, whatever its name", () => {
    const azure: SchemaNode = { properties: { account_key: { writeOnly: true }, account: {} } };
    const isSecret = secretPaths({ properties: { destinations: { additionalProperties: { anyOf: [azure] } } } });
    assert.equal(isSecret(["destinations", "lake", "account_key"]), true);
    assert.equal(isSecret(["destinations", "account_key", "account"]), false);
    assert.equal(secretPaths({})(["destinations", "lake", "account_key"]), false);
  });

  test("the name of an export or a destination never makes its values secret", () => {
    const isSecretPath = secretPaths(configJsonSchema());
    assert.equal(isSecretPath(["exports", "token-use", "schedule"]), false);
    assert.equal(isSecretPath(["destinations", "secret-lake", "bucket"]), false);
    assert.equal(isSecretPath(["destinations", "lake", "secret_access_key"]), true);
    assert.equal(isSecretPath(["source", "clickhouse", "password", 0]), true);
  });

  test("long texts are masked and compared in no time", () => {
    const began = performance.now();
    for (const text of ["//".repeat(500_000), `http://${"a".repeat(1_000_000)}`, `${"//x".repeat(300_000)}@`])
      maskUrl(text);
    for (const one of ["a", "schedule"])
      assert.equal(nearest(one.repeat(500_000), ["schedule", "b".repeat(150)]), undefined);
    assert.ok(performance.now() - began < 1_000);
    assert.equal(nearest("shcedule", ["start", "schedule"]), "schedule");
  });

  test("an address is shown without its password and query", () => {
    assert.equal(maskUrl("https://me:p w@host"), "https://[redacted]");
    assert.equal(maskUrl("https://host/?password=a@b"), "https://[redacted]");
    assert.equal(maskUrl("https://host/x"), "https://host/x");
    assert.equal(maskUrl("https://host/#secret"), "https://[redacted]");
    for (const wrong of [
      "me:secret@host:8123",
      "http:/me:secret@host",
      "http:me:secret@host",
      String.raw`http:\\\\me:secret@host`,
      "me:secret@host//x@y",
      "host:8123?password=secret",
      "postgres://host;password=secret",
      "server=host,token=secret",
    ]) {
      assert.doesNotMatch(maskUrl(wrong), /secret/, wrong);
    }
    for (const harmless of ["@hourly", "0 3 * * ?", "Europe/Berlin", "10:00", "a = 1", "tokens"]) {
      assert.equal(maskUrl(harmless), harmless);
    }
  });
});
