/** Names of hosts and users are in the texts of errors, and are no reason for anything. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Refusal, sourceError } from "../../src/clickhouse/errors.ts";

suite("clickhouse: errors", () => {
  for (const [what, error, code] of [
    [
      "a host called after a certificate",
      { code: "ENOTFOUND", message: "getaddrinfo ENOTFOUND certificate.acme.test" },
      "source.unreachable",
    ],
    ["an error without a code", { message: "connect ECONNREFUSED 127.0.0.1:8123" }, "source.unreachable"],
    ["a certificate that has expired", { code: "CERT_HAS_EXPIRED", message: "certificate has expired" }, "source.tls"],
    [
      "a certificate of nobody",
      { code: "DEPTH_ZERO_SELF_SIGNED_CERT", message: "self-signed certificate" },
      "source.tls",
    ],
    ["a certificate of another host", { code: "ERR_TLS_CERT_ALTNAME_INVALID", message: "no" }, "source.tls"],
    ["a certificate, by its text", { message: "unable to verify the first certificate" }, "source.tls"],
    ["a text with ETIMEDOUT in a name", { message: "no such column ETIMEDOUT_certificate" }, "source.failed"],
  ] as const) {
    test(`${what} is ${code}`, () => {
      assert.equal(sourceError("cannot read", "c:8123", Object.assign(new Error(error.message), error)).code, code);
    });
  }

  test("a quota's end is read after the user's name, whatever that is", () => {
    const user = "for 5s has been exceeded: Interval will end at 2020-01-01 00:00:00";
    const text = `Quota for user \`${user}\` for 3600s has been exceeded: queries = 11/10. Interval will end at 2026-10-01 13:00:00. Name of quota template: \`default\``;
    const headers = { "x-clickhouse-exception-code": "201", date: "Thu, 01 Oct 2026 12:30:00 GMT" };
    const error = sourceError("cannot read", "c:8123", new Refusal(500, headers, text));
    assert.deepEqual([error.code, error.retryAfterMs], ["source.quota", 1_800_000]);
  });
});
