/** Whether a command line that a file of deploy/ has is one of ours. */
import assert from "node:assert/strict";
import { Redactor } from "../../src/cli/redactor.ts";
import { createProgram } from "../../src/cli/program.ts";

const program = await createProgram({
  env: {},
  stdout: process.stdout,
  stderr: process.stderr,
  redactor: new Redactor(),
  now: () => new Date(),
  signal: new AbortController().signal,
  setExitCode: () => undefined,
});

/** @param args as after `replayport` */
export function assertCommand(args: readonly string[]): void {
  const found = program.commands.find((one) => one.name() === args[0]);
  assert.ok(found, args.join(" "));
  for (const option of args.filter((part) => part.startsWith("--"))) {
    assert.ok(
      [...found.options, ...program.options].some(({ long }) => long === option),
      `${args.join(" ")}: ${option}`,
    );
  }
}

/** The value of an option. */
export function optionOf(args: readonly string[], option: string): string {
  return args[args.indexOf(option) + 1] ?? assert.fail(option);
}
