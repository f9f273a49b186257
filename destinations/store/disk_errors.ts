import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, ReplayportError } from "../../src/errors.ts";

export interface DiskWork {
  /** What was tried, for the message: `writing`, `listing`. */
  readonly action: string;
  readonly path: string;
  /** How much was to be written. */
  readonly bytes?: number;
}

/** Returns the error to throw: ReplayportError, or what was thrown where it is none of the disk's. */
export async function diskError(error: unknown, work: DiskWork): Promise<unknown> {
  if (!(error instanceof Error) || error instanceof ReplayportError || !("code" in error)) return error;
  const message = `${work.action} ${work.path} failed: ${messageOf(error)}`;
  const stop = (code: string, hint: string): ReplayportError =>
    new ReplayportError(message, { code, remedy: "give-up", hint, cause: error });
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      // Somebody may make room, and the batch goes through then: the one error of a disk that is worth a retry.
      return new ReplayportError(`${message}${await shortage(work)}`, {
        code: "lake.disk_full",
        remedy: "retry",
        hint: `Make room on the disk or in the quota of ${work.path}, or move the lake.`,
        cause: error,
      });
    case "EACCES":
    case "EPERM":
      return stop("lake.access_denied", `Let the user that Replayport runs as read and write ${work.path}.`);
    case "EROFS":
      return stop(
        "lake.read_only",
        `The file system of ${work.path} is read-only: mount it for writing, or move the lake.`,
      );
    case "ENOTDIR":
    case "EEXIST":
      return stop("lake.not_a_folder", `A file is where a folder is needed: move it away, or correct the lake's path.`);
    case "EXDEV":
    case "ENOTSUP":
    case "EOPNOTSUPP":
      return stop("lake.not_supported", `A lake needs a file system with hard links; that of ${work.path} has none.`);
    default:
      return new ReplayportError(message, {
        code: "lake.disk",
        remedy: "retry",
        hint: `Check the disk of ${work.path}; the batch is tried again later.`,
        cause: error,
      });
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
