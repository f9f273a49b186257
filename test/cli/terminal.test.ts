/** The commands on a real terminal: a pty of 80 or 120 columns, read as a terminal shows it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { commandLine, ended, MAIN } from "../support/cli_process.ts";
import { writeReceipts } from "../support/lake_fixture.ts";
import { screen } from "../support/screen.ts";

const PTY = join(import.meta.dirname, "../support/terminal.py");
const HOUR = 3_600_000;
const ESCAPE = "\u001B";
const skip = spawnSync("python3", ["-c", "import pty"]).status === 0 ? false : "no python3, whose pty is the terminal";

suite("on a terminal", { skip }, () => {
  let folder: string;
  const REASON =
    "no user has this name and this password, or the address isn't allowed for the user; ask an administrator";
  /** A ClickHouse that lets nobody in. */
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(403, { "X-ClickHouse-Exception-Code": "516" });
      response.end(`Code: 516. DB::Exception: replayport: Authentication failed: ${REASON}. (AUTHENTICATION_FAILED)\n`);
    });
  });

  const begin = (columns: number, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess =>
    spawn("python3", [PTY, String(columns), process.execPath, MAIN, ...args], {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, TERM: "xterm-256color", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
  const shown = async (
    columns: number,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number | null; readonly raw: string; readonly lines: readonly string[] }> => {
    const { code, out } = await ended(begin(columns, args, env));
    return { code, raw: out, lines: screen(out, columns) };
  };
  /** The lines as one text, however they were wrapped. */
  const joined = (lines: readonly string[]): string => lines.map((line) => line.trim()).join(" ");

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const start = new Date(Math.floor(Date.now() / HOUR) * HOUR - 12 * HOUR);
    const { port } = server.address() as AddressInfo;
    await writeFile(
      join(folder, "schedules.yaml"),
      `source: { clickhouse: { url: "http://127.0.0.1:${port}", password: wrong-password } }
destinations:
  lake: { type: file, path: ./lake }
  broken: { type: file, path: ./schedules.yaml }
exports:
  replays: { model: session_replays, team_id: 1, destination: lake, schedule: "@hourly", start: ${start.toISOString()} }
  broken: { model: session_replays, team_id: 1, destination: broken, schedule: "@hourly", start: ${start.toISOString()} }
`,
    );
    await writeReceipts(join(folder, "lake"), "replays", [{ start, end: new Date(start.getTime() + HOUR) }]);
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const columns of [80, 120]) {
    test(`a failed run shows its error and what to do in full, at ${columns} columns`, async () => {
      const { code, lines } = await shown(columns, ["run", "replays", "--due", "--concurrency", "1"]);
      const text = joined(lines);
      assert.equal(code, 1, text);
      const first = lines.findIndex((line) => line !== "");
      assert.match(lines[first] ?? "", /^\[\d\d:\d\d:\d\d\] ERROR: not loaded$/, text);
      assert.ok(text.includes(REASON), text);
      assert.match(text, /what to do: .*password/);
      assert.ok(lines.every((line) => line.length <= columns));
      assert.ok(!lines.some((line) => line.includes("░")), "the bar is still there");
      assert.match(lines.findLast((line) => line !== "") ?? "", /^replays: 0 intervals loaded, .*, 1 interval failed$/);
    });

    test(`status fits into ${columns} columns, with the error of an export below its row`, async () => {
      const { code, lines } = await shown(columns, ["status"]);
      assert.equal(code, 1);
      assert.ok(
        lines.every((line) => line.length <= columns || !line.trim().includes(" ")),
        lines.join("\n"),
      );
      const row = lines.findIndex((line) => /^broken +unreadable /.test(line));
      // A long path may begin a line of its own.
      assert.match(lines[row + 1] ?? "", /^ {2}error:( |$)/);
      assert.match(joined(lines), /what to do: A file is in the way of a folder\. Move it, or fix the lake's path\./);
      // In the first minutes of an hour the last one isn't settled.
      assert.match(joined(lines), /replays: 1[01] intervals due\. Next: replayport run replays --due/);
    });
  }

  test("results and logs have colours, and none with NO_COLOR or a dumb terminal", async () => {
    const colour = new RegExp(`${ESCAPE}\\[\\d+m`);
    for (const args of [["status"], ["run", "replays", "--due"]]) {
      assert.match((await shown(80, args)).raw, colour, args.join(" "));
      assert.doesNotMatch((await shown(80, args, { NO_COLOR: "1" })).raw, colour);
    }
    assert.doesNotMatch((await shown(80, ["status"], { TERM: "dumb" })).raw, colour);
  });

  /** Types each answer once its question is on the screen. */
  const answered = async (
    child: ChildProcess,
    answers: readonly (readonly [RegExp, string])[],
  ): Promise<{ readonly code: number | null; readonly text: string }> => {
    let [written, seen] = ["", 0];
    let at = 0;
    child.stdout?.on("data", (chunk: Buffer) => {
      written += chunk.toString();
      const [question, answer] = answers[at] ?? [];
      if (question === undefined || !question.test(written.slice(seen))) return;
      [seen, at] = [written.length, at + 1];
      child.stdin?.write(answer ?? "");
    });
    const { code } = await ended(child);
    assert.equal(at, answers.length, written);
    return { code, text: screen(written, 100).join("\n") };
  };
  const SOURCE = /ClickHouse's HTTP address .*: $/;
  const DESTINATION = /Destination: $/;

  test("init asks for source, destination and project, asks again after a mistake, and writes the answers down", async () => {
    const { code, text } = await answered(begin(100, ["init", "-c", "asked.yaml"]), [
      [SOURCE, "clickhouse://host:9000\n"],
      [/Write ClickHouse's HTTP address[^]*: $/, "https://reader:hunter22@host:8443/?database=ph\n"],
      [DESTINATION, "9\n"],
      [/Write 1 to 5, or a name[^]*: $/, "3\n"],
      [/project id \(or all\): $/, "42\n"],
    ]);
    assert.equal(code, 0, text);
    const written = await readFile(join(folder, "asked.yaml"), "utf8");
    for (const line of [
      'url: "https://host:8443"',
      'username: "reader"',
      'database: "ph"',
      "type: snowflake",
      "team_id: 42",
    ])
      assert.ok(written.includes(` ${line}`), written);
    assert.doesNotMatch(written, /hunter22/);
    assert.match(text, /SNOWFLAKE_PRIVATE_KEY +not set[^]* {2}replayport run --due --config asked\.yaml/);
  });

  test("init writes its example where all questions are skipped, and asks none if the file exists", async () => {
    const answers = [SOURCE, DESTINATION, /project id \(or all\): $/].map((question) => [question, "\n"] as const);
    const skipped = await answered(begin(100, ["init", "-c", "skipped.yaml"]), answers);
    assert.equal(skipped.code, 0, skipped.text);
    const piped = await commandLine(folder).run("init", "-c", "piped.yaml");
    assert.equal(piped.code, 0, piped.err);
    assert.equal(
      await readFile(join(folder, "skipped.yaml"), "utf8"),
      await readFile(join(folder, "piped.yaml"), "utf8"),
    );
    const again = await answered(begin(100, ["init", "-c", "skipped.yaml"]), []);
    assert.equal(again.code, 2);
    assert.match(again.text, /^error: skipped\.yaml already exists\n/);
  });

  test("Ctrl-C and the end of the input stop init's questions, and nothing is written", async () => {
    const stopped = await answered(begin(100, ["init", "-c", "none.yaml"]), [[SOURCE, "\u0003"]]);
    assert.equal(stopped.code, 130, stopped.text);
    const left = await answered(begin(100, ["init", "-c", "none.yaml"]), [[SOURCE, "\u0004"]]);
    assert.equal(left.code, 2, left.text);
    assert.match(left.text, /error: the input ended, so nothing is written/);
    assert.equal(existsSync(join(folder, "none.yaml")), false);
  });
});
