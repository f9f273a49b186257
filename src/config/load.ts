import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf, ReplayportError } from "../errors.ts";
import { type Config, parseConfig } from "./config.ts";
import type { Environment } from "./values/env.ts";
import { formatProblems } from "./problems/problems.ts";

export type { Config };

/** Where a config is looked for unless another file is named. */
export const DEFAULT_FILE = "schedules.yaml";

/**
 * The config of a file.
 * @param file relative to the working directory; `schedules.yaml` is the name by custom (DEFAULT_FILE)
 * @throws ReplayportError `config.missing`, `config.unreadable`, or `config.invalid`, whose message lists every problem
 */
export async function loadConfig(file: string, env: Environment): Promise<Config> {
  const read = (path: string): Promise<string> => readFile(path, "utf8");
  let text: string;
  try {
    text = await read(resolve(file));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new ReplayportError(missing ? `there is no ${file}` : `${file} cannot be read: ${messageOf(cause)}`, {
      code: missing ? "config.missing" : "config.unreadable",
      remedy: "give-up",
      hint: missing
        ? "Write one with `replayport init`, or name another with --config."
        : "Give it to this user to read.",
      cause,
    });
  }
  const result = await parseConfig(text, { file, env, read });
  if ("config" in result) return result.config;
  throw new ReplayportError(formatProblems(result.problems, file), {
    code: "config.invalid",
    remedy: "give-up",
    hint: "Mend what is listed above and run the command again.",
  });
}
