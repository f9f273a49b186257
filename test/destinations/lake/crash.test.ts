/**
 * A worker that is killed between any two steps of a load: readers see the old state or the new one, and the next load
 * repairs what is left. Every step is tried, before and after the store has done it.
 */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { suite, test } from "node:test";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { DEFAULT_PATH, openLakeOn } from "../../../destinations/lake/index.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { Batches, EXPORT, hours } from "../../conformance/batches.ts";
import { openTestLake } from "./harness.ts";
import { type Folder, temporaryFolder } from "../../support/temporary_folder.ts";
import { filesBelow, lakeRows } from "./lake_rows.ts";
import { EVERYTHING, row } from "../../conformance/context.ts";
import { HookedStore } from "./hooked_store.ts";

const SIGNAL = AbortSignal.timeout(300_000);
const OLD = [row("a", 1), row("b", 1), row("c", 1)];
const NEW = [row("a", 2), row("b", 2), row("c", 2)];

/** Loads a batch that covers three others, and dies at the given step. Tells whether there was such a step. */
async function loadAndDie(folder: Folder, batches: Batches, step: number, when: "before" | "after"): Promise<boolean> {
  let dead = false;
  const die = (): Promise<never> => {
    dead = true;
    return Promise.reject(new Error("the process was killed"));
  };
  const store = new HookedStore(new DiskStore(folder.path), {
    // Nothing that comes later is done: neither retries nor clean-ups.
    before: (_operation, _key, at) => (dead || (when === "before" && at === step) ? die() : Promise.resolve()),
    after: (_operation, _key, at) => (when === "after" && at === step ? die() : Promise.resolve()),
  });
  const lake = openLakeOn(
    store,
    undefined,
    { export: EXPORT, path: DEFAULT_PATH },
    { now: () => new Date(), version: "0", onWarning: () => undefined },
  );
  await lake
    .load(await batches.batch(hours(0, 3), [[row("a", 2), row("b", 2)], [row("c", 2)]]), SIGNAL)
    .catch(() => undefined);
  return dead;
}

suite("a lake whose worker is killed", () => {
  for (const when of ["before", "after"] as const) {
    test(`${when} any step of a load`, async () => {
      await using batches = await Batches.open();
      const seen = { old: 0, new: 0, leftovers: 0 };
      for (let step = 1; ; step += 1) {
        await using folder = await temporaryFolder();
        await using lake = openTestLake({ type: "file", path: folder.path });
        await lake.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
        await lake.load(await batches.batch(hours(1, 2), [[row("b", 1), row("c", 1)]]), SIGNAL);
        if (!(await loadAndDie(folder, batches, step, when))) break;

        const rows = await lakeRows(folder.path, "manifests");
        const isNew = rows[0]?.version === 2;
        assert.deepEqual(rows, isNew ? NEW : OLD, `killed ${when} step ${step}`);
        seen[isNew ? "new" : "old"] += 1;
        // A reader of the whole folder sees one row of each session, old or new.
        const mixed = await lakeRows(folder.path, "folder");
        assert.deepEqual(
          mixed.map(({ session }) => session),
          ["a", "b", "c"],
        );

        await using next = openTestLake({ type: "file", path: folder.path });
        const covered = await Array.fromAsync(next.covered(EVERYTHING, SIGNAL));
        assert.deepEqual(
          covered.map(({ interval }) => intervalName(interval)),
          isNew ? [intervalName(hours(0, 3))] : [intervalName(hours(0)), intervalName(hours(1, 2))],
        );
        const data = `${intervalName(hours(0, 3))}.`;
        const inSight = (await filesBelow(folder.path)).filter(
          (file) => basename(file).startsWith(data) && !file.endsWith(".json"),
        );
        assert.equal(await next.hasUncommittedFiles?.(hours(0, 3), SIGNAL), inSight.length > 0);
        seen.leftovers += isNew ? 0 : inSight.length;
        await next.load(await batches.batch(hours(0, 3), [[row("a", 3), row("b", 3), row("c", 3)]]), SIGNAL);
        assert.deepEqual(await lakeRows(folder.path, "folder"), [row("a", 3), row("b", 3), row("c", 3)]);
        assert.equal((await filesBelow(folder.path)).length, 2, `left after dying ${when} step ${step}`);
      }
      assert.ok(seen.leftovers > 0);
      assert.ok(seen.old > 5 && seen.new > 5, `both sides of the commit were tried: ${JSON.stringify(seen)}`);
    });
  }
});
