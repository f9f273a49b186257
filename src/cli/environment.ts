/** What a command gets from the process. Tests pass their own. */
import type { Redactor } from "./redactor.ts";

export interface CliEnvironment {
  /** For questions, on a terminal only. */
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly redactor: Redactor;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly setExitCode: (code: number) => void;
}

/** The options of every command, and --json of those that have it. */
export interface GlobalOptions {
  readonly config: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly stageDir?: string;
  readonly json?: boolean;
}

/**
 * How this user calls us, for commands to copy: by `npm run` in a clone, by npx without a global install. A script of the user's own
 * project has its `node_modules/.bin` on the PATH; a shell doesn't.
 */
export function ownCommand(env: CliEnvironment["env"]): string {
  if (env["npm_command"] === "exec") return "npx replayport";
  if (env["npm_lifecycle_event"] === undefined) return "replayport";
  return env["npm_package_name"] === "replayport" ? "npm run replayport --" : "npx replayport";
}

/** The config file unless --config names another. */
export const DEFAULT_FILE = "schedules.yaml";
