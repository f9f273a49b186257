import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { installationOf } from "../../src/config/installation.ts";
import type { SourceConfig } from "../../src/config/source.ts";

const SERVER: SourceConfig = {
  kind: "clickhouse",
  url: "https://clickhouse.acme.internal:8443",
  username: "default",
  password: "hunter2",
  database: "posthog",
  table: "session_replay_events",
  requestTimeoutMs: 1000,
};

suite("what an installation is called", () => {
  test("by default it's PostHog's host, and the host and database of its ClickHouse", () => {
    assert.equal(installationOf(SERVER, undefined), "clickhouse.acme.internal/posthog");
    assert.equal(
      installationOf(SERVER, "https://eu.posthog.com/x"),
      "eu.posthog.com, clickhouse.acme.internal/posthog",
    );
    assert.equal(
      installationOf({ kind: "embedded", path: "/data/clickhouse", database: "default", table: "t" }, undefined),
      "/data/clickhouse/default",
    );
  });

  test("a tunnel's port, another user, TLS or another table don't make another installation", () => {
    const same = { ...SERVER, url: "http://CLICKHOUSE.acme.internal", username: "reader", password: "", table: "t" };
    assert.equal(installationOf(same, undefined), installationOf(SERVER, undefined));
    assert.notEqual(installationOf({ ...SERVER, database: "staging" }, undefined), installationOf(SERVER, undefined));
  });
});
