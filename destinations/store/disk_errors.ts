import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";

export interface DiskWork {
  /** For the message: `writing`, `listing`. */
  readonly action: string;
  readonly path: string;
  /** How much should have been written. */
  readonly bytes?: number;
}

/** Returns the error to throw: ReplayportError, or the error itself if the disk didn't cause it. */
export async function diskError(error: unknown, work: DiskWork): Promise<unknown> {
  if (!(error instanceof Error) || error instanceof ReplayportError || !("code" in error)) return error;
  const classification = classify(String(error.code), work.path);
  const detail = classification.code === "store.disk_full" ? await shortage(work) : "";
  const message = `${work.action} ${work.path} failed: ${messageOf(error)}${detail}`;
  return new ReplayportError(message, { ...classification, cause: error });
}

export const NOT_A_FILE = giveUp(
  "store.not_a_file",
  "A folder, a link or a device has the name of a file. Move it: in a lake are only files and folders.",
);

function classify(code: string, path: string): Classification {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      // Somebody may make room, and then the batch succeeds.
      return retry("store.disk_full", `Make room on the disk or in the quota of ${path}, or move the lake.`);
    case "EACCES":
    case "EPERM":
      return giveUp("store.access_denied", `Let the user that Replayport runs as read and write ${path}.`);
    case "EROFS":
      return giveUp(
        "store.read_only",
        `The file system of ${path} is read-only. Mount it for writing, or move the lake.`,
      );
    case "ENOTDIR":
    case "EEXIST":
      return giveUp("store.not_a_folder", "A file is in the way of a folder. Move it, or fix the lake's path.");
    case "EISDIR":
    case "ERR_FS_EISDIR":
    // A link, where links aren't followed; links in a circle.
    case "ELOOP":
    // A socket.
    case "ENXIO":
      return NOT_A_FILE;
    case "EXDEV":
    case "ENOTSUP":
    case "EOPNOTSUPP":
      return giveUp("store.not_supported", `A lake needs a file system with hard links, and that of ${path} has none.`);
    default:
      return retry("store.disk", `Check the disk of ${path}. The batch will be retried.`);
  }
}

async function shortage({ path, bytes }: DiskWork): Promise<string> {
  if (bytes === undefined) return "";
  try {
    const { bavail, bsize } = await statfs(dirname(path));
    const free = bavail * bsize;
    const missing = Math.max(bytes - free, 0);
    return `; the file has ${bytes} bytes, ${free} are free, ${missing} are missing`;
  } catch {
    return `; the file has ${bytes} bytes`;
  }
}
