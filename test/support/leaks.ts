/**
 * Fails a test file that leaves something behind. run.ts loads this into the process of each test file.
 *
 * - Temporary files: each process gets its own temporary folder, which must be empty when the process ends.
 * - Processes, ports, sockets and timers keep the process from ending. If it's alive a minute after its last test, the error
 *   names what it waits for.
 *
 * Neither looks while tests run or clean up, so a slow machine changes nothing.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, beforeEach } from "node:test";

const ENDS_WITHIN_MS = 60_000;
/** Servers that a file's tests share end with its process and remove their folders. A command keeps its stage root. */
const EXPECTED = /^replayport-(?:server-.*|\d+)$/;

const [, file = ""] = process.argv;
// A process that a test forks loads this too.
if (file.endsWith(".test.ts")) {
  const folder = mkdtempSync(join(tmpdir(), "replayport-tests-"));
  process.env["TMPDIR"] = folder;
  process.on("exit", () => {
    const left = readdirSync(folder).filter((name) => !EXPECTED.test(name));
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    if (left.length > 0) fail(`left temporary files behind: ${left.join(", ")}`);
  });
  let ended = false;
  // To node:test a file has ended when all tests are over that it knows of. Later ones would be cut off after a minute.
  beforeEach(() => {
    if (ended) throw new Error("a server was awaited after the first test: await it before, at the top of the file");
  });
  after(() => {
    ended = true;
    const alive = (): never => {
      fail(`is still alive after its tests, because of: ${process.getActiveResourcesInfo().join(", ")}`);
      process.exit();
    };
    setTimeout(alive, ENDS_WITHIN_MS).unref();
  });
}

function fail(problem: string): void {
  console.error(`${relative(process.cwd(), file)} ${problem}`);
  process.exitCode = 1;
}
