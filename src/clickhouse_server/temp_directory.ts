import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

const PREFIX = "replayport-engine-";

/** Creates a directory that only this user can read. Removes those that killed engines left behind. */
export async function makeTempDirectory(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    // In a container, an earlier engine may have had our process id.
    if (Number.isInteger(pid) && (pid === process.pid || !isAlive(pid))) await removeTempDirectory(join(parent, name));
  }
  return await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
}

export async function removeTempDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
