/** A manifest that somebody else has written, and links below a lake: nothing outside of the export is read or removed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { decodeManifest, type Manifest } from "../../../destinations/lake/manifest.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { Batches, hours } from "../../conformance/batches.ts";
import { EVERYTHING, row } from "../../conformance/context.ts";
import { filesBelow, temporaryFolder } from "../../support/temporary_folder.ts";
import { openTestLake } from "./harness.ts";

const SIGNAL = AbortSignal.timeout(60_000);
const NAME = "20261001T030000Z_20261001T040000Z.0123456789ab.0.parquet";
const isBroken = (error: unknown): boolean => error instanceof ReplayportError && error.code === "lake.broken_manifest";

/** Keys of files that aren't those of the export `sessions`. */
const HOSTILE = [
  `../sessions/${NAME}`,
  `sessions/../../${NAME}`,
  `sessions/..//${NAME}`,
  `sessions/./${NAME}`,
  `/sessions/dt=2026-10-01/${NAME}`,
  `/etc/sessions/${NAME}`,
  `C:\\sessions\\${NAME}`,
  `sessions\\..\\${NAME}`,
  `sessions/..\\x/${NAME}`,
  `file:///sessions/dt=2026-10-01/${NAME}`,
  `s3://other/sessions/dt=2026-10-01/${NAME}`,
  `sessions/%2e%2e/${NAME}`,
  `sessions%2F..%2F../${NAME}`,
  `sessions/%252e%252e/${NAME}`,
  `sessions/%25252fdt/${NAME}`,
  `sessions/%c0%ae%c0%ae/${NAME}`,
  `sessions/%00/${NAME}`,
  `sessions/\ud800/${NAME}`,
  `sessions/dt=2026-10-01/..%2f${NAME}`,
  `sessions/dt=2026-10-01\u0000/${NAME}`,
  `sessions/dt=2026-10-01\n/${NAME}`,
  `sessions/\uff0e\uff0e/${NAME}`,
  `sess\u0456ons/dt=2026-10-01/${NAME}`,
  `sessions\u2215..\u2215/${NAME}`,
  `other/dt=2026-10-01/${NAME}`,
  `sessions-eu/dt=2026-10-01/${NAME}`,
  `my-sessions/dt=2026-10-01/${NAME}`,
  `Sessions/dt=2026-10-01/${NAME}`,
  `_replayport/sessions/${NAME}`,
  `_Replayport/sessions/dt=2026-10-01/${NAME}`,
  "_replayport/sessions/owner.json",
  "sessions/dt=2026-10-01/passwd",
  `sessions/dt=2026-10-01/.${NAME}`,
  `sessions/dt=2026-10-02/${NAME}`,
  `sessions/dt=2026-10-01/20261001T050000Z_20261001T060000Z.0123456789ab.0.parquet`,
];

/** Without a template: folders of an export whose name has this one's in it, times within the interval's words, and names that no disk takes apart. */
const FITS_OLD = /^(?:sessions-eu|my-sessions)\/|dt=2026-10-02|T050000Z|[\uff0e\u2215]/;

suite("a hostile manifest", () => {
  /** The manifest of a load of the third hour, with a change. */
  const changed = async (change: (manifest: Manifest) => object): Promise<string> => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    await lake.load(await batches.batch(hours(3), [[row("a", 1)]]), SIGNAL);
    const [key = ""] = await filesBelow(folder.path);
    const manifest = JSON.parse(await readFile(join(folder.path, key), "utf8")) as Manifest;
    return JSON.stringify({ ...manifest, ...change(manifest) });
  };

  test("can't name a file that isn't the export's, as its own or as a kept one", async () => {
    const manifest = JSON.parse(await changed(() => ({}))) as Manifest;
    const [file] = manifest.files;
    assert.ok(file);
    const { readAt, format, columns, path } = manifest;
    for (const key of HOSTILE) {
      const own = JSON.stringify({ ...manifest, files: [{ ...file, key }] });
      assert.throws(() => decodeManifest(own, "x"), isBroken, `files: ${key}`);
      // One of 0.1.0 names no template of its files.
      const old = JSON.stringify({ ...manifest, layout: 1, path: undefined, files: [{ ...file, key }] });
      if (!FITS_OLD.test(key)) assert.throws(() => decodeManifest(old, "x"), isBroken, `files of 0.1.0: ${key}`);
      const kept = { ...file, key, readAt, format, columns, path, lost: 0 };
      assert.throws(() => decodeManifest(JSON.stringify({ ...manifest, kept: [kept] }), "x"), isBroken, `kept: ${key}`);
      const removing = JSON.stringify({ ...manifest, removes: [key] });
      let removes: readonly string[] = [];
      try {
        ({ removes } = decodeManifest(removing, "x"));
      } catch (error) {
        assert.ok(isBroken(error));
      }
      // Below the export's own folder, today's template may be another one than that of the file.
      if (!key.startsWith("sessions/")) assert.deepEqual(removes, [], `removes: ${key}`);
    }
    assert.deepEqual(decodeManifest(JSON.stringify(manifest), "x").files, manifest.files);
  });

  test("of another export or interval, under this one's key, counts as broken, and nothing is removed", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    await lake.load(await batches.batch(hours(3), [[row("a", 1)]]), SIGNAL);
    const [key = ""] = await filesBelow(folder.path);
    const path = join(folder.path, key);
    const text = await readFile(path, "utf8");
    const manifest = JSON.parse(text) as Manifest;
    const precious = join(folder.path, "other", "dt=2026-10-01", NAME);
    await mkdir(join(precious, ".."), { recursive: true });
    await writeFile(precious, "precious");
    const theirs = { export: "other", files: [], removes: [`other/dt=2026-10-01/${NAME}`] };
    for (const change of [theirs, { interval: { start: "2026-10-01T00:00:00Z", end: "2026-10-03T00:00:00Z" } }]) {
      await writeFile(path, JSON.stringify({ ...manifest, ...change }));
      await assert.rejects(Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL)), isBroken);
      await assert.rejects(lake.load(await batches.batch(hours(3), [[row("a", 2)]]), SIGNAL), isBroken);
      assert.equal(await readFile(precious, "utf8"), "precious");
    }
    await writeFile(path, text);
    await lake.load(await batches.batch(hours(3), [[row("a", 2)]]), SIGNAL);
    assert.equal(await readFile(precious, "utf8"), "precious");
  });

  test("can't have files removed that it names as the batch's own", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    let now = Date.now();
    const options = { type: "file", path: folder.path, keepReplacedMs: 3_600_000 } as const;
    await using lake = openTestLake(options, { now: () => new Date(now) });
    const data = async (): Promise<string[]> =>
      (await filesBelow(folder.path)).filter((key) => key.endsWith(".parquet")).sort();
    await lake.load(await batches.batch(hours(3), [[row("a", 1)]]), SIGNAL);
    const [replaced] = await data();
    await lake.load(await batches.batch(hours(3), [[row("a", 2)]]), SIGNAL);
    const both = await data();
    assert.equal(both.length, 2);
    const key = (await filesBelow(folder.path)).find((one) => one.includes(".000001.")) ?? "";
    const path = join(folder.path, key);
    const manifest = JSON.parse(await readFile(path, "utf8")) as Manifest;
    await writeFile(path, JSON.stringify({ ...manifest, removes: both }));
    now += 2 * 3_600_000;
    await lake.load(await batches.batch(hours(5), []), SIGNAL);
    assert.deepEqual(
      await data(),
      both.filter((one) => one !== replaced),
    );
  });
});

test("a link among a lake's folders isn't followed out of it, and one to the lake itself is", async () => {
  await using folder = await temporaryFolder();
  const outside = join(folder.path, "outside");
  const root = join(folder.path, "lake");
  await mkdir(join(outside, "dt=2026-10-01"), { recursive: true });
  await mkdir(join(root, "real"), { recursive: true });
  const precious = join(outside, "dt=2026-10-01", NAME);
  await writeFile(precious, "precious");
  await symlink(outside, join(root, "sessions"));
  await symlink(root, join(folder.path, "linked"));
  await using store = new DiskStore(root);
  const key = `sessions/dt=2026-10-01/${NAME}`;
  const leads = (error: unknown): boolean => error instanceof ReplayportError && error.code === "store.link";
  await assert.rejects(store.read(key, SIGNAL), leads);
  await assert.rejects(store.readRange(key, 0, 4, SIGNAL), leads);
  await assert.rejects(store.delete([key], SIGNAL), leads);
  await assert.rejects(store.put(`${key}.json`, "x", new Date(), SIGNAL), leads);
  await assert.rejects(store.createExclusive("sessions/new", "x", new Date(), SIGNAL), leads);
  assert.equal(await readFile(precious, "utf8"), "precious");
  assert.deepEqual(await filesBelow(outside), [`dt=2026-10-01/${NAME}`]);

  await using linked = new DiskStore(join(folder.path, "linked"));
  await linked.put("real/a", "text", new Date(), SIGNAL);
  assert.equal(await linked.read("real/a", SIGNAL), "text");
  assert.equal(await linked.read("missing/a", SIGNAL), undefined);
  await linked.delete(["missing/a", "real/a"], SIGNAL);
  await rename(join(root, "real"), join(root, "gone")).catch(() => undefined);
  assert.equal(await linked.read("real/a", SIGNAL), undefined);
});

const noFifos = process.platform === "win32" && "no FIFOs, and links need a permission";

test(
  "what is no file is refused under a file's name, and nothing waits for it",
  { skip: noFifos, timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder();
    const root = join(folder.path, "lake");
    await mkdir(join(root, "a/folder"), { recursive: true });
    await writeFile(join(folder.path, "secret"), "secret");
    await symlink(join(folder.path, "secret"), join(root, "a/link"));
    await symlink("loop", join(root, "a/loop"));
    execFileSync("mkfifo", [join(root, "a/fifo")]);
    await using socket = createServer().listen(join(root, "a/socket"));
    await new Promise((resolve) => socket.once("listening", resolve));
    await using store = new DiskStore(root);
    const isRefused = (error: unknown): boolean =>
      error instanceof ReplayportError && error.code === "store.not_a_file" && error.remedy === "give-up";
    assert.deepEqual(await Array.fromAsync(store.list("a/", SIGNAL)), []);
    for (const name of ["folder", "link", "loop", "fifo", ...(process.platform === "linux" ? ["socket"] : [])]) {
      const key = `a/${name}`;
      assert.equal(await store.createExclusive(key, "x", new Date(), SIGNAL), "exists", name);
      await assert.rejects(store.read(key, SIGNAL), isRefused, name);
      await assert.rejects(store.readRange(key, 0, 1, SIGNAL), isRefused, name);
    }
    await assert.rejects(store.put("a/folder", "x", new Date(), SIGNAL), isRefused);
    await assert.rejects(store.delete(["a/folder"], SIGNAL), isRefused);
    await store.delete(["a/link", "a/loop", "a/fifo"], SIGNAL);
    assert.equal(await readFile(join(folder.path, "secret"), "utf8"), "secret");
  },
);
