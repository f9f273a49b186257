/**
 * Gives a staged file a second name in a lake on the same file system, in place of a copy of its bytes. Nobody writes to the
 * staged file after that: the stage only removes its own name, and a new try stages a new file.
 */
import { chmod, link, lstat, rename, rm } from "node:fs/promises";

/** Below this, a copy is as fast as the calls that a link takes. */
const LEAST_BYTES = 1024 * 1024;

/**
 * Puts a link to the staged file in the place of the file at `created`. Owner, group and permissions are then those of `created`,
 * which an ordinary open() made there by the umask and the folder, and not those of the staging folder, which is private.
 *
 * @param spare another name in the same folder, which nothing has
 * @returns false where that can't be: another file system, a link that's refused (vfat, some network mounts, a limit of links),
 *   another owner or group (a folder with the setgid bit). `created` is then as it was, and to be filled with a copy.
 */
export async function linkStaged(staged: string, bytes: number, created: string, spare: string): Promise<boolean> {
  if (bytes < LEAST_BYTES) return false;
  const { mode, uid, gid } = await lstat(created);
  if (mayHaveAcl(mode)) return false;
  try {
    await link(staged, spare);
    const linked = await lstat(spare);
    // A link to a symbolic link is one.
    if (!linked.isFile() || linked.uid !== uid || linked.gid !== gid) return false;
    await chmod(spare, mode & 0o777);
    await rename(spare, created);
    return true;
  } catch {
    // Whatever the reason is: if it concerns a copy too, the copy says so.
    return false;
  } finally {
    await rm(spare, { force: true });
  }
}

/**
 * A folder's default ACL may let some users do more than others, which `mode` doesn't show and a link wouldn't get. It never lets
 * them do more than the group's bits say. So where everybody may do as much, nobody can lose anything.
 */
function mayHaveAcl(mode: number): boolean {
  return ((mode >> 3) & 0o7 & ~mode) !== 0;
}
