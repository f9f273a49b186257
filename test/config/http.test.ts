/** The sections http, alerts and telemetry. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BASE, configOf, problemsOf } from "./parse.ts";

const TOKEN = "t0ken-of-16-signs-and-more";
const WEBHOOK = "https://hooks.example.com/services/T000/s3cr3t?key=s3cr3t2";

suite("http", () => {
  test("says loopback and health only where nothing is written", async () => {
    const { http } = await configOf(BASE);
    assert.deepEqual(http, { host: "127.0.0.1", port: 8080, token: undefined, publicReads: false });
  });

  test("takes its token and its port from the environment, and the token is hidden", async () => {
    const section = { host: "0.0.0.0", port: "${PORT}", token: "${AUTH}", public_reads: "${OPEN}" };
    const config = await configOf({ ...BASE, http: section }, { env: { PORT: "9090", AUTH: TOKEN, OPEN: "true" } });
    assert.deepEqual(config.http, { host: "0.0.0.0", port: 9090, token: TOKEN, publicReads: true });
    assert.deepEqual(config.secrets, [TOKEN]);
  });

  for (const [name, token] of Object.entries({ short: "0123456789abcde", spaced: "0123456789 abcdef" })) {
    test(`refuses a token that is ${name}, without showing it`, async () => {
      const [problem] = await problemsOf({ ...BASE, http: { token } });
      assert.equal(problem?.path, "http.token");
      assert.equal(problem.value, "[redacted]");
      assert.doesNotMatch(JSON.stringify(problem), /01234567/);
    });
  }
});

suite("alerts", () => {
  test("the webhook is a secret, and has defaults beside it", async () => {
    const config = await configOf(
      { ...BASE, alerts: { webhook: "${HOOK}", lag_above: "3h" } },
      { env: { HOOK: WEBHOOK } },
    );
    assert.deepEqual(config.alerts, {
      webhook: WEBHOOK,
      format: "json",
      lagAboveMs: 3 * 3_600_000,
      repeatAfterMs: 12 * 3_600_000,
    });
    assert.deepEqual(config.secrets, [WEBHOOK]);
  });

  for (const webhook of ["ftp://hooks.example.com/s3cr3t", "s3cr3t", "https://me:s3cr3t@hooks.example.com/"]) {
    test(`refuses ${webhook.slice(0, 8)}…, without showing it`, async () => {
      const problems = await problemsOf({ ...BASE, alerts: { webhook } });
      assert.equal(problems[0]?.path, "alerts.webhook");
      assert.doesNotMatch(JSON.stringify(problems), /s3cr3t/);
    });
  }

  test("are off where nothing is written", async () => assert.equal((await configOf(BASE)).alerts, undefined));
});

test("telemetry: an endpoint without a slash at its end", async () => {
  const { telemetry } = await configOf({ ...BASE, telemetry: { endpoint: "http://127.0.0.1:4318/" } });
  assert.deepEqual(telemetry, { endpoint: "http://127.0.0.1:4318", serviceName: undefined });
  assert.deepEqual((await configOf(BASE)).telemetry, { endpoint: undefined, serviceName: undefined });
});
