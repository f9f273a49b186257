/** The Dockerfile, built, and its process, started: as its user, with a config that nobody may write to. Needs no Docker. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { ownRedisFor } from "../support/redis.ts";
import { freePort } from "../support/server_process.ts";
import { buildImage } from "./buildah.ts";

const SECRET = "a-token-of-sixteen-characters";
const built =
  process.env["REPLAYPORT_IMAGE_TEST"] === "1"
    ? await buildImage("9.8.7-test")
    : { skip: "it takes up to ten minutes on two busy cores: set REPLAYPORT_IMAGE_TEST=1 to build the image" };

/** Starts the command beside its health check; once that passes, asks the process to end, and prints how it did. */
const SERVE_THEN_STOP = `
  "$@" > /tmp/served 2>&1 & served=$!
  for i in $(seq 240); do
    sh -c "$HEALTHCHECK" && { echo healthy; break; }
    kill -0 $served 2>/dev/null || break
    sleep 0.5
  done
  kill -TERM $served; wait $served; echo "ended with $?"; cat /tmp/served`;

suite("the image that buildah builds", { skip: "skip" in built ? built.skip : false }, () => {
  if ("skip" in built) return;
  const image = built;
  after(async () => await image[Symbol.asyncDispose]());

  test("says its version, and runs as user 1000, who may write to the data folder alone", async () => {
    assert.equal(image.user, "1000:1000");
    assert.match(await image.run([...image.entrypoint, "--version"]), /^\d+\.\d+\.\d+/);
    assert.match(await image.run(["replayport", "--help"]), /Usage: replayport/);
    const tried = ["/etc/replayport", "/app", "/usr/local/bin", "/var/lib/replayport", "/var/lib/replayport/stage"];
    const script = 'id -u; for one in "$@"; do touch "$one/x" 2>/dev/null && echo "$one"; done; pwd';
    const printed = await image.run(["sh", "-c", script, "sh", ...tried]);
    assert.deepEqual(printed.split("\n"), [
      "1000",
      "/var/lib/replayport",
      "/var/lib/replayport/stage",
      "/etc/replayport",
    ]);
  });

  test("serves from a config that it can't write to, passes its health check, and ends on SIGTERM", async (t) => {
    const redis = await ownRedisFor(t);
    if (!redis) return;
    await using _ = redis;
    const folder = await mkdtemp(join(tmpdir(), "replayport-config-"));
    t.after(async () => await rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o755);
    await writeFile(
      join(folder, "schedules.yaml"),
      `
posthog_url: https://eu.posthog.com
source: { clickhouse: { url: "http://127.0.0.1:1", username: nobody, password: "\${CLICKHOUSE_PASSWORD}" } }
destinations: { lake: { type: file, path: /var/lib/replayport/lake } }
exports:
  replays: { model: session_replays, team_id: 1, destination: lake, schedule: "@hourly", start: "2026-10-01T00:00:00Z" }
redis: { url: "${redis.url}" }
http: { token: "\${TOKEN}" }
`,
    );
    const port = await freePort();
    const [, ...healthcheck] = image.healthcheck;
    const command = image.command.map((word) => (word === "0.0.0.0:8080" ? `127.0.0.1:${port}` : word));
    assert.notDeepEqual(command, image.command);
    const quoted = healthcheck.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    const env = [
      `HEALTHCHECK=${quoted}`,
      `REPLAYPORT_HEALTH_URL=http://127.0.0.1:${port}/healthz`,
      `TOKEN=${SECRET}`,
      "CLICKHOUSE_PASSWORD=none",
    ];
    const serve = ["env", ...env, "sh", "-c", SERVE_THEN_STOP, "sh", ...image.entrypoint, ...command];
    const printed = await image.run(serve, [`${folder}:/etc/replayport:ro`]);
    assert.match(printed, /^healthy\nended with 0\n/);
    const refused = await image
      .run(["touch", "/etc/replayport/x"], [`${folder}:/etc/replayport:ro`])
      .then(() => "written", String);
    assert.match(refused, /Read-only file system/);
  });
});
