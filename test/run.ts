/**
 * `npm test`: every test, or those whose path contains one of the words given: `npm test -- convergence lake`.
 * Ends with the counts, and with the reason of each skip.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";

const words = process.argv.slice(2);
const files = globSync("test/**/*.test.ts")
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`no test file has ${words.join(" or ")} in its path`);
  process.exit(1);
}
const runner = spawn(
  process.execPath,
  [
    "--test",
    // A file that hangs is a failure with its name, not a run without an end.
    `--test-timeout=${15 * 60_000}`,
    // More files than cores: much of what they do is waiting for a server, a lock or a time limit.
    `--test-concurrency=${availableParallelism() + 1}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./test/skips_and_counts.ts",
    "--test-reporter-destination=stdout",
    ...files,
  ],
  { stdio: "inherit" },
);
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => runner.kill(name));
runner.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
