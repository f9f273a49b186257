/** No form of a secret is left in a text, and nothing else is taken from it. */
import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { Redactor } from "../../src/cli/redactor.ts";
import { environmentSecrets } from "../../src/config/secrets.ts";

const redactorOf = (...secrets: string[]): Redactor => {
  const redactor = new Redactor();
  redactor.add(secrets);
  return redactor;
};
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const entity = (text: string): string => text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
const json = (text: string): string => JSON.stringify(text).slice(1, -1);
const everyByte = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
/** As in ClickHouse's string literals and in its format TabSeparated. */
const quoted = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\t", "\\t");

const FORMS: Readonly<Record<string, (secret: string) => string>> = {
  "as it is": (secret) => secret,
  "in JSON": json,
  "in JSON in JSON": (secret) => json(json(secret)),
  "in a JSON of ASCII": (secret) =>
    json(secret).replaceAll(/[^\0-~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`),
  "in a URL": encodeURIComponent,
  "in a URL, in lower case": (secret) => encodeURIComponent(secret).replaceAll(/%../g, (one) => one.toLowerCase()),
  "in a URL in a URL": (secret) => encodeURIComponent(encodeURIComponent(secret)),
  "in a form": (secret) => new URLSearchParams([["", secret]]).toString().slice(1),
  "in a URL that encodes little": (secret) => encodeURI(secret),
  "in a literal of ClickHouse": quoted,
  "in a literal of ClickHouse, in JSON": (secret) => json(quoted(secret)),
  "in a literal of SQL": (secret) => secret.replaceAll("'", "''"),
  "in CSV": (secret) => secret.replaceAll('"', '""'),
  "in HTML": entity,
  "in Base64": base64,
  "in a Basic credential": (secret) => `Basic ${base64(`reader:${secret}`)}`,
  "in a Basic credential of another user": (secret) => `Basic ${base64(`a longer user:${secret}`)}`,
  "in Base64 for URLs": (secret) => Buffer.from(`u:${secret}:x`).toString("base64url"),
  "in a URL that encodes everything": everyByte,
  "in a URL in a URL that encodes everything": (secret) => everyByte(everyByte(secret)),
  "in a text of escapes alone": (secret) =>
    secret.replaceAll(/[^]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`),
  "in Base64 of lines": (secret) => base64(`${"a long user's name ".repeat(4)}:${secret}`).replaceAll(/.{76}/g, "$&\n"),
  "with characters between that are removed": (secret) => Array.from(secret).join("\x07"),
  "in Base64 in a URL": (secret) => encodeURIComponent(base64(`me:${secret}`)),
};

suite("a secret", () => {
  const SECRETS = [
    "hunter2",
    'it\'s \\ "here" & <there>',
    "p@ss/w+rd=%21?",
    "späßchen🦊9",
    "tab\tin it",
    "a'b''c\\\\d",
  ];
  for (const [name, form] of Object.entries(FORMS)) {
    test(`is hidden ${name}`, () => {
      for (const secret of SECRETS) {
        const written = form(secret);
        const text = redactorOf(secret).apply(`before ${written}, after`);
        assert.ok(!text.includes(written), text);
        assert.match(text, /^before .*\[redacted\], after$/s);
      }
    });

    test(`that is random is hidden ${name}`, () => {
      const secret = fc.string({ minLength: 4, maxLength: 40, unit: "grapheme" }).filter((one) => one.trim() === one);
      fc.assert(
        fc.property(secret, (given) => {
          let written: string;
          try {
            written = form(given);
          } catch {
            return; // Half a character has no form in a URL.
          }
          // What would be left of it if it weren't hidden.
          const text = redactorOf(given).apply(`(${written})`);
          assert.ok(!text.includes(written) && text.includes("[redacted]"), `${JSON.stringify(given)}: ${text}`);
        }),
        { numRuns: 50 },
      );
    });
  }

  test("is hidden before the message is cut, so that no half of it is shown", () => {
    const secret = "0123456789abcdef0123456789abcdef";
    for (let before = 1_960; before < 2_010; before += 1) {
      const text = redactorOf(secret).message(`${"x".repeat(before)} ${secret} ${"y".repeat(5_000)}`);
      assert.ok(!text.includes("0123"), text.slice(-60));
      assert.ok(text.length <= 2_001);
    }
  });

  test("of several lines, such as a key file, is hidden line by line", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const account = JSON.stringify(
      { type: "service_account", private_key: pem, private_key_id: "f".repeat(40) },
      null,
      2,
    );
    for (const given of [pem, pem.replaceAll("\n", "\\n"), account, JSON.stringify(JSON.parse(account))]) {
      const redactor = redactorOf(given);
      for (const line of pem.split("\n").filter((one) => one.length >= 32 && !one.startsWith("---"))) {
        assert.equal(redactor.apply(`near ${line} here`), "near [redacted] here");
      }
    }
    assert.equal(redactorOf(account).apply(`key ${"f".repeat(40)}`), "key [redacted]");
    assert.equal(redactorOf(account).apply("type service_account"), "type service_account");
  });

  test("that is a part of another leaves no part of the longer one", () => {
    assert.equal(redactorOf("pass", "password-long").apply("password-long"), "[redacted]");
  });
});

suite("credentials that nobody configured", () => {
  for (const text of [
    `Authorization: Basic ${base64("someone:something")}`,
    `authorization: bearer ${randomBytes(24).toString("hex")}`,
    "x-amz-security-token:IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261001&X-Amz-Signature=0123456789abcdef",
    "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
  ]) {
    test(`are hidden: ${text.slice(0, 40)}`, () => {
      const clean = redactorOf().apply(text);
      const secret = /([^ :=]+)=*$/.exec(text)?.[1] ?? "";
      assert.ok(!clean.includes(secret) && clean.includes("[redacted]"), clean);
    });
  }

  test("prose about them is left as it is", () => {
    for (const text of [
      "Basic authentication is needed, or a Bearer token",
      'Bearer realm="replayport"',
      "Send the config's http.token as: Authorization: Bearer <token>.",
      "run replays/20261001T000000Z of manifest a1b2c3d4e5f6.0.parquet",
    ]) {
      assert.equal(redactorOf("hunter2").apply(text), text);
    }
  });
});

test("the environment's secrets are those of AWS, of a collector's headers, and whatever is named like one", () => {
  const found = environmentSecrets({
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY: "/wJalrXUtnFEMI",
    AWS_SESSION_TOKEN: "IQoJb3JpZ2lu",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token",
    CREDENTIALS_DIRECTORY: "/run/credentials",
    GOOGLE_APPLICATION_CREDENTIALS: "/etc/key.json",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20otlp-key-1,x-team=ops",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "api-key = otlp-key-2",
    PATH: "/usr/bin",
    USE_TOKEN: "true",
  });
  for (const secret of ["AKIAIOSFODNN7EXAMPLE", "/wJalrXUtnFEMI", "IQoJb3JpZ2lu", "otlp-key-1", "otlp-key-2"]) {
    assert.ok(found.includes(secret), secret);
  }
  for (const plain of ["/var/run/token", "/run/credentials", "/etc/key.json", "/usr/bin", "true", "ops"])
    assert.ok(!found.includes(plain));
});

test("characters that drive a terminal are removed, line ends and tabs stay", () => {
  const text = "a\u001b[31mred\u001b]0;title\u0007 b\r\u009b2J c\u202e d\n\te";
  assert.equal(redactorOf().apply(text), "a[31mred]0;title b2J c d\n\te");
});

test("long texts of what secrets are escaped with take no long time", () => {
  const redactor = redactorOf("a\\'\"& b\\\\\\", "----------------x", "%%%%%%%%%%", '""""""""""', "''''''''''x");
  for (const one of ["\\", "'", '"', "-", "%25", "&amp;", "\\\\'", "QUJD", "Bearer "]) {
    // Its own time, since others may keep the machine busy. It takes about 0.1 s.
    const began = process.cpuUsage();
    redactor.apply(one.repeat(100_000));
    const { user, system } = process.cpuUsage(began);
    assert.ok((user + system) / 1000 < 3_000, one);
  }
});
