/** The staging folder, which all of a user's runs on this machine share. */
import { lstat, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";

/**
 * Creates the folder. One that exists has to be this user's alone: in a folder of somebody else, who may have made it first under
 * its well-known name in /tmp, rows can be read, and a planted link would have a file of ours written over.
 *
 * @throws ReplayportError `stage.folder`
 */
export async function claimFolder(path: string): Promise<void> {
  // Without a slash at the end, which lstat would follow a link for.
  const folder = resolve(path);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await lstat(folder);
    if (!found.isDirectory()) throw new Error("it is a link");
    const user = process.getuid?.();
    // Windows has neither.
    if (user === undefined) return;
    const mode = found.mode & 0o777;
    if (found.uid !== user) throw new Error(`it belongs to user ${found.uid}, and this is user ${user}`);
    if ((mode & 0o077) !== 0) throw new Error(`its mode is ${mode.toString(8)}, so other users may enter it`);
  } catch (cause) {
    throw cannotStage(folder, cause);
  }
}

/** A folder of this process in it, which the next run removes if this process is killed (src/stage/stage.ts). */
export function runFolder(root: string, attempt: string): string {
  return join(root, `run-${process.pid}-${attempt}`);
}

/** Which process a folder in it belongs to; undefined for anything else. */
export function processOfRunFolder(name: string): number | undefined {
  const pid = /^run-(\d+)-[0-9a-z]+$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

export function cannotStage(folder: string, cause: unknown): ReplayportError {
  if (cause instanceof ReplayportError) return cause;
  return new ReplayportError(`cannot stage files in ${folder}: ${messageOf(cause)}`, {
    ...giveUp(
      "stage.folder",
      "Set --stage-dir (or REPLAYPORT_STAGE_DIR) to a new folder, or to one that only this user may enter (chmod 700).",
    ),
    cause,
  });
}
