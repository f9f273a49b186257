import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openFileLake } from "../../../destinations/lake/index.ts";
import type { Destination, Receipt, TextMemory } from "../../../destinations/destination.ts";
import type { LakeContext } from "../../../destinations/lake/context.ts";
import { manifestKey } from "../../../destinations/lake/layout.ts";
import { encodeManifest, manifestOf } from "../../../destinations/lake/manifest.ts";
import { openReceiptMemory, type ReceiptMemory } from "../../../destinations/lake/receipt_memory.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { memoryIn } from "../../../src/stage/memory.ts";
import { HOUR_MS, HOUR_ONE } from "../../support/definitions.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";

/** From as many on, they're remembered. */
const HOURS = 200;
const signal = new AbortController().signal;
const COMMITTED = new Date("2026-11-01T00:00:00Z");
const PATH = "{export}/dt={year}-{month}-{day}";

/** An hour's receipt. Some lack what a receipt may lack. */
const subject = (hour: number) => {
  const start = new Date(HOUR_ONE.start.getTime() + hour * HOUR_MS);
  const end = new Date(start.getTime() + HOUR_MS);
  return {
    export: "replays",
    interval: { start, end },
    attempt: String(hour).padStart(12, "0"),
    fingerprint: `00000000-0000000${hour % 2}`,
    readAt: new Date(end.getTime() + 1234),
    watermark: hour % 3 === 0 ? undefined : end,
    sourceColumns: hour % 5 === 0 ? undefined : ["session_id"],
  };
};

async function writeManifest(lake: string, hour: number, rows: number, committedAt = COMMITTED): Promise<void> {
  const of = subject(hour);
  const batch = {
    ...of,
    id: "",
    format: "parquet" as const,
    extension: ".parquet",
    columns: [
      { name: "session_id", type: "string" as const, nullable: false, privacy: "none" as const, description: "" },
    ],
    key: ["session_id"],
    sourceVersion: "26.7",
    sourceColumns: of.sourceColumns ?? [],
    files: [] as never,
  };
  const manifest = manifestOf(batch, {
    replayport: "0.1.0",
    committedAt,
    files: [],
    totals: { rows, bytes: rows * 10, files: 1 },
    path: PATH,
    owner: undefined,
    kept: [],
    replaces: [],
    removes: [],
  });
  const path = join(lake, manifestKey("replays", 0, batch));
  const { sourceColumns: _, ...without } = manifest;
  await writeFile(path, encodeManifest(of.sourceColumns === undefined ? without : manifest));
  await utimes(path, committedAt, committedAt);
}

interface Place extends AsyncDisposable {
  readonly lake: string;
  readonly stage: string;
  open(memory?: TextMemory): Destination;
  /** Makes whoever reads a manifest fail. */
  broken(): Promise<void>;
}

async function place(): Promise<Place> {
  const folder = await temporaryFolder();
  const [lake, stage] = [join(folder.path, "lake"), join(folder.path, "stage")];
  await mkdir(join(lake, "_replayport/replays"), { recursive: true });
  await Promise.all(Array.from({ length: HOURS }, (_, hour) => writeManifest(lake, hour, hour)));
  return {
    lake,
    stage,
    open: (memory = memoryIn(stage)) =>
      openFileLake(
        { type: "file", path: lake },
        { export: "replays", path: PATH },
        { now: () => new Date(), version: "0.1.0", memory, onWarning: () => assert.fail("a warning") },
      ),
    async broken() {
      const folderOfThem = join(lake, "_replayport/replays");
      const names = await readdir(folderOfThem);
      await Promise.all(
        names.map(async (name) => {
          await writeFile(join(folderOfThem, name), "no manifest");
          await utimes(join(folderOfThem, name), COMMITTED, COMMITTED);
        }),
      );
    },
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}

const receipts = async (destination: Destination): Promise<Receipt[]> =>
  await Array.fromAsync(destination.receipts(ALL_TIME, signal));
const NO_MEMORY: TextMemory = { recall: async () => undefined, keep: async () => undefined };

suite("a ledger of many receipts", () => {
  test("is read once: a later command knows its receipts, with all that is in them", async () => {
    await using at = await place();
    const read = await receipts(at.open(NO_MEMORY));
    assert.equal(read.length, HOURS);
    assert.deepEqual(await receipts(at.open()), read);
    await at.broken();
    await assert.rejects(receipts(at.open(NO_MEMORY)), { code: "lake.broken_manifest" });
    assert.deepEqual(await receipts(at.open()), read);
  });

  test("shows what was written since", async () => {
    await using at = await place();
    await receipts(at.open());
    await writeManifest(at.lake, HOURS, 7);
    await writeManifest(at.lake, 5, 1_000_000, new Date(COMMITTED.getTime() + 1000));
    const read = await receipts(at.open());
    assert.deepEqual(read, await receipts(at.open(NO_MEMORY)));
    assert.deepEqual([read.length, read[5]?.rows, read.at(-1)?.rows], [HOURS + 1, 1_000_000, 7]);
  });

  test("is read again where what was kept of it is broken", async () => {
    await using at = await place();
    const read = await receipts(at.open());
    for (const text of ["", "{}", '{"shared":[],"receipts":{"x":[]}}', "null"]) {
      for (const name of await readdir(at.stage)) await writeFile(join(at.stage, name), text);
      assert.deepEqual(await receipts(at.open()), read, text);
    }
  });

  test("isn't taken from what was kept where that has the right form and wrong values", async () => {
    let text: string | undefined;
    const memory: TextMemory = { recall: async () => text, keep: async (_, kept) => void (text = kept) };
    const lake = { store: { name: "file:///lake" }, export: "replays", path: PATH, version: "0.1.0", memory };
    const entries = Array.from({ length: HOURS }, (_, hour) => {
      const { interval, readAt, watermark } = subject(hour);
      const key = manifestKey("replays", 0, subject(hour));
      return { key, kind: "manifest" as const, interval, generation: 0, readAt, watermark, committedAt: COMMITTED };
    });
    const [entry] = entries;
    assert.ok(entry);
    const open = async (): Promise<ReceiptMemory> => {
      const opened = await openReceiptMemory(lake as unknown as LakeContext, entries);
      assert.ok(opened);
      return opened;
    };
    const folder = { path: "x", extension: ".parquet", columns: [[{ name: "session_id", type: "string" }]] };
    const totals = { rows: 1, bytes: 2, files: 3, lost: 4, folders: [folder] };
    const receipt = { ...subject(0), committedAt: COMMITTED, watermark: COMMITTED, ...totals };
    const first = await open();
    assert.equal(first.get(entry), undefined);
    first.add(entry, receipt);
    await first.keep();
    assert.deepEqual((await open()).get(entry), receipt);
    const good = text ?? "";

    const places = {
      attempt: [2, 5, null, []],
      rows: [3, "1", null, -1, 1.5, 1e99, {}],
      bytes: [4, "1", null, -1, 1.5, 1e99, {}],
      files: [5, "1", null, -1, 1.5, 1e99, {}],
      read: [6, "x", null, 1e99, 8.7e15, {}],
      watermark: [7, "x", 1e99, 8.7e15, {}],
      lost: [8, "1", null, -1, 1.5, {}],
    } as const;
    const ofReceipts = Object.entries(places).flatMap(([name, [at, ...values]]) =>
      values.map((value) => [`${name} ${JSON.stringify(value)}`, { at, value }] as const),
    );
    for (const [name, { at, value }] of ofReceipts) {
      const kept = JSON.parse(good) as { receipts: Record<string, unknown[]> };
      for (const one of Object.values(kept.receipts)) one[at] = value;
      text = JSON.stringify(kept);
      assert.equal((await open()).get(entry), undefined, name);
    }
    const shared = [
      { fingerprint: 5 },
      { fingerprint: null },
      { sourceColumns: "session_id" },
      { sourceColumns: [5] },
      { folders: {} },
      { folders: [{ ...folder, path: 5 }] },
      { folders: [{ ...folder, extension: undefined }] },
      { folders: [{ ...folder, columns: [["session_id"]] }] },
    ];
    for (const wrong of shared) {
      const kept = JSON.parse(good) as { shared: object[] };
      text = JSON.stringify({ ...kept, shared: kept.shared.map((one) => ({ ...one, ...wrong })) });
      assert.equal((await open()).get(entry), undefined, JSON.stringify(wrong));
    }
  });

  const noFifos = process.platform === "win32" && "no FIFOs, and links need a permission";
  test(
    "is read where a link or a FIFO is in the place of what was kept",
    { skip: noFifos, timeout: 60_000 },
    async () => {
      await using at = await place();
      const read = await receipts(at.open());
      const [name = ""] = await readdir(at.stage);
      const path = join(at.stage, name);
      const elsewhere = join(at.lake, "..", "elsewhere");
      await rename(path, elsewhere);
      await symlink(elsewhere, path);
      const before = await readFile(elsewhere, "utf8");
      await writeManifest(at.lake, 5, 1_000_000, new Date(COMMITTED.getTime() + 1000));
      assert.equal((await receipts(at.open()))[5]?.rows, 1_000_000);
      assert.equal(await readFile(elsewhere, "utf8"), before, "nothing is written through the link");
      await rm(path);
      execFileSync("mkfifo", [path]);
      assert.equal((await receipts(at.open())).length, read.length);
      await rm(path);
      await mkdir(path);
      assert.equal((await receipts(at.open())).length, read.length);
      assert.deepEqual(await readdir(at.stage), [name]);
    },
  );

  test("is read where nothing can be kept", async () => {
    await using at = await place();
    const refuse = async (): Promise<never> => await Promise.reject(new Error("read-only"));
    assert.equal((await receipts(at.open({ recall: refuse, keep: refuse }))).length, HOURS);
  });

  test("is kept where only its user may read it", { skip: process.platform === "win32" && "no modes" }, async () => {
    await using at = await place();
    await receipts(at.open());
    const [name, ...others] = await readdir(at.stage);
    assert.deepEqual(others, []);
    assert.equal((await stat(at.stage)).mode & 0o777, 0o700);
    assert.equal((await stat(join(at.stage, name ?? ""))).mode & 0o777, 0o600);
  });
});
