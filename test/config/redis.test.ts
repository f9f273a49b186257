/** The section `redis`: secrets as they are, certificates, and keys that contradict the URL. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { configOf, BASE, type Fields } from "./parse.ts";
import { testMistakes, top } from "./mistakes.ts";

const URL = "rediss://redis.acme.internal:6380/0";
const redis = (fields: Fields): Fields => ({ ...BASE, redis: { url: URL, ...fields } });
const wrong = (fields: Fields, problem: string, fix: RegExp) => top(redis(fields), `redis.${problem}`, fix);

suite("the section redis", () => {
  for (const secret of ["a/b@c:d?e#f%g", "%41", "100%", "${x}", " space ", "ü/é"]) {
    test(`a password "${secret}" of the environment reaches Redis as it is, and no log`, async () => {
      const fields = redis({ password: "${REDIS_PASSWORD}", username: "fleet" });
      const config = await configOf(fields, { env: { REDIS_PASSWORD: secret } });
      assert.deepEqual([config.redis?.password, config.redis?.username], [secret, "fleet"]);
      assert.ok(config.secrets.includes(secret));
    });
  }

  test("user and password of the URL count where there are no keys", async () => {
    const config = await configOf({ ...BASE, redis: { url: "redis://bob:a%2Fb%25@redis/3" } });
    assert.deepEqual([config.redis?.username, config.redis?.password, config.redis?.db], ["bob", "a/b%", 3]);
    assert.ok(config.secrets.includes("a/b%"));
  });

  test("files of certificates lie beside the config", async () => {
    const config = await configOf(redis({ ca_file: "ca.pem", cert_file: "/etc/cert.pem", key_file: "tls/key.pem" }));
    assert.deepEqual(config.redis?.files, {
      ca_file: "/etc/replayport/ca.pem",
      cert_file: "/etc/cert.pem",
      key_file: "/etc/replayport/tls/key.pem",
    });
  });
});

testMistakes("the section redis", {
  "a password in both places": wrong(
    { url: "rediss://:one@redis.acme.internal", password: "another" },
    "password: is in redis.url as well",
    /Keep one/,
  ),
  "a user in both places": wrong(
    { url: "rediss://bob@redis.acme.internal", username: "alice" },
    "username: is in redis.url as well",
    /Keep one/,
  ),
  "a certificate without its key": wrong(
    { cert_file: "a.pem" },
    "cert_file: needs key_file beside it",
    /Write key_file/,
  ),
  "a key without its certificate": wrong(
    { key_file: "a.pem" },
    "key_file: needs cert_file beside it",
    /Write cert_file/,
  ),
  "a certificate without TLS": wrong(
    { url: "redis://redis.acme.internal", ca_file: "a.pem" },
    "ca_file: is for TLS, and redis.url is without",
    /rediss:\/\//,
  ),
  "a percent sign that encodes nothing": wrong(
    { url: "rediss://:100%@redis.acme.internal" },
    "url: not a Redis address",
    /redis\.password.*%25/,
  ),
});
