/** (b): Replayport to a local lake, as `run` does it: count, extract, stage, verify, copy, commit. And many small ones. */
import { loadBatch } from "../../src/export/load_batch.ts";
import { runIntervals } from "../../src/export/run_intervals.ts";
import { BATCH_RETRY } from "../../src/retry.ts";
import { cut } from "../../src/intervals/due.ts";
import { type Job, type Outcome, dependencies, neverAborted, open, openLakeAt } from "./job.ts";

export async function loadOnce(job: Job): Promise<Outcome> {
  await using opened = await open(job);
  await using lake = openLakeAt(job.folder, opened.definition);
  const began = performance.now();
  const receipt = await loadBatch(
    opened.definition,
    opened.interval,
    { covered: [] },
    dependencies(opened, lake, job.folder),
    neverAborted,
  );
  const seconds = (performance.now() - began) / 1000;
  return { seconds, rows: receipt.rows, bytes: receipt.bytes, batches: 1, each: [] };
}

export async function loadHours(job: Job & { readonly kind: "hours" }): Promise<Outcome> {
  await using opened = await open(job);
  await using lake = openLakeAt(job.folder, opened.definition);
  const intervals = [...cut(opened.interval, opened.definition.schedule, false)].slice(0, job.count);
  const each: number[] = [];
  const began = performance.now();
  const { receipts, failures } = await runIntervals(
    opened.definition,
    intervals,
    { covered: [], concurrency: 1, retry: BATCH_RETRY },
    dependencies(opened, lake, job.folder),
    (event) => {
      if (event.kind === "loaded") each.push(event.seconds);
    },
    neverAborted,
  );
  const seconds = (performance.now() - began) / 1000;
  if (failures[0]) throw failures[0].error;
  const sum = (of: "rows" | "bytes"): number => receipts.reduce((total, receipt) => total + receipt[of], 0);
  return { seconds, rows: sum("rows"), bytes: sum("bytes"), batches: receipts.length, each };
}
