/** The commands themselves: what they print of a secret, and who gets into an engine that they start. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { embeddedSkip } from "../support/embedded.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const PATH = process.env["PATH"] ?? "";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
});
after(async () => await rm(folder, { recursive: true, force: true }));

const begin = (args: readonly string[], env: Record<string, string> = {}): ChildProcess =>
  spawn(process.execPath, [MAIN, ...args], { cwd: folder, env: { PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
const end = async (child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> => {
  const [out, err, [code]] = await Promise.all([
    text(child.stdout ?? assert.fail()),
    text(child.stderr ?? assert.fail()),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, out, err };
};

suite("replayport clickhouse", { skip: embeddedSkip }, () => {
  /** Runs the command until it has said what `said` matches, and asks it with each password. */
  const statuses = async (args: readonly string[], said: RegExp, ...keys: string[]): Promise<[number[], string]> => {
    const child = begin(["clickhouse", "--path", "data", "--port", "0", ...args]);
    const ended = end(child);
    let out = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    for (const deadline = Date.now() + 30_000; !said.test(out) && Date.now() < deadline;) await sleep(20);
    const [url = assert.fail(out)] = /http:\S+/.exec(out) ?? [];
    const found = said.exec(out)?.[1];
    const status = async (key: string): Promise<number> => {
      const response = await fetch(`${url}/?query=SELECT+6*7`, {
        headers: { "x-clickhouse-user": "default", "x-clickhouse-key": key },
      });
      await response.text();
      return response.status;
    };
    const answers = [];
    for (const key of found === undefined ? keys : [...keys, found]) answers.push(await status(key));
    child.kill("SIGINT");
    assert.equal((await ended).code, 0);
    return [answers, out];
  };

  test("prints a password that nobody can guess, and answers with no other", async () => {
    const [answers, out] = await statuses([], /password (\S{24,})/, "", "default", "guess");
    assert.deepEqual(answers, [403, 403, 403, 200]);
    assert.match(out, /^ClickHouse answers at http:\/\/127\.0\.0\.1:\d+ /);
  });

  test("takes the password of --password-file, and doesn't print it", async () => {
    await writeFile(join(folder, "password"), "it's mine\n");
    const [answers, out] = await statuses(["--password-file", "password"], /password of password/, "", "it's mine");
    assert.deepEqual(answers, [403, 200]);
    assert.doesNotMatch(out, /it's mine/);
  });

  test("answers without a password where --no-password says so", async () => {
    const [answers] = await statuses(["--no-password"], /without a password/, "", "anything");
    assert.deepEqual(answers, [200, 200]);
  });

  test("refuses passwords that aren't there, before anything starts", async () => {
    await writeFile(join(folder, "empty"), "\n");
    for (const args of [
      ["--password-file", "missing"],
      ["--password-file", "empty"],
      ["--password-file", "password", "--no-password"],
    ]) {
      const { code, err } = await end(begin(["clickhouse", "--path", "data", ...args]));
      assert.equal(code, 2, err);
    }
  });
});

test("no command shows a credential that a proxy gives back, in any form", async () => {
  const PASSWORD = 'p4ss\'w\\ord "here"';
  const AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  const server = createServer((request, response) => {
    const given = request.headers.authorization ?? "";
    const long = "x".repeat(1_990);
    const body = [long, given, PASSWORD, encodeURIComponent(PASSWORD), JSON.stringify(PASSWORD), AWS].join(" ");
    response.writeHead(403, { "content-type": "text/plain" }).end(`\u001b[31mdenied ${given} ${body}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  await writeFile(
    join(folder, "schedules.yaml"),
    `source:
  clickhouse: { url: "http://127.0.0.1:${(server.address() as AddressInfo).port}/path", password: "\${PW}", username: me }
destinations:
  local: { type: file, path: ./lake }
exports:
  replays: { model: session_replays, team_id: all, destination: local, schedule: "@hourly", start: 2026-10-01 }
`,
  );
  try {
    const env = { PW: PASSWORD, AWS_SECRET_ACCESS_KEY: AWS };
    const interval = ["replays", "--interval", "2026-10-01T00:00:00Z"];
    for (const args of [
      ["check"],
      ["check", "--json"],
      ["run", ...interval],
      ["run", ...interval, "--json"],
      ["feed"],
    ]) {
      const { code, out, err } = await end(begin(args, env));
      assert.equal(code, 1, err);
      const shown = out + err;
      assert.match(shown, /403/, args.join(" "));
      const base64 = Buffer.from(`me:${PASSWORD}`).toString("base64");
      for (const form of [PASSWORD, "p4ss", base64.slice(0, 20), AWS, AWS.slice(0, 20), "\u001b"]) {
        assert.ok(!shown.includes(form), `${args.join(" ")} shows ${form}: ${shown}`);
      }
    }
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
