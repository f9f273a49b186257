/** The commands on a real terminal: a pty of 80 or 120 columns, read as a terminal shows it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { ended, MAIN } from "../support/cli_process.ts";
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
});
