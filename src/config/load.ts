import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { giveUp, messageOf, ReplayportError } from "../errors.ts";
import { type Config, parseConfig, type Needs } from "./config.ts";
import { invalidConfig } from "./missing.ts";
import type { Environment } from "./values/env.ts";

export type { Config };

/**
 * The config of a file.
 * @param file relative to the working directory
 * @param needs which variables have to be there. With "used", reading what needs a missing one throws `config.invalid`
 * @throws ReplayportError `config.missing`, `config.unreadable`, or `config.invalid`, whose message lists every problem
 */
export async function loadConfig(file: string, env: Environment, needs: Needs = "all"): Promise<Config> {
  const read = (path: string): Promise<string> => readFile(path, "utf8");
  let text: string;
  try {
    text = await read(resolve(file));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw missing
      ? new ReplayportError(`there is no ${file}`, {
          ...giveUp("config.missing", "Create one with `replayport init`, or name another with --config."),
          cause,
        })
      : new ReplayportError(`${file} cannot be read: ${messageOf(cause)}`, {
          ...giveUp("config.unreadable", "Make it readable for the user that runs Replayport."),
          cause,
        });
  }
  const result = await parseConfig(text, { file, env, read, needs });
  if ("config" in result) return result.config;
  throw invalidConfig(result.problems, file);
}
