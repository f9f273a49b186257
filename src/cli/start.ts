/** Runs the command line: only this file ends the process or prints an error. */
import { CommanderError } from "commander";
import { messageOf, ReplayportError } from "../errors.ts";
import type { ErrorBody } from "../web/schemas.ts";
import type { CliEnvironment } from "./environment.ts";
import { EXIT } from "./exit_codes.ts";
import { Interrupted, listenForInterrupt } from "./interrupt.ts";
import { Redactor } from "./redactor.ts";
import { createProgram } from "./program.ts";

const redactor = new Redactor();
const OLDEST_NODE = [22, 15] as const;
const EXIT_AFTER_MS = 3_000;

function nodeIsTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
}

async function main(): Promise<number> {
  using interruption = listenForInterrupt((code) => process.exit(code));
  try {
    let exitCode: number = EXIT.ok;
    const environment: CliEnvironment = {
      env: process.env,
      // Opened on first use: most commands read nothing.
      get stdin() {
        return process.stdin;
      },
      stdout: process.stdout,
      stderr: process.stderr,
      redactor,
      now: () => new Date(),
      signal: interruption.signal,
      setExitCode: (code) => {
        exitCode = code;
      },
    };
    const program = await createProgram(environment, process.argv.slice(2));
    await program.parseAsync(process.argv);
    return exitCode;
  } catch (error) {
    return printError(error);
  }
}

/** Whether the command line or the config is wrong, so that nothing was tried. */
function isUsage(code: string): boolean {
  return code.startsWith("config.") || code.startsWith("cli.") || code === "demo.folder_in_use";
}

/** With --json, the error is also printed on stdout, in the API's form, for whoever parses that. */
function printJsonError(code: string, message: string, hint?: string): void {
  if (!process.argv.includes("--json")) return;
  const body: ErrorBody = { error: { code, message, hint: hint ?? null } };
  process.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
}

/** @returns the exit code */
function printError(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    const [message = "", ...more] = error.message.replace(/^error: /, "").split("\n");
    printJsonError(
      "cli.options",
      redactor.apply(message),
      more.length > 0 ? redactor.apply(more.join(" ")) : undefined,
    );
    return EXIT.usage;
  }
  const print = (text: string): unknown => process.stderr.write(`${redactor.apply(text)}\n`);
  if (error instanceof Interrupted) {
    print(`${error.message}; anything not loaded is still due`);
    return error.exitCode;
  }
  if (error instanceof ReplayportError) {
    const usage = isUsage(error.code);
    // A config's message lists all of its problems.
    const message = usage ? redactor.apply(error.message) : redactor.message(error.message);
    const hint = error.hint === undefined ? undefined : redactor.apply(error.hint);
    printJsonError(error.code, message, hint);
    print(`error: ${message}`);
    if (error.hint !== undefined) print(`  what to do: ${error.hint}`);
    return usage ? EXIT.usage : EXIT.failed;
  }
  printJsonError("unexpected", redactor.message(messageOf(error)));
  print(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}

/** Doesn't wait for anything that still keeps the process alive, such as a load that ignores its abort. */
function exitSoon(): void {
  setTimeout(() => {
    // Let a slow reader get everything that was written.
    if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) exitSoon();
    else process.exit();
  }, EXIT_AFTER_MS).unref();
}

// Node.js itself would print the error as it is, secrets included.
process.on("uncaughtException", (error) => process.exit(printError(error)));
// A reader that closes the pipe (`replayport sql | head`) is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  throw error;
});
if (nodeIsTooOld()) {
  process.stderr.write(
    `error: Replayport needs Node.js ${OLDEST_NODE.join(".")} or newer; this is ${process.versions.node}\n`,
  );
  process.exitCode = EXIT.usage;
} else {
  process.exitCode = await main();
  exitSoon();
}
