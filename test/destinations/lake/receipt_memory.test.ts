import assert from "node:assert/strict";
import { mkdir, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openFileLake } from "../../../destinations/lake/index.ts";
import type { Destination, Receipt, TextMemory } from "../../../destinations/destination.ts";
import { manifestKey } from "../../../destinations/lake/layout.ts";
import { encodeManifest, manifestOf } from "../../../destinations/lake/manifest.ts";
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
