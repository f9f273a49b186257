/** The command line without a process: its commands and options, for whatever names them. */
import assert from "node:assert/strict";
import type { Command } from "commander";
import { createProgram } from "../../src/cli/program.ts";
import { Redactor } from "../../src/cli/redactor.ts";

/** @param args as after `replayport`: only their commands are loaded. Default: all */
export async function commandLine(args?: readonly string[]): Promise<Command> {
  const environment = {
    env: {},
    stdout: process.stdout,
    stderr: process.stderr,
    redactor: new Redactor(),
    now: () => new Date(),
    signal: new AbortController().signal,
    setExitCode: () => undefined,
  };
  return await createProgram(environment, args);
}

const program = await commandLine();

/** The command and its options are ours. @param args as after `replayport` */
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
