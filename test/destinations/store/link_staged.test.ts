import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, chown, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import type { LocalFile } from "../../../destinations/files/read_staged.ts";
import { hash } from "node:crypto";
import { temporaryFolder } from "../../support/temporary_folder.ts";

const signal = new AbortController().signal;
const KEY = "dt=2026-10-01/a.parquet";

interface Place extends AsyncDisposable {
  readonly store: DiskStore;
  readonly lake: string;
  readonly staged: LocalFile;
  readonly bytes: Buffer;
  /** Publishes the staged file. @returns whether the lake's file has the staged file's bytes by a link */
  load(): Promise<boolean>;
}

async function place(size = 2 * 1024 * 1024, stage?: string): Promise<Place> {
  const folder = await temporaryFolder();
  const [lake, staging] = [join(folder.path, "lake"), stage ?? join(folder.path, "stage")];
  await mkdir(lake);
  await mkdir(staging, { mode: 0o700, recursive: true });
  const bytes = randomBytes(size);
  const path = join(staging, `staged-${process.pid}`);
  await writeFile(path, bytes, { mode: 0o600 });
  const staged = { path, bytes: size, sha256: hash("sha256", bytes) };
  const store = new DiskStore(lake);
  return {
    store,
    lake,
    staged,
    bytes,
    async load() {
      const prepared = await store.prepare(KEY, staged, signal);
      await prepared.publish(signal);
      assert.deepEqual(await readFile(join(lake, KEY)), bytes);
      assert.deepEqual(await readdir(join(lake, "dt=2026-10-01")), ["a.parquet"]);
      return (await stat(join(lake, KEY))).ino === (await stat(path)).ino;
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true });
      await folder.remove();
    },
  };
}

/** The umask of this process, by which permissions are checked. */
function withUmask(mask: number): Disposable {
  const before = process.umask(mask);
  return { [Symbol.dispose]: () => void process.umask(before) };
}

suite(
  "a staged file of a lake on the same file system",
  { skip: process.platform === "win32" && "needs POSIX" },
  () => {
    test("is linked, and outlives the staging folder's name for it", async () => {
      using _ = withUmask(0o022);
      await using at = await place();
      assert.equal(await at.load(), true);
      await rm(at.staged.path);
      const found = await stat(join(at.lake, KEY));
      assert.deepEqual([found.nlink, found.size], [1, at.bytes.length]);
    });

    test("has the permissions that a copy has, and not those of the staging folder", async () => {
      for (const [mask, linked] of [
        [0o022, true],
        [0o077, true],
        // A default ACL of the folder may look the same.
        [0o027, false],
        [0o002, false],
      ] as const) {
        using _ = withUmask(mask);
        await using at = await place();
        assert.equal(await at.load(), linked, mask.toString(8));
        assert.equal((await stat(join(at.lake, KEY))).mode & 0o777, 0o666 & ~mask, mask.toString(8));
      }
    });

    test("is copied where it's small, since that is as fast", async () => {
      using _ = withUmask(0o022);
      await using at = await place(1000);
      assert.equal(await at.load(), false);
    });

    test("is copied from another file system", async (t) => {
      using _ = withUmask(0o022);
      const shared = "/dev/shm";
      await using at = await place(
        2 * 1024 * 1024,
        await stat(shared).then(
          () => shared,
          () => undefined,
        ),
      );
      if ((await stat(at.staged.path)).dev === (await stat(at.lake)).dev) return t.skip("no second file system");
      assert.equal(await at.load(), false);
      assert.equal((await stat(join(at.lake, KEY))).mode & 0o777, 0o644);
    });

    test("is copied where the lake's folder gives its files another group", async (t) => {
      if (process.getuid?.() !== 0) return t.skip("needs root, to give a folder another group");
      using _ = withUmask(0o022);
      await using at = await place();
      await mkdir(join(at.lake, "dt=2026-10-01"));
      await chown(join(at.lake, "dt=2026-10-01"), 0, 12345);
      await chmod(join(at.lake, "dt=2026-10-01"), 0o2775);
      assert.equal(await at.load(), false);
      assert.equal((await stat(join(at.lake, KEY))).gid, 12345);
    });

    test("is copied where the staged name is a symbolic link", async () => {
      using _ = withUmask(0o022);
      await using at = await place();
      const path = `${at.staged.path}.link`;
      await symlink(at.staged.path, path);
      const prepared = await at.store.prepare(KEY, { ...at.staged, path }, signal);
      await prepared.publish(signal);
      await rm(path);
      assert.ok((await lstat(join(at.lake, KEY))).isFile());
      assert.notEqual((await stat(join(at.lake, KEY))).ino, (await stat(at.staged.path)).ino);
    });

    test("doesn't appear, linked or not, if it isn't what was staged", async () => {
      using _ = withUmask(0o022);
      await using at = await place();
      const wrong = { ...at.staged, sha256: "0".repeat(64) };
      await assert.rejects(at.store.prepare(KEY, wrong, signal), { code: "stage.file_changed" });
      assert.deepEqual(await readdir(at.lake), []);
      assert.deepEqual(await readFile(at.staged.path), at.bytes);
    });
  },
);
