/** Nothing relies on the order of a listing: every promise of the contract, on a store that has none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openLakeOn } from "../../../destinations/lake/index.ts";
import { Batches, EXPORT, hours } from "../../conformance/batches.ts";
import { row } from "../../conformance/context.ts";
import { conformance } from "../../conformance/suite.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { unsortedLake, unsortedStore } from "./harness.ts";
import { lakeRows } from "./lake_rows.ts";

const SIGNAL = AbortSignal.timeout(60_000);

conformance("a lake listed in random order", unsortedLake);

test("gc finds exactly what no receipt names, in whatever order a store lists", async () => {
  await using folder = await temporaryFolder();
  await using batches = await Batches.open();
  const later = new Date(Date.now() + 48 * 3_600_000);
  const deps = { now: () => later, version: "0", onWarning: () => undefined };
  await using lake = openLakeOn(unsortedStore(folder.path), {}, { export: EXPORT }, deps);
  for (const hour of [5, 3, 4]) await lake.load(await batches.batch(hours(hour), [[row(`s${hour}`, 1)]]), SIGNAL);
  // The hour's own file is kept by a reload that lacks its row.
  await lake.load(await batches.batch(hours(4), [[row("other", 1)]]), SIGNAL);
  const found = await Array.fromAsync(lake.collectGarbage?.(true, SIGNAL) ?? []);
  assert.deepEqual(found, []);
  for (const follow of ["folder", "manifests"] as const) {
    assert.deepEqual(
      (await lakeRows(folder.path, follow)).map(({ session }) => session),
      ["other", "s3", "s4", "s5"],
    );
  }
});
