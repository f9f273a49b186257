/** What must stay true of compose.yaml: there is no Docker in CI to run it with. tools.test.ts holds it to the specification. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { graceMs } from "../../src/cli/fleet_process.ts";
import { loadConfig } from "../../src/config/load.ts";
import { assertCommand, optionOf } from "../support/command_line.ts";
import { answering, composeText, exitOf, readCompose, readText, type Service } from "./files.ts";

const { services, volumes } = readCompose();
const entries = Object.entries(services);
const ours = entries.filter(([, { build }]) => build !== undefined);
const service = (name: string): Service => {
  const found = services[name];
  assert.ok(found, name);
  return found;
};
const CONFIG = "docker/schedules.yaml";
const START = "2026-10-01";

suite("compose.yaml", () => {
  test("has a scheduler, two workers, ClickHouse, Redis, S3, and sessions that arrive", () => {
    assert.deepEqual(Object.keys(services).sort(), ["clickhouse", "redis", "s3", "scheduler", "sessions", "worker"]);
    assert.equal(service("worker").deploy?.replicas, 2);
    assert.deepEqual(
      ours.map(([name, { command }]) => [name, command?.[0]]),
      [
        ["scheduler", "scheduler"],
        ["worker", "worker"],
        ["sessions", "feed"],
      ],
    );
  });

  test("gives commands and options that the command line has", () => {
    for (const [, { command = [] }] of ours) assertCommand(command);
  });

  test("gives each batch its grace before Docker kills the worker", () => {
    const { command = [], stop_grace_period: period = "" } = service("worker");
    const grace = graceMs(optionOf(command, "--grace"));
    // After the grace, loads are aborted and let go of what they hold.
    assert.ok(Number.parseInt(period) * 1000 >= grace + 15_000, `${period} for a grace of ${grace} ms`);
  });

  test("sets every variable of its config, and the config is right", async () => {
    for (const [name, { environment = {} }] of ours) {
      const config = await loadConfig(CONFIG, { ...environment, REPLAYPORT_START: START });
      assert.deepEqual(
        config.exports.map((one) => one.name),
        ["replays", "replays_with_errors"],
        name,
      );
      assert.equal(config.http.token, environment["REPLAYPORT_TOKEN"]);
      assert.ok(config.redis);
    }
  });

  test("gives the servers the secrets that the config uses, and shows none of them in the config", () => {
    const { environment = {} } = service("scheduler");
    const { environment: s3 = {} } = service("s3");
    assert.equal(s3["ROOT_ACCESS_KEY_ID"], environment["S3_ACCESS_KEY_ID"]);
    assert.equal(s3["ROOT_SECRET_ACCESS_KEY"], environment["S3_SECRET_ACCESS_KEY"]);
    const { environment: clickhouse = {} } = service("clickhouse");
    assert.equal(clickhouse["CLICKHOUSE_PASSWORD"], environment["CLICKHOUSE_PASSWORD"]);
    assert.equal(service("redis").environment?.["REDISCLI_AUTH"], environment["REDIS_PASSWORD"]);
    for (const [name, value] of Object.entries(environment)) {
      if (/PASSWORD|SECRET|TOKEN|SALT/.test(name)) assert.ok(!readText(CONFIG).includes(value), name);
    }
  });

  test("runs Redis as a queue: nothing is evicted, and what is written stays", () => {
    assert.match(service("redis").command?.join(" ") ?? "", /--appendonly yes .*--maxmemory-policy noeviction/);
  });

  test("pins every image, and publishes the dashboard alone, on loopback", () => {
    for (const [name, { image, ports = [] }] of entries) {
      if (services[name]?.build === undefined) assert.match(image, /:v?\d+\.\d+\.\d+/, name);
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, name);
    }
    assert.deepEqual(
      entries.filter(([, { ports }]) => ports !== undefined).map(([name]) => name),
      ["scheduler"],
    );
  });

  test("waits for what is healthy, names volumes that there are, and starts again what ended", () => {
    for (const [name, one] of entries) {
      for (const [other, { condition }] of Object.entries(one.depends_on ?? {})) {
        assert.equal(condition, "service_healthy", `${name} → ${other}`);
        assert.ok(service(other).healthcheck, `${other} has no health check`);
      }
      for (const volume of one.volumes ?? []) {
        const [from = "", to] = volume.split(":");
        if (to !== undefined && !from.startsWith(".")) assert.ok(from in volumes, `${name}: ${volume}`);
      }
      assert.equal(one.restart, "unless-stopped", name);
    }
    assert.deepEqual(Object.keys(services["worker"]?.depends_on ?? {}), ["clickhouse", "redis", "s3", "sessions"]);
  });

  test("runs ours without rights and on a file system that is read only", () => {
    for (const [name, one] of ours) {
      assert.equal(one.read_only, true, name);
      assert.ok(one.volumes?.includes("/var/lib/replayport"), `${name} stages in a volume`);
    }
    assert.match(composeText(), /cap_drop: \[ALL\]/);
  });

  test("starts the exports two days ago, and leaves the process in Node's hands", async (t) => {
    if (process.platform !== "linux") {
      t.skip("the command is for the image's GNU date: run it on Linux");
      return;
    }
    const folder = await mkdtemp(join(tmpdir(), "replayport-compose-"));
    try {
      const stub = join(folder, "replayport");
      await writeFile(stub, '#!/bin/sh\necho "$REPLAYPORT_START $$ $*"\n');
      await chmod(stub, 0o755);
      const { entrypoint = [], command = [] } = service("scheduler");
      const [shell = "", ...args] = entrypoint;
      const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}` };
      const running = promisify(execFile)(shell, [...args, ...command], { env });
      const { stdout } = await running;
      const start = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10);
      assert.equal(stdout, `${start} ${running.child.pid} scheduler --http 0.0.0.0:8080\n`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("knows by its health check whether there are sessions", async () => {
    const [how, program_, ...args] = service("sessions").healthcheck?.test ?? [];
    assert.deepEqual([how, program_], ["CMD", "node"]);
    let answer = "0\n";
    const asked: (string | undefined)[] = [];
    await using server = await answering((request, response) => {
      asked.push(decodeURIComponent(request.url ?? ""), request.headers["x-clickhouse-key"]?.toString());
      response.end(answer);
    });
    const env = { CLICKHOUSE_URL: server.url, CLICKHOUSE_USER: "u", CLICKHOUSE_PASSWORD: "p" };
    assert.equal(await exitOf(args, env), 1);
    answer = "1\n";
    assert.equal(await exitOf(args, env), 0);
    assert.deepEqual(asked.slice(0, 2), ["/?query=SELECT+count()+>+0+FROM+posthog.session_replay_events", "p"]);
    await server.close();
    assert.equal(await exitOf(args, env), 1, "nobody listens");
  });
});
