/** The content of files with keys, for the log to hide. What can't be read is left for its user to report. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/load.ts";
import { isKnown, knownValues } from "../config/missing.ts";
import { SECRET_NAME } from "../config/secrets.ts";
import type { Environment } from "../config/values/env.ts";

export async function secretsInFiles(
  { destinations }: Pick<Config, "destinations">,
  env: Environment,
): Promise<string[]> {
  const paths = [
    ...knownValues(destinations).flatMap(keyFilesOf),
    env["GOOGLE_APPLICATION_CREDENTIALS"],
    env["AWS_WEB_IDENTITY_TOKEN_FILE"],
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
    env["AWS_SHARED_CREDENTIALS_FILE"] ?? join(homedir(), ".aws", "credentials"),
  ];
  const texts = await Promise.all(
    paths.map(async (path) => (path === undefined ? "" : await readFile(path, "utf8").catch(() => ""))),
  );
  return texts.flatMap((text) => [text.trim(), ...assigned(text)]);
}

/** `{ type: "key_file", path }` and the like, wherever a destination's options have them. */
function keyFilesOf(options: unknown): string[] {
  if (typeof options !== "object" || options === null) return [];
  const { type } = options as { readonly type?: unknown };
  const { path } = isKnown(options, "path") ? (options as { readonly path?: unknown }) : {};
  const own = typeof type === "string" && type.endsWith("_file") && typeof path === "string" ? [path] : [];
  return [...own, ...knownValues(options as Readonly<Record<string, unknown>>).flatMap(keyFilesOf)];
}

/** The secrets of AWS's file of profiles: `aws_secret_access_key = …`. */
function assigned(text: string): string[] {
  return [...text.matchAll(/^[ \t]*(\w+)[ \t]*=[ \t]*(\S+)[ \t]*$/gm)].flatMap(([, name = "", value = ""]) =>
    SECRET_NAME.test(name) ? [value] : [],
  );
}
