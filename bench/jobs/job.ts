/** What a worker process is told to do, and what it answers. Each job runs in a process of its own, so its memory is its own. */
import { randomInt } from "node:crypto";
import { openFileLake } from "../../destinations/lake/index.ts";
import type { IcebergOptions } from "../../destinations/iceberg/options.ts";
import type { Destination } from "../../destinations/destination.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { LoadDependencies } from "../../src/export/load_batch.ts";
import type { Source } from "../../src/export/source.ts";
import { type Interval, interval } from "../../src/intervals/interval.ts";
import type { Read } from "../../src/models/model.ts";
import { openSource } from "../../src/clickhouse/open_source.ts";

interface Common {
  /** The schedules.yaml with the one export of the bench. */
  readonly config: string;
  /** ClickHouse over HTTP. */
  readonly url: string;
  /** Of the job's own, empty: for the lake, or for the file that it writes. */
  readonly folder: string;
  /** ISO times. */
  readonly from: string;
  readonly until: string;
}

export type Job =
  | (Common & { readonly kind: "engine" | "plain" })
  | (Common & { readonly kind: "load" })
  /** Takes one of `share` parts of the sessions. */
  | (Common & { readonly kind: "parquetjs"; readonly share: number })
  /** Loads `count` hourly intervals, the first from `from` on. */
  | (Common & { readonly kind: "hours"; readonly count: number })
  /** Loads the hours of a day, which isn't measured, and then the day. `engine`: its process. */
  | (Common & { readonly kind: "sweep"; readonly engine: number })
  | IcebergJob
  | (Common & { readonly kind: "backfill"; readonly export: string });

/** Loads the interval into a table; before it, if `hourly`, each of its hours. */
export type IcebergJob = Common & {
  readonly kind: "iceberg";
  readonly hourly: boolean;
  readonly options: IcebergOptions;
};

export interface Outcome {
  readonly seconds: number;
  readonly rows: number;
  readonly bytes: number;
  readonly batches: number;
  /** Seconds of each batch, where a job has many. */
  readonly each: readonly number[];
  /** iceberg: bytes written to the storage; `each` are then milliseconds of each commit, if hourly. */
  readonly written?: number;
  /** parquetjs: seconds until the first row came; the rest is JavaScript's. */
  readonly waited?: number;
  /** Core-seconds of the worker and of the engine, where they aren't those of the whole process. */
  readonly cores?: number;
  readonly engineCores?: number;
}

export interface Answer extends Outcome {
  /** Most bytes that the worker held in memory at any time. */
  readonly peakBytes: number;
  /** Core-seconds of the worker, from its start on. */
  readonly cores: number;
}

export interface Opened extends AsyncDisposable {
  readonly definition: ExportDefinition;
  readonly source: Source;
  readonly interval: Interval;
}

export async function open(job: Job): Promise<Opened> {
  const config = await loadConfig(job.config, process.env);
  const [definition] = config.exports;
  if (!definition) throw new ReplayportError("the bench's config has no export", { code: "bench", remedy: "give-up" });
  const source = await openSource(config.source, neverAborted);
  return {
    definition,
    source,
    interval: interval(job.from, job.until),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

export const neverAborted = new AbortController().signal;

export function openLakeAt(folder: string, definition: ExportDefinition): Destination {
  return openFileLake(
    { type: "file", path: folder },
    { export: definition.name, path: definition.path },
    { now: () => new Date(), version: "bench", onWarning: (message, detail) => console.error(message, detail) },
  );
}

export function dependencies(opened: Opened, destination: Destination, folder: string): LoadDependencies {
  return {
    source: opened.source,
    destination,
    stageRoot: `${folder}.stage`,
    now: () => new Date(),
    newAttempt: () => Array.from({ length: 12 }, () => randomInt(36).toString(36)).join(""),
    onProgress: () => undefined,
  };
}

/** What loadBatch asks for when it reads an old interval as one file. */
export function readOf(of: Interval, part: Read["part"]): Read {
  return {
    interval: of,
    exportedAt: new Date(),
    pruneBefore: undefined,
    alsoChangedSince: undefined,
    reread: false,
    corrections: [],
    part,
  };
}
