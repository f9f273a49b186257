/** Two installations that share a prefix and an export's name. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { Destination } from "../../../destinations/destination.ts";
import type { ReplayportError } from "../../../src/errors.ts";
import { Batches, EXPORT, hours } from "../../conformance/batches.ts";
import { EVERYTHING, rejectsWith, row } from "../../conformance/context.ts";
import { filesBelow, type Folder, temporaryFolder } from "../../support/temporary_folder.ts";
import { openTestLake } from "./harness.ts";

const SIGNAL = AbortSignal.timeout(60_000);
const OWNER = `_replayport/${EXPORT}/owner.json`;

const lakeOf = (folder: Folder, installation?: string): Destination =>
  openTestLake({ type: "file", path: folder.path }, installation === undefined ? {} : { installation });
async function refused(work: Promise<unknown>): Promise<ReplayportError> {
  const error = await rejectsWith("give-up", work);
  assert.equal(error.code, "lake.foreign_owner");
  return error;
}
const ownerOf = async (folder: Folder): Promise<unknown> =>
  (JSON.parse(await readFile(join(folder.path, OWNER), "utf8")) as { owner: unknown }).owner;

suite("whose lake it is", () => {
  test("the first load makes a lake its installation's, and another one can neither load, list nor clean up", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using prod = lakeOf(folder, "prod");
    await prod.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    assert.equal(await ownerOf(folder), "prod");
    const files = await filesBelow(folder.path);

    await using staging = lakeOf(folder, "staging");
    for (const attempt of [
      async () => await staging.load(await batches.batch(hours(1), [[row("b", 1)]]), SIGNAL),
      () => Array.fromAsync(staging.covered(EVERYTHING, SIGNAL)),
      () => Array.fromAsync(staging.receipts(EVERYTHING, SIGNAL)),
      () => Array.fromAsync(staging.collectGarbage?.(true, SIGNAL) ?? []),
      () => staging.check(SIGNAL),
    ]) {
      const error = await refused(attempt());
      assert.match(error.message, /belongs to another installation, prod; this one is staging/);
      assert.match(error.hint ?? "", /replayport adopt sessions/);
    }
    assert.deepEqual(await filesBelow(folder.path), files);
    await using other = lakeOf(folder, "prod");
    await other.load(await batches.batch(hours(1), [[row("b", 1)]]), SIGNAL);
    assert.equal((await Array.fromAsync(other.covered(EVERYTHING, SIGNAL))).length, 2);
  });

  test("adopt hands a lake over: the new owner loads, and the old one is refused", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using before = lakeOf(folder, "old-host/posthog");
    await before.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    await using now = lakeOf(folder, "new-host/posthog");
    assert.equal(await now.adopt?.(SIGNAL), "old-host/posthog");
    assert.equal(await now.adopt?.(SIGNAL), "new-host/posthog");
    await now.load(await batches.batch(hours(0), [[row("a", 2)]]), SIGNAL);
    await refused(before.load(await batches.batch(hours(1), [[row("b", 1)]]), SIGNAL));
  });

  test("a lake without an owner, as 0.1.0 wrote them, is adopted by the first load", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using old = lakeOf(folder);
    await old.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    await assert.rejects(readFile(join(folder.path, OWNER)));
    await using prod = lakeOf(folder, "prod");
    assert.equal((await Array.fromAsync(prod.covered(EVERYTHING, SIGNAL))).length, 1);
    await prod.load(await batches.batch(hours(1), [[row("b", 1)]]), SIGNAL);
    assert.equal(await ownerOf(folder), "prod");
  });

  test("of installations that load into a new lake at once, one becomes its owner and the others are refused", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    const names = Array.from({ length: 8 }, (_, at) => `installation ${at}`);
    const ends = await Promise.allSettled(
      names.map(async (name, at) => {
        await using lake = lakeOf(folder, name);
        await lake.load(await batches.batch(hours(at), [[row("a", at)]]), SIGNAL);
        return name;
      }),
    );
    const won = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    assert.deepEqual(won, [await ownerOf(folder)]);
    const lost = ends.flatMap((end) => (end.status === "rejected" ? [(end.reason as { code: string }).code] : []));
    assert.deepEqual(new Set(lost), new Set(["lake.foreign_owner"]));
  });

  test("a record that can't be read belongs to nobody else until it's adopted", async () => {
    await using folder = await temporaryFolder();
    await using batches = await Batches.open();
    await using prod = lakeOf(folder, "prod");
    await prod.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    await writeFile(join(folder.path, OWNER), "{");
    await refused(prod.load(await batches.batch(hours(1), []), SIGNAL));
    await prod.adopt?.(SIGNAL);
    await prod.load(await batches.batch(hours(1), []), SIGNAL);
    await rm(join(folder.path, OWNER));
    await prod.load(await batches.batch(hours(2), []), SIGNAL);
    assert.equal(await ownerOf(folder), "prod");
  });
});
