/**
 * The staging folder of one run. Each file is written here in full, counted and hashed before the destination sees it, and
 * removed however the run ends. If the process is killed, the next run that stages under the same root removes its folder.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import prettyBytes from "pretty-bytes";
import type { FileFormat, StagedFile } from "../../destinations/destination.ts";
import { cannotStage, claimFolder, processOfRunFolder, runFolder } from "../../destinations/files/private_folder.ts";
import { ReplayportError, messageOf, retry } from "../errors.ts";
import { NotWhole, countRows } from "./count_rows.ts";

export interface Incoming {
  readonly stream: Readable;
  readonly format: FileFormat;
  /** The names of the file's columns, in order. */
  readonly columns: readonly string[];
  readonly extension: string;
  readonly index: number;
}

export interface Stage extends AsyncDisposable {
  readonly folder: string;
  /** @throws ReplayportError if the stream is truncated or the disk is full; nothing of the file is left then */
  add(incoming: Incoming, signal: AbortSignal): Promise<StagedFile>;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** In a container a restarted worker gets the same pid, so a folder of our pid that is older than this process is left over. */
async function isLeftOver(root: string, name: string): Promise<boolean> {
  const pid = processOfRunFolder(name);
  if (pid === undefined) return false;
  if (pid !== process.pid) return !isAlive(pid);
  const { birthtimeMs } = await stat(join(root, name));
  return birthtimeMs < Date.now() - process.uptime() * 1000;
}

/** @param path created if missing; not shared between machines */
export async function openStage(path: string, attempt: string): Promise<Stage> {
  const root = resolve(path);
  const folder = runFolder(root, attempt);
  try {
    await claimFolder(root);
    for (const name of await readdir(root)) {
      if (await isLeftOver(root, name).catch(() => false)) await rm(join(root, name), { recursive: true, force: true });
    }
    await mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    throw cannotStage(root, cause);
  }
  return {
    folder,
    add: async (incoming, signal) => await addFile(root, folder, incoming, signal),
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  };
}

async function addFile(root: string, folder: string, incoming: Incoming, signal: AbortSignal): Promise<StagedFile> {
  const path = join(folder, `${incoming.index}${incoming.extension}`);
  try {
    const { bytes, sha256 } = await receive(incoming.stream, path, root, signal);
    const rows = await countRows(path, incoming.format, incoming.columns, signal);
    const release = async (): Promise<void> => await rm(path, { force: true });
    return { path, index: incoming.index, rows, bytes, sha256, release };
  } catch (error) {
    await rm(path, { force: true });
    if (signal.aborted) throw signal.reason;
    if (error instanceof ReplayportError) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    // Of a compressed stream that ends early, or isn't one.
    if (error instanceof NotWhole || code.startsWith("Z_")) throw truncated(incoming, messageOf(error));
    throw new ReplayportError(`file ${incoming.index} broke off: ${messageOf(error)}`, {
      ...retry("stage.broken", "The connection to ClickHouse broke. Replayport reads the file again."),
      cause: error,
    });
  } finally {
    incoming.stream.destroy();
  }
}

/** Never through a link, and never over a file that exists. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Writes a stream to a file. On a full disk it keeps counting, so the error can say how much space was missing. */
async function receive(
  stream: Readable,
  path: string,
  root: string,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  let written = 0;
  let full: unknown;
  // An error may come before the loop below listens. The loop gets it again.
  stream.on("error", () => undefined);
  const abort = (): unknown => stream.destroy(new Error("aborted"));
  signal.addEventListener("abort", abort, { once: true });
  await rm(path, { force: true });
  await using file = await open(path, NEW_FILE, 0o600);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (full !== undefined) continue;
      hash.update(chunk);
      try {
        for (let at = 0; at < chunk.length;) {
          const { bytesWritten } = await file.write(chunk, at);
          at += bytesWritten;
          written += bytesWritten;
        }
      } catch (error) {
        if (!FULL.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
        full = error;
      }
    }
  } finally {
    signal.removeEventListener("abort", abort);
  }
  signal.throwIfAborted();
  if (full !== undefined) throw await diskFull(root, bytes, written, full);
  return { bytes, sha256: hash.digest("hex") };
}

async function diskFull(root: string, bytes: number, written: number, cause: unknown): Promise<ReplayportError> {
  const { bavail, bsize } = await statfs(root);
  const free = prettyBytes(bavail * bsize + written);
  const missing = prettyBytes(bytes - written);
  return new ReplayportError(
    `the disk under ${root} is full: a file of ${prettyBytes(bytes)} needs ${missing} more (${free} were free for it)`,
    {
      ...retry(
        "stage.disk_full",
        "Free some space, set --stage-dir to another folder, or lower rows_per_file: two to six files are staged at once.",
      ),
      cause,
    },
  );
}

function truncated(incoming: Incoming, found: string): ReplayportError {
  return new ReplayportError(
    `file ${incoming.index} is not whole: ${found}`,
    retry("stage.truncated", "Something between here and ClickHouse truncated the answer. Replayport reads it again."),
  );
}
