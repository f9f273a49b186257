/** The command line as a person or a script runs it: a process of its own in a folder. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CommandLine {
  readonly begin: (args: readonly string[], over?: Readonly<Record<string, string>>) => ChildProcess;
  readonly run: (...args: string[]) => Promise<Ended>;
}

export async function ended(child: ChildProcess): Promise<Ended> {
  const [out, err, [code]] = await Promise.all([
    text(child.stdout ?? assert.fail()),
    text(child.stderr ?? assert.fail()),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, out, err };
}

/** Without the variables of this process, except PATH. */
export function commandLine(folder: string, env: Readonly<Record<string, string>> = {}): CommandLine {
  const begin: CommandLine["begin"] = (args, over = {}) =>
    spawn(process.execPath, [MAIN, ...args], {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, ...env, ...over },
      stdio: ["ignore", "pipe", "pipe"],
    });
  return { begin, run: async (...args) => await ended(begin(args)) };
}
