/** The folder that all of a user's runs on this machine share. */
import { lstat, mkdir } from "node:fs/promises";

/**
 * Creates the root. One that exists has to be this user's alone: in a folder of somebody else, who may have made it first under
 * its well-known name in /tmp, rows can be read, and a planted link would have a file of ours written over.
 */
export async function claimRoot(root: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const found = await lstat(root);
  if (!found.isDirectory()) throw new Error("it is a link");
  const user = process.getuid?.();
  // Windows has neither.
  if (user === undefined) return;
  const mode = found.mode & 0o777;
  if (found.uid !== user) throw new Error(`it belongs to user ${found.uid}, and this is user ${user}`);
  if ((mode & 0o077) !== 0) throw new Error(`its mode is ${mode.toString(8)}, so other users may enter it`);
}
