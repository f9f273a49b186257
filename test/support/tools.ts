/** Programs that tests need and the product does not: on the PATH, or installed under .tools on the first use. */
import { execFile } from "node:child_process";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

export const TOOLS = join(import.meta.dirname, "..", "..", ".tools");
/** The file that marks an environment as whole. */
const WHOLE = "replayport-whole";
const INSTALL_MS = 300_000;
const BUILD_MS = 900_000;

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

/** The folder of a Python environment with the packages, made on the first use. An environment can't be moved: its scripts name their interpreter. */
export async function pythonEnvironment(name: string, packages: readonly string[]): Promise<string> {
  return await installed(name, INSTALL_MS, async (environment) => {
    await run("python3", ["-m", "venv", environment], { timeout: INSTALL_MS });
    await run(join(environment, "bin", "pip"), ["install", "--quiet", ...packages], { timeout: INSTALL_MS });
    return packages.join("\n");
  });
}

/** The path of a Go program, built on the first use. On two cores a large one takes three minutes. */
export async function goProgram(module: string, version: string): Promise<string | Unavailable> {
  const name = basename(module);
  const found = await programOnPath([name]);
  if (found !== undefined) return found;
  // Built here before, so Go isn't needed.
  const go = await programOnPath(["go"], ["/usr/local/go/bin"]);
  try {
    const folder = await installed(`${name}-${version}`, BUILD_MS, async (GOBIN) => {
      if (go === undefined) throw new Error("there is no Go on this machine");
      const env = { ...process.env, GOBIN, CGO_ENABLED: "0" };
      await run(go, ["install", `${module}@${version}`], { env, timeout: BUILD_MS });
      return version;
    });
    return join(folder, name);
  } catch (error) {
    return { skip: `${name} ${version} can't be built (${firstLine(error)}): install ${name}, or Go` };
  }
}

/**
 * A folder of .tools that is installed on the first use. Test files run at the same time, so one of them installs and the
 * others wait. A mark that is written last says that the folder is whole. A lock whose owner died is given up when it is
 * older than an installation may take.
 *
 * @param install fills the folder, and resolves with what the mark should say
 */
async function installed(name: string, ms: number, install: (folder: string) => Promise<string>): Promise<string> {
  const folder = join(TOOLS, name);
  const whole = join(folder, WHOLE);
  const lock = `${folder}.lock`;
  await mkdir(TOOLS, { recursive: true });
  const until = Date.now() + ms;
  for (;;) {
    if (await exists(whole)) return folder;
    if (await makeFolder(lock)) break;
    if (Date.now() > until) {
      await rm(lock, { recursive: true, force: true });
      throw new Error("another installation did not come to an end");
    }
    await setTimeout(250);
  }
  try {
    if (await exists(whole)) return folder;
    await rm(folder, { recursive: true, force: true });
    await writeFile(whole, await install(folder));
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
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
