/** Programs that tests need and the product does not: on the PATH, or in Python environments of their own under .tools. */
import { execFile } from "node:child_process";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

export const TOOLS = join(import.meta.dirname, "..", "..", ".tools");
/** The file that marks an environment as whole. */
const WHOLE = "replayport-whole";
const INSTALL_MS = 300_000;

/** Why tests that need a server are skipped. */
export interface Unavailable {
  /** What is missing and what would run the tests. */
  readonly skip: string;
}

export const run = promisify(execFile);

/** The first line of an error, for a reason to skip. */
export function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}

/** The first of the programs that a folder of the PATH (or one of `more`) holds. */
export async function programOnPath(
  names: readonly string[],
  more: readonly string[] = [],
): Promise<string | undefined> {
  for (const folder of [...(process.env["PATH"] ?? "").split(delimiter), ...more]) {
    for (const name of names) if (folder !== "" && (await exists(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

/**
 * The folder of a Python environment with the packages, made on the first use. Test files run at the same time, so one of
 * them installs and the others wait. An environment cannot be moved (its scripts name their interpreter), so a mark that
 * is written last says that it is whole. A lock whose owner died is given up when it is older than an installation may take.
 */
export async function pythonEnvironment(name: string, packages: readonly string[]): Promise<string> {
  const environment = join(TOOLS, name);
  const whole = join(environment, WHOLE);
  const lock = `${environment}.lock`;
  await mkdir(TOOLS, { recursive: true });
  const until = Date.now() + INSTALL_MS;
  for (;;) {
    if (await exists(whole)) return environment;
    if (await makeFolder(lock)) break;
    if (Date.now() > until) {
      await rm(lock, { recursive: true, force: true });
      throw new Error("another installation did not come to an end");
    }
    await setTimeout(250);
  }
  try {
    if (await exists(whole)) return environment;
    await rm(environment, { recursive: true, force: true });
    await run("python3", ["-m", "venv", environment], { timeout: INSTALL_MS });
    await run(join(environment, "bin", "pip"), ["install", "--quiet", ...packages], { timeout: INSTALL_MS });
    await writeFile(whole, packages.join("\n"));
    return environment;
  } catch (error) {
    await rm(environment, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function makeFolder(path: string): Promise<boolean> {
  return await mkdir(path).then(
    () => true,
    () => false,
  );
}

export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
