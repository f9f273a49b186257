import { randomBytes } from "node:crypto";
import { lstat as lstatInto } from "node:fs";
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { openFile } from "../files/open_file.ts";
import { linkStaged } from "./link_staged.ts";
import { diskError, NOT_A_FILE } from "./disk_errors.ts";
import { type LocalFile, readStaged } from "../files/read_staged.ts";
import type { Prepared, Store, StoredObject, Unfinished } from "./store.ts";

const CHUNK_BYTES = 1024 * 1024;
/** One by one, they take three times as long. */
const LISTED_AT_ONCE = 64;
/** Half as much work as that of node:fs/promises, which counts where there are tens of thousands. */
const statsOf = promisify(lstatInto);
/** Another attempt may remove a new folder, since it's empty, before this one writes into it. */
const FOLDER_TRIES = 5;
const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;
const MISSING = { ENOENT: undefined, ENOTDIR: undefined };

/** Writes the content of a file that was just created. */
type Fill = (created: FileHandle, temporary: string) => Promise<void>;

/**
 * A folder of this machine. Files are written under a name that begins with a dot, synced, then renamed or linked to their
 * final name. The folder is synced too, so a file that was reported survives a power cut.
 */
export class DiskStore implements Store {
  readonly name: string;
  readonly #root: string;

  constructor(path: string) {
    this.#root = resolve(path);
    this.name = `file://${this.#root}`;
  }

  locate(key: string): string {
    return join(this.#root, key);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    const keys = (await this.#names(prefix, signal)).filter((key) => !basename(key).startsWith("."));
    for (let at = 0; at < keys.length; at += LISTED_AT_ONCE) {
      signal.throwIfAborted();
      const some = keys.slice(at, at + LISTED_AT_ONCE).map(async (key) => {
        // Undefined if it was removed after the folder was read.
        const stats = await this.#try("listing", key, () => statsOf(this.locate(key)), { ENOENT: undefined });
        return stats?.isFile() ? { key, bytes: stats.size, modified: stats.mtime } : undefined;
      });
      for (const object of await Promise.all(some)) if (object) yield object;
    }
  }

  async read(key: string, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const read = async (): Promise<string> => {
      await using handle = await this.#open(key);
      return await handle.readFile("utf8");
    };
    return await this.#try("reading", key, read, MISSING);
  }

  async readRange(key: string, start: number, end: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    signal.throwIfAborted();
    const read = async (): Promise<Uint8Array> => {
      await using handle = await this.#open(key);
      const bytes = Buffer.alloc(end - start);
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0) return bytes.subarray(0, filled);
        filled += bytesRead;
      }
      return bytes;
    };
    return await this.#try("reading", key, read, MISSING);
  }

  async putFile(key: string, file: LocalFile, signal: AbortSignal): Promise<void> {
    await this.#write(key, filledWith(readStaged(file, CHUNK_BYTES, signal)), file.bytes, rename);
  }

  async prepare(key: string, file: LocalFile, signal: AbortSignal): Promise<Prepared> {
    const path = this.locate(key);
    const keep = (temporary: string): Promise<string> => Promise.resolve(temporary);
    const fill: Fill = async (created, temporary) => {
      const linked = await linkStaged(file.path, file.bytes, temporary, temporaryName(path));
      // Also what is linked is read: it has to be what was staged.
      for await (const chunk of readStaged(file, CHUNK_BYTES, signal)) if (!linked) await created.writeFile(chunk);
      if (linked) await syncFile(temporary);
    };
    const temporary = await this.#write(key, fill, file.bytes, keep);
    return {
      key,
      publish: async () => {
        const move = async (): Promise<void> => {
          await rename(temporary, path);
          await syncFolder(dirname(path));
        };
        const absent = { ENOENT: "absent" } as const;
        if ((await this.#try("publishing", key, move, absent)) !== "absent") return;
        // An earlier try has moved it, or another process has removed it.
        await this.#try("publishing", key, () => lstat(path), {});
      },
      discard: async () => {
        await this.#try("removing", key, () => rm(temporary, { force: true }), { ENOTDIR: undefined });
        await this.#removeEmpty(dirname(key));
      },
    };
  }

  async put(key: string, content: string | Uint8Array, modified: Date, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const bytes = bufferOf(content);
    await this.#write(key, filledWith([bytes], modified), bytes.length, rename);
  }

  async createExclusive(
    key: string,
    content: string | Uint8Array,
    modified: Date,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    signal.throwIfAborted();
    const bytes = bufferOf(content);
    return await this.#write(key, filledWith([bytes], modified), bytes.length, async (temporary, path) => {
      try {
        // Unlike rename, link never replaces a file.
        await link(temporary, path);
        return "created";
      } catch (error) {
        if (hasCode(error, "EEXIST")) return "exists";
        throw error;
      } finally {
        await unlink(temporary);
      }
    });
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const folders = new Set<string>();
    for (const key of keys) {
      signal.throwIfAborted();
      const remove = async (): Promise<void> => {
        await this.#stayInside(key);
        await rm(this.locate(key), { force: true });
      };
      await this.#try("removing", key, remove, MISSING);
      folders.add(dirname(key));
    }
    for (const folder of folders) await this.#removeEmpty(folder);
  }

  async unfinished(prefix: string, signal: AbortSignal): Promise<Unfinished[]> {
    const split = prefix.lastIndexOf("/") + 1;
    const hidden = await this.#names(
      split === prefix.length ? prefix : `${prefix.slice(0, split)}.${prefix.slice(split)}`,
      signal,
    );
    const found: Unfinished[] = [];
    for (const id of hidden.filter((name) => TEMPORARY.test(name))) {
      // Gone where its process has finished it since.
      const stats = await this.#try("listing", id, () => lstat(this.locate(id)), MISSING);
      if (stats) found.push({ key: keyOfTemporary(id), id, begun: stats.mtime });
    }
    return found;
  }

  async discard(unfinished: readonly Omit<Unfinished, "begun">[], signal: AbortSignal): Promise<void> {
    await this.delete(
      unfinished.map(({ id }) => id),
      signal,
    );
  }

  async checkLargeFiles(key: string, _: AbortSignal): Promise<void> {
    await this.#write(key, filledWith([Buffer.from("replayport")]), 10, rename);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Keys in the prefix's folder that begin with the prefix. */
  async #names(prefix: string, signal: AbortSignal): Promise<string[]> {
    signal.throwIfAborted();
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const entries = await this.#try("listing", folder, () => readdir(this.locate(folder), { withFileTypes: true }), {
      ENOENT: [],
    });
    const found: string[] = [];
    for (const entry of entries) {
      const key = folder + entry.name;
      // A read with `recursive` takes six times as long.
      if (entry.isDirectory() && prefix.endsWith("/")) found.push(...(await this.#names(`${key}/`, signal)));
      else if (key.startsWith(prefix)) found.push(key);
    }
    return found;
  }

  /** Writes a temporary file; `publish` then gives it its final name. */
  async #write<Outcome>(
    key: string,
    fill: Fill,
    bytes: number,
    publish: (temporary: string, path: string) => Promise<Outcome>,
  ): Promise<Outcome> {
    const path = this.locate(key);
    const temporary = temporaryName(path);
    try {
      await using handle = await this.#create(key, temporary);
      await fill(handle, temporary);
      await handle.sync();
      const outcome = await publish(temporary, path);
      await syncFolder(dirname(path));
      return outcome;
    } catch (error) {
      const mapped = await diskError(error, { action: "writing", path, bytes });
      await rm(temporary, { force: true }).catch(() => undefined);
      await this.#removeEmpty(dirname(key)).catch(() => undefined);
      throw mapped;
    }
  }

  /** A manifest names files, and a link among the folders could have any file of this machine read, written or removed. */
  async #stayInside(key: string): Promise<void> {
    const [root, folder] = await Promise.all([realpath(this.#root), realpath(dirname(this.locate(key)))]);
    if (folder === root || folder.startsWith(root === sep ? sep : root + sep)) return;
    throw new ReplayportError(
      `${dirname(this.locate(key))} leads out of ${this.#root}, to ${folder}`,
      giveUp("store.link", "Replace the link by a folder; a bind mount works too."),
    );
  }

  /** Opens a file for reading, and nothing else that has a file's name: listings have neither links nor devices. */
  async #open(key: string): Promise<FileHandle> {
    await this.#stayInside(key);
    const path = this.locate(key);
    const handle = await openFile(path);
    if (handle) return handle;
    throw new ReplayportError(`${path} is no file`, NOT_A_FILE);
  }

  async #create(key: string, temporary: string): ReturnType<typeof open> {
    const folder = dirname(temporary);
    for (let left = FOLDER_TRIES; ; left -= 1) {
      const first = await mkdir(folder, { recursive: true });
      try {
        await this.#stayInside(key);
        const handle = await open(temporary, "wx");
        if (first !== undefined) await syncNewFolders(folder, first);
        return handle;
      } catch (error) {
        if (left === 0 || !hasCode(error, "ENOENT")) throw error;
      }
    }
  }

  /** Removes the folder and those above it while they're empty; never the store's own. */
  async #removeEmpty(folder: string): Promise<void> {
    for (let at = folder; at !== "." && at !== ""; at = dirname(at)) {
      try {
        await rmdir(this.locate(at));
      } catch {
        return;
      }
    }
  }

  /** Maps errors. `instead` has the answers to give for some error codes. */
  async #try<Answer, Instead>(
    action: string,
    key: string,
    work: () => Promise<Answer>,
    instead: Readonly<Record<string, Instead>>,
  ): Promise<Answer | Instead> {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (code in instead) return instead[code] as Instead;
      throw await diskError(error, { action, path: this.locate(key) });
    }
  }
}

/** `folder/.name.3f2a….tmp`: hidden from readers, and no glob for data files ends in `.tmp`. */
function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
}

function keyOfTemporary(key: string): string {
  return join(dirname(key), basename(key).slice(1).replace(TEMPORARY, ""));
}

function filledWith(content: AsyncIterable<Buffer> | Iterable<Buffer>, modified?: Date): Fill {
  return async (created) => {
    for await (const chunk of content) await created.writeFile(chunk);
    if (modified) await created.utimes(modified, modified);
  };
}

async function syncFile(path: string): Promise<void> {
  // Windows syncs only what may be written to.
  await using handle = await open(path, "r+");
  await handle.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** A new folder survives a power cut only if the folder above it was synced. */
async function syncNewFolders(folder: string, first: string): Promise<void> {
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function bufferOf(content: string | Uint8Array): Buffer {
  return typeof content === "string"
    ? Buffer.from(content)
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}
