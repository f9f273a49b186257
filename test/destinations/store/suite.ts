/** What every store must do, whatever it stores on: the contract of destinations/store/store.ts. A new store passes this. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { LocalFile } from "../../../destinations/files/read_staged.ts";
import type { Store } from "../../../destinations/store/store.ts";
import { rejectsWith } from "../../conformance/context.ts";
import { type Folder, temporaryFolder } from "../../support/temporary_folder.ts";

const SIGNAL = AbortSignal.timeout(120_000);

export interface StoreTarget extends AsyncDisposable {
  readonly store: Store;
  /** Begins to write the key and dies. */
  beginWriting(key: string): Promise<void>;
}

export interface StoreHarness {
  readonly name: string;
  readonly skip: string | false;
  /** Whether it says when an unfinished file was begun. The S3 server of the tests, moto, says 2010. */
  readonly datesUnfinished: boolean;
  /** An empty store. */
  readonly open: () => Promise<StoreTarget>;
  /** A store that can't work, such as one in a bucket that doesn't exist. */
  readonly openBroken: () => Store;
}

async function localFile(folder: Folder, bytes: Buffer): Promise<LocalFile> {
  const path = join(folder.path, "staged");
  await writeFile(path, bytes);
  return { path, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys = (await Array.fromAsync(store.list(prefix, SIGNAL))).map(({ key }) => key);
  return keys.sort();
}

export function testStore({ name, skip, datesUnfinished, open, openBroken }: StoreHarness): void {
  const now = new Date("2026-10-01T12:00:00Z");
  const create = (store: Store, key: string, text = "text"): Promise<"created" | "exists"> =>
    store.createExclusive(key, text, now, SIGNAL);

  suite(`a store on ${name}`, { skip }, () => {
    test(`${name}: an object is created once, and read back`, async () => {
      await using target = await open();
      const { store } = target;
      assert.equal(await create(store, "a/b.json", "one äöü\n"), "created");
      assert.equal(await create(store, "a/b.json", "two"), "exists");
      assert.equal(await store.read("a/b.json", SIGNAL), "one äöü\n");
      assert.ok(store.locate("a/b.json").endsWith("a/b.json"));
    });

    test(`${name}: of many that create one key at once, one does`, async () => {
      await using target = await open();
      const texts = Array.from({ length: 8 }, (_, index) => `text ${index}`);
      const outcomes = await Promise.all(texts.map((text) => create(target.store, "race", text)));
      assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1);
      assert.equal(await target.store.read("race", SIGNAL), texts[outcomes.indexOf("created")]);
    });

    test(`${name}: an object that doesn't exist reads as undefined, in whole or in part`, async () => {
      await using target = await open();
      const { store } = target;
      await create(store, "a/file");
      for (const key of ["none", "a/none", "none/none"]) {
        assert.equal(await store.read(key, SIGNAL), undefined, key);
        assert.equal(await store.readRange(key, 0, 10, SIGNAL), undefined, key);
      }
    });

    test(`${name}: a range is read, and an object that is too short gives what it has`, async () => {
      await using target = await open();
      await using folder = await temporaryFolder();
      const { store } = target;
      const bytes = randomBytes(1000);
      await store.putFile("ranges", await localFile(folder, bytes), SIGNAL);
      await store.putFile("empty", await localFile(folder, Buffer.alloc(0)), SIGNAL);
      const read = async (key: string, start: number, end: number): Promise<Buffer> => {
        const found = await store.readRange(key, start, end, SIGNAL);
        assert.ok(found !== undefined);
        return Buffer.from(found);
      };
      for (const [start, end] of [
        [0, 1000],
        [0, 1],
        [17, 500],
        [999, 1000],
        [990, 1010],
        [1000, 1010],
        [5000, 5001],
      ] as const) {
        assert.deepEqual(await read("ranges", start, end), bytes.subarray(start, end), `${start} to ${end}`);
      }
      assert.deepEqual(await read("empty", 0, 4), Buffer.alloc(0));
    });

    test(`${name}: a local file is copied as it is, and replaces what was there`, async () => {
      await using target = await open();
      await using folder = await temporaryFolder();
      const { store } = target;
      for (const bytes of [Buffer.alloc(0), randomBytes(3_000_000)]) {
        await store.putFile("deep/er/file", await localFile(folder, bytes), SIGNAL);
        const [object] = await Array.fromAsync(store.list("deep/er/", SIGNAL));
        assert.deepEqual([object?.key, object?.bytes], ["deep/er/file", bytes.length]);
        assert.ok(Math.abs((object?.modified.getTime() ?? 0) - Date.now()) < 120_000);
      }
    });

    test(`${name}: a prepared file appears when it's published, and may be published again`, async () => {
      await using target = await open();
      await using folder = await temporaryFolder();
      const { store } = target;
      const bytes = randomBytes(3_000_000);
      const prepared = await store.prepare("a/file", await localFile(folder, bytes), SIGNAL);
      assert.equal(prepared.key, "a/file");
      assert.deepEqual(await keysOf(store, "a/"), []);
      await prepared.publish(SIGNAL);
      assert.deepEqual(await keysOf(store, "a/"), ["a/file"]);
      await prepared.publish(SIGNAL);
      await prepared.discard(SIGNAL);
      assert.deepEqual(Buffer.from((await store.readRange("a/file", 0, bytes.length, SIGNAL)) ?? []), bytes);
      assert.deepEqual(await store.unfinished("a/", SIGNAL), []);
    });

    test(`${name}: a prepared file that is discarded leaves nothing, and what was there before stays`, async () => {
      await using target = await open();
      await using folder = await temporaryFolder();
      const { store } = target;
      await create(store, "a/file", "before");
      const prepared = await store.prepare("a/file", await localFile(folder, randomBytes(1000)), SIGNAL);
      await prepared.discard(SIGNAL);
      await prepared.discard(SIGNAL);
      assert.equal(await store.read("a/file", SIGNAL), "before");
      assert.deepEqual(await store.unfinished("a/", SIGNAL), []);
    });

    test(`${name}: a text is written, and replaces what was there`, async () => {
      await using target = await open();
      for (const text of ["one äöü\n", "", "two"]) {
        await target.store.put("a/text.json", text, now, SIGNAL);
        assert.equal(await target.store.read("a/text.json", SIGNAL), text);
      }
      assert.deepEqual(await keysOf(target.store, "a/"), ["a/text.json"]);
    });

    test(`${name}: a local file that changed since it was staged doesn't appear`, async () => {
      await using target = await open();
      await using folder = await temporaryFolder();
      const file = await localFile(folder, randomBytes(1000));
      const changed: readonly LocalFile[] = [
        { ...file, sha256: "0".repeat(64) },
        { ...file, bytes: 999 },
        { ...file, bytes: 1001 },
        { ...file, path: join(folder.path, "gone") },
      ];
      for (const wrong of changed) {
        const wrote = [target.store.putFile("file", wrong, SIGNAL), target.store.prepare("file", wrong, SIGNAL)];
        for (const error of await Promise.all(wrote.map((one) => rejectsWith("retry", one)))) {
          assert.equal(error.code, "stage.file_changed");
        }
      }
      assert.deepEqual(await keysOf(target.store, ""), []);
      assert.deepEqual(await target.store.unfinished("", SIGNAL), []);
    });

    test(`${name}: a listing has the objects whose key begins with the prefix, and nothing unfinished`, async () => {
      await using target = await open();
      const { store } = target;
      for (const key of ["a/x.1", "a/x.2", "a/y.1", "b/x.1"]) await create(store, key);
      await target.beginWriting("a/x.3");
      assert.deepEqual(await keysOf(store, "a/"), ["a/x.1", "a/x.2", "a/y.1"]);
      assert.deepEqual(await keysOf(store, "a/x."), ["a/x.1", "a/x.2"]);
      assert.deepEqual(await keysOf(store, "none/"), []);
    });

    test(`${name}: objects are deleted, and those that don't exist are ignored`, async () => {
      await using target = await open();
      const { store } = target;
      const keys = Array.from({ length: 12 }, (_, index) => `many/${index}`);
      for (const key of [...keys, "many/kept"]) await create(store, key);
      await store.delete([...keys, "many/none", "none/none"], SIGNAL);
      await store.delete([], SIGNAL);
      assert.deepEqual(await keysOf(store, "many/"), ["many/kept"]);
      assert.equal(await create(store, "many/0"), "created");
    });

    test(`${name}: unfinished files are found by the key that they would get, and removed`, async () => {
      await using target = await open();
      const { store } = target;
      const before = Date.now() - 60_000;
      for (const key of ["a/x.1", "a/x.2", "a/b/y.1"]) await target.beginWriting(key);
      const found = await store.unfinished("a/x.", SIGNAL);
      assert.deepEqual(found.map(({ key }) => key).sort(), ["a/x.1", "a/x.2"]);
      await store.discard(found, SIGNAL);
      await store.discard(found, SIGNAL);
      assert.deepEqual(await store.unfinished("a/x.", SIGNAL), []);
      const left = await store.unfinished("a/", SIGNAL);
      assert.deepEqual(
        left.map(({ key }) => key),
        ["a/b/y.1"],
      );
      assert.ok(left.every(({ begun }) => begun.getTime() > before) || !datesUnfinished);
      assert.deepEqual(await store.unfinished("none/", SIGNAL), []);
    });

    test(`${name}: the check of large files leaves nothing unfinished`, async () => {
      await using target = await open();
      await target.store.checkLargeFiles("a/large", SIGNAL);
      assert.deepEqual(await target.store.unfinished("a/", SIGNAL), []);
      await target.store.delete(["a/large"], SIGNAL);
      assert.deepEqual(await keysOf(target.store, "a/"), []);
    });

    test(`${name}: after an abort every member rejects with its reason`, async () => {
      await using target = await open();
      await using folder = await temporaryFolder();
      const { store } = target;
      const reason = new Error("stop");
      const aborted = AbortSignal.abort(reason);
      const file = await localFile(folder, randomBytes(10));
      const members: Readonly<Record<string, () => Promise<unknown>>> = {
        list: () => Array.fromAsync(store.list("a/", aborted)),
        read: () => store.read("a", aborted),
        readRange: () => store.readRange("a", 0, 1, aborted),
        putFile: () => store.putFile("a", file, aborted),
        prepare: () => store.prepare("a", file, aborted),
        put: () => store.put("a", "", now, aborted),
        createExclusive: () => store.createExclusive("a", "", now, aborted),
        delete: () => store.delete(["a"], aborted),
        unfinished: () => store.unfinished("a/", aborted),
        discard: () => store.discard([{ key: "a", id: "a" }], aborted),
      };
      for (const [member, call] of Object.entries(members)) {
        await assert.rejects(call(), (error) => error === reason, member);
      }
      assert.deepEqual(await keysOf(store, ""), []);
    });

    test(`${name}: a store that can't work rejects with a code of its room and a hint`, async () => {
      await using folder = await temporaryFolder();
      await using store = openBroken();
      const file = await localFile(folder, randomBytes(10));
      const members: Readonly<Record<string, () => Promise<unknown>>> = {
        list: () => Array.fromAsync(store.list("a/", SIGNAL)),
        putFile: () => store.putFile("a/b", file, SIGNAL),
        createExclusive: () => create(store, "a/b"),
        checkLargeFiles: () => store.checkLargeFiles("a/b", SIGNAL),
      };
      for (const [member, call] of Object.entries(members)) {
        const error = await rejectsWith("give-up", call());
        assert.match(error.code, /^store\./, member);
        assert.ok((error.hint ?? "") !== "", member);
      }
      await rm(file.path);
    });
  });
}
