#!/usr/bin/env node
/** The entry: the only place that ends the process, and the one edge at which an error is shown. */
import { CommanderError } from "commander";
import { ReplayportError } from "../errors.ts";
import { EXIT } from "./exit_codes.ts";
import { Interrupted, listenForInterrupt } from "./interrupt.ts";
import { Redactor } from "./log.ts";
import { createProgram } from "./program.ts";

const redactor = new Redactor();
const OLDEST_NODE = [22, 12] as const;
const LET_GO_MS = 3_000;

function nodeIsTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
}

async function main(): Promise<number> {
  using interruption = listenForInterrupt((code) => process.exit(code));
  try {
    let exitCode: number = EXIT.ok;
    const program = createProgram({
      env: process.env,
      stdout: process.stdout,
      stderr: process.stderr,
      redactor,
      now: () => new Date(),
      signal: interruption.signal,
      setExitCode: (code) => {
        exitCode = code;
      },
    });
    await program.parseAsync(process.argv);
    return exitCode;
  } catch (error) {
    return show(error);
  }
}

function show(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const say = (text: string): unknown => process.stderr.write(`${redactor.apply(text)}\n`);
  if (error instanceof Interrupted) {
    say(`${error.message}; what was not loaded is due again`);
    return error.exitCode;
  }
  if (error instanceof ReplayportError) {
    say(`error: ${error.message}`);
    if (error.hint !== undefined) say(`  what to do: ${error.hint}`);
    return error.code.startsWith("config.") || error.code.startsWith("usage.") ? EXIT.usage : EXIT.failed;
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}

/** What still holds the process at its end, such as a load that does not heed its abort, is not waited for. */
function leaveSoon(): void {
  setTimeout(() => {
    // A slow reader gets all that was written.
    if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) leaveSoon();
    else process.exit();
  }, LET_GO_MS).unref();
}

// A reader that goes away (`replayport sql | head`) is no error.
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
  leaveSoon();
}
