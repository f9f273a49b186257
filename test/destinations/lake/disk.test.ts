/** A lake in a folder, opened through stores that a test can stop, kill or confuse. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { diskError } from "../../../destinations/store/disk_errors.ts";
import { DEFAULT_PATH, openLakeOn } from "../../../destinations/lake/index.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { Batches, EXPORT, hours } from "../../conformance/batches.ts";
import { gateAfter } from "../../conformance/interrupted.ts";
import { openTestLake, unsortedStore } from "./harness.ts";
import { filesBelow, type Folder, temporaryFolder } from "../../support/temporary_folder.ts";
import { lakeRows } from "./lake_rows.ts";
import { EVERYTHING, rejection, rejectsWith, row } from "../../conformance/context.ts";
import { HookedStore, type Hooks } from "../../support/hooked_store.ts";

const DEPS: DestinationDeps = { now: () => new Date(), version: "0", onWarning: () => undefined };
const SIGNAL = AbortSignal.timeout(120_000);

function hookedLake(folder: Folder, hooks: Hooks, deps: Partial<DestinationDeps> = {}): Destination {
  return openLakeOn(
    new HookedStore(new DiskStore(folder.path), hooks),
    { keepReplacedMs: 0 },
    { export: EXPORT, path: DEFAULT_PATH },
    { ...DEPS, ...deps },
  );
}

async function ledgerOf(lake: Destination): Promise<string[]> {
  const coverages = await Array.fromAsync(lake.covered(EVERYTHING, SIGNAL));
  return coverages.map(({ interval }) => intervalName(interval));
}

function manifest(hour: number, count: number, generation: number): string {
  return `_replayport/${EXPORT}/${intervalName(hours(hour, count))}.${String(generation).padStart(6, "0")}.json`;
}

/** The files below the folder, without the times of reads in their names. */
async function filesOf(folder: Folder): Promise<string[]> {
  return (await filesBelow(folder.path)).map((key) => key.replace(/\.\d{8}T\d{9}Z(\.\d{8}T\d{6}Z)?\.json$/, ".json"));
}

suite("lake on disk", () => {
  test("a load on disk writes one manifest and one file, under the names of the layout", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    const batch = await batches.batch(hours(3), [[row("a", 1)]]);
    await lake.load(batch, SIGNAL);
    assert.deepEqual(await filesBelow(folder.path), [
      "_replayport/sessions/20261001T030000Z_20261001T040000Z.000000.20261002T000100000Z.20261002T000059Z.json",
      `sessions/dt=2026-10-01/20261001T030000Z_20261001T040000Z.${batch.attempt}.0.parquet`,
    ]);
  });

  test("a reload raises the generation, and folders that became empty are removed", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    await lake.load(await batches.batch(hours(26), [[row("a", 1)]]), SIGNAL);
    await lake.load(await batches.batch(hours(3, 24), [[row("a", 1)]]), SIGNAL);
    await lake.load(await batches.batch(hours(3, 24), [[row("a", 1)]]), SIGNAL);
    assert.equal((await filesOf(folder))[0], manifest(3, 24, 1));
    assert.deepEqual(await readdir(join(folder.path, EXPORT)), ["dt=2026-10-01"]);
  });

  test("committedAt is the clock's, to the millisecond, in the receipt and in the listing", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const at = new Date("2026-10-02T03:04:05.678Z");
    await using lake = openTestLake({ type: "file", path: folder.path }, { now: () => at });
    assert.deepEqual((await lake.load(await batches.batch(hours(3), []), SIGNAL)).committedAt, at);
    const [coverage] = await Array.fromAsync(lake.covered(EVERYTHING, SIGNAL));
    assert.deepEqual(coverage?.committedAt, at);
  });

  test("a manifest has the time of its commit, although the machine slept for hours since the claim", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    let now = Date.parse("2026-10-02T03:00:00Z");
    const after: Hooks["after"] = async (operation) => {
      if (operation === "createExclusive") now += 2 * 3_600_000;
      await Promise.resolve();
    };
    await using lake = hookedLake(folder, { after }, { now: () => new Date(now) });
    await lake.load(await batches.batch(hours(3), [[row("a", 1)]]), SIGNAL);
    const key = (await filesBelow(folder.path)).find((one) => one.endsWith("Z.json")) ?? "";
    const { committedAt } = JSON.parse(await readFile(join(folder.path, key), "utf8")) as { committedAt: string };
    assert.equal(committedAt, "2026-10-02T05:00:00.000Z");
  });

  test("of twelve attempts that commit at once one wins", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const gates = Array.from({ length: 12 }, () => gateAfter(1));
    const loads = gates.map(async ({ through }, index) => {
      const lake = openTestLake({ type: "file", path: folder.path });
      return await lake.load(await batches.batch(hours(0), [[row("a", 1, index)]], { through, readMinute: 5 }), SIGNAL);
    });
    const settled = Promise.allSettled(loads);
    await Promise.all(gates.map(({ reached }) => reached));
    for (const { open } of gates) open();
    const won = (await settled).flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
    assert.equal(won.length, 1);
    assert.deepEqual(await lakeRows(folder.path, "folder"), [row("a", 1, won[0])]);
    assert.equal((await filesBelow(folder.path)).length, 2);
  });

  for (const asleep of ["prepare", "createExclusive"] as const) {
    test(`an attempt that sleeps before ${asleep} while two others load withdraws its claim`, async () => {
      await using folder = await temporaryFolder();
      await using batches = await Batches.open();
      await using lake = openTestLake({ type: "file", path: folder.path });
      await lake.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
      // It reads generation 0, so it will create 1; when it gets there, 1 is gone again and 2 is what counts.
      let created = false;
      const sleeper = hookedLake(folder, {
        before: async (operation) => {
          if (operation !== asleep) return;
          await lake.load(await batches.batch(hours(0), [[row("a", 2)]]), SIGNAL);
          await lake.load(await batches.batch(hours(0), [[row("a", 3)]]), SIGNAL);
        },
        after: (operation) => {
          created ||= operation === "createExclusive";
          return Promise.resolve();
        },
      });
      const error = await rejectsWith("retry", sleeper.load(await batches.batch(hours(0), [[row("a", 4)]]), SIGNAL));
      assert.ok(created, "it had the claim");
      assert.equal(error.code, "load.lost_race");
      assert.deepEqual(await lakeRows(folder.path, "manifests"), [row("a", 3)]);
      assert.deepEqual((await filesOf(folder))[0], manifest(0, 1, 2));
      assert.equal((await filesBelow(folder.path)).length, 2);
    });
  }

  test("half-written files of a dead attempt are removed by the next load of the batch, those of others stay", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    const day = join(folder.path, EXPORT, "dt=2026-10-01");
    const ledger = join(folder.path, "_replayport", EXPORT);
    for (const path of [day, ledger]) await mkdir(path, { recursive: true });
    const half = (hour: number, rest: string): string => `.${intervalName(hours(hour))}.${rest}.0123456789ab.tmp`;
    for (const hour of [0, 1]) {
      await writeFile(join(day, half(hour, "deaddeaddead.0.parquet")), "half");
      await writeFile(join(ledger, half(hour, "000000.json")), "half");
    }
    await lake.load(await batches.batch(hours(0), []), SIGNAL);
    assert.deepEqual(await filesOf(folder), [
      `_replayport/${EXPORT}/${half(1, "000000.json")}`,
      manifest(0, 1, 0),
      `${EXPORT}/dt=2026-10-01/${half(1, "deaddeaddead.0.parquet")}`,
    ]);
  });

  for (const [lostAnswer, visible] of [
    ["createExclusive", []],
    ["put", [row("a", 1)]],
  ] as const) {
    test(`an attempt that can't tell whether its ${lostAnswer} went through says so, and the next load settles it`, async () => {
      await using folder = await temporaryFolder();
      await using batches = await Batches.open();
      let broken = false;
      const lost = hookedLake(folder, {
        before: (operation, key) =>
          broken && operation === "read" && key.startsWith("_replayport/")
            ? Promise.reject(new Error("no line"))
            : Promise.resolve(),
        after: (operation) => {
          if (operation !== lostAnswer) return Promise.resolve();
          broken = true;
          return Promise.reject(new ReplayportError("no line", { code: "test", remedy: "retry" }));
        },
      });
      const error = await rejectsWith("retry", lost.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL));
      assert.equal(error.code, "load.commit_unknown");
      // Both went through, as it happens. A claim shows nothing; a commit is whole.
      assert.deepEqual(await lakeRows(folder.path, "folder"), visible);
      assert.deepEqual(await lakeRows(folder.path, "manifests"), visible);
      await using lake = openTestLake({ type: "file", path: folder.path });
      await lake.load(await batches.batch(hours(0), [[row("a", 2)]]), SIGNAL);
      assert.deepEqual(await lakeRows(folder.path, "folder"), [row("a", 2)]);
      assert.equal((await filesBelow(folder.path)).length, 2);
    });
  }

  test("a store that lists in any order gives the same ledger, in order, and loads and reloads work on it", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const shuffled = (): Destination => {
      return openLakeOn(unsortedStore(folder.path), { keepReplacedMs: 0 }, { export: EXPORT }, DEPS);
    };
    await using lake = shuffled();
    for (const hour of [3, 1, 2, 30]) await lake.load(await batches.batch(hours(hour), [[row(`s${hour}`, 1)]]), SIGNAL);
    for (let version = 2; version <= 12; version += 1) {
      await lake.load(await batches.batch(hours(1), [[row("s1", version)], [row("s4", version)]]), SIGNAL);
    }
    await using other = shuffled();
    const names = [1, 2, 3, 30].map((hour) => intervalName(hours(hour)));
    assert.deepEqual(await ledgerOf(other), names);
    const receipts = await Array.fromAsync(other.receipts(EVERYTHING, SIGNAL));
    assert.deepEqual(
      receipts.map(({ interval }) => intervalName(interval)),
      names,
    );
    // A lower generation that a killed cleanup left doesn't count.
    await writeFile(join(folder.path, manifest(1, 1, 5)), '{"layout":1}');
    assert.deepEqual(await ledgerOf(other), names);
    assert.deepEqual(
      (await lakeRows(folder.path, "manifests")).find(({ session }) => session === "s1"),
      row("s1", 12),
    );
  });

  test("rows of an attempt that two claims overtook stay in sight of who follows manifests", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const gate = (): { readonly passed: Promise<void>; readonly pass: () => void } => {
      const { promise, resolve } = Promise.withResolvers<void>();
      return { passed: promise, pass: resolve };
    };
    const [firstClaimed, secondClaimed, firstDone] = [gate(), gate(), gate()];
    const first = hookedLake(folder, {
      async before(operation) {
        if (operation !== "publish") return;
        firstClaimed.pass();
        await secondClaimed.passed;
      },
    });
    const second = hookedLake(folder, {
      async before(operation) {
        if (operation !== "publish") return;
        secondClaimed.pass();
        await firstDone.passed;
      },
    });
    const loading = first.load(await batches.batch(hours(0), [[row("a", 1), row("b", 1)]]), SIGNAL);
    await firstClaimed.passed;
    const overtaking = second.load(await batches.batch(hours(0), [[row("b", 2)]]), SIGNAL);
    await loading;
    firstDone.pass();
    const receipt = await overtaking;
    assert.deepEqual(await lakeRows(folder.path, "manifests"), [row("a", 1), row("b", 2)]);
    assert.deepEqual(await Array.fromAsync(second.receipts(EVERYTHING, SIGNAL)), [receipt]);
    // The next load judges the file by its keys, and removes what it took the place of.
    await second.load(await batches.batch(hours(0), [[row("a", 3), row("b", 3)]]), SIGNAL);
    assert.deepEqual(await lakeRows(folder.path, "folder"), [row("a", 3), row("b", 3)]);
    assert.equal((await filesBelow(folder.path)).length, 2);
  });

  test("a commit that went through and was then refused, as by a request sent twice, is found and counts", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const refusing = hookedLake(folder, {
      after: (operation) =>
        operation === "createExclusive" || operation === "put"
          ? Promise.reject(new ReplayportError("expired token", { code: "test", remedy: "give-up" }))
          : Promise.resolve(),
    });
    const receipt = await refusing.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    assert.deepEqual(await Array.fromAsync(refusing.receipts(EVERYTHING, SIGNAL)), [receipt]);
    assert.deepEqual(await lakeRows(folder.path, "manifests"), [row("a", 1)]);
  });

  test("an attempt whose source was read before what is loaded says so and changes nothing", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    const old = await batches.batch(hours(0), [[row("a", 1)]]);
    await lake.load(await batches.batch(hours(0), [[row("a", 2)]]), SIGNAL);
    const error = await rejectsWith("retry", lake.load({ ...old, readAt: new Date(0) }, SIGNAL));
    assert.equal(error.code, "load.older_read");
    assert.deepEqual(await lakeRows(folder.path, "folder"), [row("a", 2)]);
  });

  test("a batch within the covering one that was read later keeps its rows and its receipt", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    const day = await batches.batch(hours(0, 24), [[row("a", 1), row("b", 1)]]);
    await lake.load(await batches.batch(hours(2), [[row("a", 2)]]), SIGNAL);
    await lake.load(day, SIGNAL);
    assert.deepEqual(await ledgerOf(lake), [intervalName(hours(0, 24)), intervalName(hours(2))]);
    await lake.load(await batches.batch(hours(30), []), SIGNAL);
    assert.deepEqual(await lakeRows(folder.path, "manifests"), [row("a", 2), row("b", 1)]);
  });

  test("what a clean-up left is not in the ledger, and is removed by the next load", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const warnings: string[] = [];
    let full = true;
    const clumsy = hookedLake(
      folder,
      {
        before: (operation) =>
          full && operation === "delete"
            ? Promise.reject(new ReplayportError("no", { code: "test", remedy: "retry" }))
            : Promise.resolve(),
      },
      { onWarning: (message) => warnings.push(message) },
    );
    await clumsy.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    await clumsy.load(await batches.batch(hours(1), [[row("b", 1)]]), SIGNAL);
    await clumsy.load(await batches.batch(hours(0, 2), [[row("a", 2), row("b", 2)]]), SIGNAL);
    await clumsy.load(await batches.batch(hours(0, 2), [[row("a", 3), row("b", 3)]]), SIGNAL);
    assert.equal(warnings.length, 4);
    assert.equal((await filesBelow(folder.path)).length, 12);
    assert.deepEqual(await ledgerOf(clumsy), [intervalName(hours(0, 2))]);
    for (const follow of ["folder", "manifests"] as const) {
      assert.deepEqual(await lakeRows(folder.path, follow), [row("a", 3), row("b", 3)]);
    }
    full = false;
    await clumsy.load(await batches.batch(hours(5), []), SIGNAL);
    assert.equal(warnings.length, 4);
    const left = (await filesOf(folder)).filter((key) => key.startsWith("_replayport/"));
    assert.deepEqual(left, [manifest(0, 2, 1), manifest(5, 1, 0)]);
    assert.equal((await filesBelow(folder.path)).length, 3);
  });

  test("keys of other forms among the manifests are passed over, a broken manifest is named", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using lake = openTestLake({ type: "file", path: folder.path });
    await mkdir(join(folder.path, "_replayport", EXPORT, "folder.000000.json"), { recursive: true });
    await writeFile(join(folder.path, "_replayport", EXPORT, "README"), "");
    await writeFile(join(folder.path, manifest(1, 1, 0)), '{"layout":1}');
    assert.deepEqual(await ledgerOf(lake), [intervalName(hours(1))]);
    const error = await rejectsWith("give-up", Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL)));
    assert.match(error.message, /20261001T010000Z_20261001T020000Z\.000000\.json/);
    await rejectsWith("give-up", lake.load(await batches.batch(hours(1), []), SIGNAL));
    await lake.load(await batches.batch(hours(2), []), SIGNAL);
  });

  test("a name that cannot be a folder, or a path without the export in it, is refused at once", () => {
    for (const [name, path] of [
      ["../up", DEFAULT_PATH],
      ["a/b", DEFAULT_PATH],
      ["", DEFAULT_PATH],
      ["sessions", "dt={year}"],
    ] as const) {
      const open = (): Destination => openLakeOn(new DiskStore("/nowhere"), {}, { export: name, path }, DEPS);
      assert.throws(open, ReplayportError);
    }
  });

  test("a full disk says how much was missing, a folder without rights whom to give them", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "file");
    const failed = (code: string): Error => Object.assign(new Error(`${code}: it did not work`), { code });
    const bytes = 2 ** 60;
    const full = (await diskError(failed("ENOSPC"), { action: "writing", path, bytes })) as ReplayportError;
    assert.equal(full.code, "store.disk_full");
    const missing = Number(/(\d+) are missing/.exec(full.message)?.[1]);
    assert.ok(missing > 2 ** 59 && missing <= bytes);
    for (const [code, expected] of [
      ["EACCES", "store.access_denied"],
      ["EROFS", "store.read_only"],
      ["ENOTDIR", "store.not_a_folder"],
      ["ENOTSUP", "store.not_supported"],
    ] as const) {
      const error = (await diskError(failed(code), { action: "writing", path })) as ReplayportError;
      assert.deepEqual([error.code, error.remedy], [expected, "give-up"]);
      assert.ok(error.hint?.includes(folder.path) === true || code === "ENOTDIR");
    }
  });

  test(
    "a full disk is told from other errors by what it throws",
    { skip: process.platform === "linux" ? false : "needs /dev/full, which Linux has" },
    async () => {
      const error = await rejection(writeFile("/dev/full", "x"));
      const mapped = await diskError(error, { action: "writing", path: "/dev/full", bytes: 1 });
      assert.ok(mapped instanceof ReplayportError && mapped.code === "store.disk_full");
    },
  );
});
