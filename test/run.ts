/**
 * `npm test`: every test except the slow ones. `npm test -- --fast` runs those that need no server, `npm test -- --all`
 * everything, `npm test -- convergence lake` the files whose path contains one of the words. tiers.ts says what is in a tier.
 * Ends with the counts, the slowest files and the reason of each skip.
 */
import { spawn } from "node:child_process";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { selectTests } from "./tiers.ts";

const { values, positionals: words } = parseArgs({
  options: { fast: { type: "boolean", default: false }, all: { type: "boolean", default: false } },
  allowPositionals: true,
});
const files = selectTests({ tier: values.fast ? "fast" : values.all ? "all" : "default", words });
if (files.length === 0) {
  console.error(`no test file has ${words.join(" or ")} in its path`);
  process.exit(1);
}
// A process per file loads zod, the SDKs and our sources each time: compiled code is kept, and saves a fifth of the CPU time.
const compiled = process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "replayport-compile-cache");
const runner = spawn(
  process.execPath,
  [
    "--import=./test/support/leaks.ts",
    "--test",
    // A file that hangs is a failure with its name, not a run without an end.
    `--test-timeout=${15 * 60_000}`,
    // More files than cores: much of what they do is waiting for a server, a lock or a time limit.
    `--test-concurrency=${availableParallelism() + 1}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./test/summary.ts",
    "--test-reporter-destination=stdout",
    ...files,
  ],
  { stdio: "inherit", env: { ...process.env, NODE_COMPILE_CACHE: compiled } },
);
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => runner.kill(name));
runner.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
