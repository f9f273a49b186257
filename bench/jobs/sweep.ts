/** The sweep of a day over the 24 files of its hours: what reading the keys of what it replaces adds to reading it again. */
import { loadBatch } from "../../src/export/load_batch.ts";
import { readCoverage } from "../../src/export/ledger.ts";
import { coreSeconds } from "../machine.ts";
import { type Job, type Outcome, dependencies, neverAborted, open, openLakeAt } from "./job.ts";
import { loadHours } from "./load.ts";

export async function sweepDay(job: Job & { readonly kind: "sweep" }): Promise<Outcome> {
  await loadHours({ ...job, kind: "hours", count: 24 });
  await using opened = await open(job);
  await using lake = openLakeAt(job.folder, opened.definition);
  const covered = await readCoverage(lake, neverAborted);
  const { user, system } = process.cpuUsage();
  const engineBefore = await coreSeconds(job.engine);
  const began = performance.now();
  const receipt = await loadBatch(
    opened.definition,
    opened.interval,
    { covered },
    dependencies(opened, lake, job.folder),
    neverAborted,
  );
  const seconds = (performance.now() - began) / 1000;
  const engineAfter = await coreSeconds(job.engine);
  const spent = process.cpuUsage({ user, system });
  return {
    seconds,
    rows: receipt.rows,
    bytes: receipt.bytes,
    batches: 1,
    each: [],
    cores: (spent.user + spent.system) / 1e6,
    ...(engineBefore === undefined || engineAfter === undefined ? {} : { engineCores: engineAfter - engineBefore }),
  };
}
