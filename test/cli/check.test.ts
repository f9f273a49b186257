/** `check` against servers that accept connections and never answer. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { checkSchema } from "../../src/web/command_schemas.ts";
import { commandLine, type CommandLine, ended } from "../support/cli_process.ts";

suite("check of servers that never answer", () => {
  let folder: string;
  let cli: CommandLine;
  const silent = createServer();
  const sockets = new Set<Socket>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    cli = commandLine(folder, { REPLAYPORT_STAGE_DIR: join(folder, "stage") });
    silent.on("connection", (socket) => void sockets.add(socket.on("error", () => undefined)));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    await writeFile(
      join(folder, "schedules.yaml"),
      `source: { clickhouse: { url: "http://127.0.0.1:${port}" } }
destinations:
  lake: { type: file, path: ./lake }
  bucket: { type: s3, bucket: nobody, region: eu-central-1, endpoint: "http://127.0.0.1:${port}", access_key_id: a, secret_access_key: not-a-secret }
exports:
  replays: { model: session_replays, team_id: 1, destination: lake, schedule: "@hourly", start: 2026-10-01 }
  others: { model: session_replays, team_id: 1, destination: bucket, schedule: "@hourly", start: 2026-10-01 }
`,
    );
  });
  after(async () => {
    silent.close();
    for (const socket of sockets) socket.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  test("each test has a limit of time, what depends on a failed one is skipped, and the rest is tried", async () => {
    const { code, out, err } = await cli.run("check", "--timeout", "1s");
    assert.equal(code, 1);
    assert.match(out, /^FAILED {2}source: source didn't answer within 1\.0 s\n {8}what to do: .*--timeout/m);
    for (const what of ["clock", "export replays", "export others"])
      assert.match(out, new RegExp(`^skipped ${what}: the source didn't answer$`, "m"));
    assert.match(out, /^ok {6}destination lake: /m);
    assert.match(out, /^FAILED {2}destination bucket: destination bucket didn't answer within 1\.0 s$/m);
    assert.match(out, /^2 of 8 checks failed, 3 skipped\.$/m);
    const tried = [...err.matchAll(/"msg":"trying: ([^"]+)"/g)].map(([, what]) => what);
    assert.deepEqual(tried, ["source", "stage", "destination lake", "destination bucket"]);
    const json = await cli.run("check", "--timeout", "1s", "--json");
    const { ok, findings } = checkSchema.parse(JSON.parse(json.out));
    assert.equal(ok, false);
    assert.equal(findings.filter(({ skipped }) => skipped).length, 3);
    assert.equal(json.err, "");
    assert.equal(findings.find(({ what }) => what === "source")?.code, "cli.no_answer");
  });

  test("the first Ctrl-C says that it's stopping, and ends it", async () => {
    const child = cli.begin(["check"]);
    const done = ended(child);
    await once(silent, "connection");
    child.kill("SIGINT");
    const { code, err } = await done;
    assert.equal(code, 130);
    assert.match(err, /^stopping; press Ctrl-C again to end at once$/m);
  });
});
