/** Loads into an Iceberg table: a day by its hours and its sweep, or one large interval. Counts what is written to the storage. */
import { type Catalog, openCatalog } from "../../destinations/catalog/catalog.ts";
import type { Destination } from "../../destinations/destination.ts";
import { openIcebergOn } from "../../destinations/iceberg/index.ts";
import type { LocalFile } from "../../destinations/files/read_staged.ts";
import type { IcebergOptions } from "../../destinations/iceberg/options.ts";
import { S3Store } from "../../destinations/store/s3_store.ts";
import type { Store } from "../../destinations/store/store.ts";
import { readCoverage } from "../../src/export/ledger.ts";
import { loadBatch } from "../../src/export/load_batch.ts";
import { runIntervals } from "../../src/export/run_intervals.ts";
import { cut } from "../../src/intervals/due.ts";
import { BATCH_RETRY } from "../../src/retry.ts";
import { dependencies, type IcebergJob, neverAborted, open, type Outcome } from "./job.ts";

interface Counts {
  written: number;
  /** Milliseconds of each commit's request. */
  readonly commits: number[];
}

export async function icebergLoads(job: IcebergJob): Promise<Outcome> {
  await using opened = await open(job);
  const counts: Counts = { written: 0, commits: [] };
  await using table = openTable(job.options, opened.definition.name, counts);
  const work = dependencies(opened, table, job.folder);
  const began = performance.now();
  const each: number[] = [];
  if (job.hourly) {
    const intervals = [...cut(opened.interval, opened.definition.schedule, false)];
    const options = { covered: [], concurrency: 1, retry: BATCH_RETRY };
    const loaded = await runIntervals(
      opened.definition,
      intervals,
      options,
      work,
      (event) => {
        if (event.kind === "loaded") each.push(event.seconds);
      },
      neverAborted,
    );
    if (loaded.failures[0]) throw loaded.failures[0].error;
  }
  const covered = await readCoverage(table, neverAborted);
  const { rows, bytes } = await loadBatch(opened.definition, opened.interval, { covered }, work, neverAborted);
  const seconds = (performance.now() - began) / 1000;
  const { written, commits } = counts;
  return { seconds, rows, bytes, batches: each.length + 1, each: job.hourly ? commits : each, written };
}

function openTable(options: IcebergOptions, name: string, counts: Counts): Destination {
  const onWarning = (message: string, detail: object): void => console.error(message, detail);
  const deps = { now: () => new Date(), version: "bench", onWarning };
  const timed = openCatalog(options.catalog);
  const catalog: Catalog = {
    ...timed,
    async commit(...args) {
      const began = performance.now();
      try {
        return await timed.commit(...args);
      } finally {
        counts.commits.push(performance.now() - began);
      }
    },
  };
  return openIcebergOn(catalog, (bucket) => counted(new S3Store(bucket), counts), options, { export: name }, deps);
}

/** The same store, whose written bytes are counted. */
function counted(store: Store, counts: Counts): Store {
  return new Proxy(store, {
    get(target, name): unknown {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        if (name === "putFile") counts.written += (args[1] as LocalFile).bytes;
        if (name === "put" || name === "createExclusive") counts.written += Buffer.byteLength(args[1] as Uint8Array);
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
}
