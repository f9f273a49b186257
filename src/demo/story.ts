/**
 * The demo's story: hours go by, rows arrive, what is due is exported. The clock is simulated, everything else is what
 * runs in earnest: what is due follows from the lake's receipts and the clock alone.
 */
import type { Destination, Receipt } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { dueIntervals, readCoverage } from "../export/ledger.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import { runIntervals } from "../export/run_intervals.ts";
import { BATCH_RETRY } from "../retry.ts";
import type { Source } from "../export/source.ts";
import type { SessionPlan } from "./generate.ts";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;
/** The worker looks a minute after an hour has settled. */
const LOOK_MS = 60_000;
/** From the end of the last day to the last look: tags and deletions have come, and the last day may be swept. */
const AFTERWARDS_MS = 33 * HOUR_MS;

export class Clock {
  #now: Date;

  constructor(now: Date) {
    this.#now = now;
  }

  readonly now = (): Date => this.#now;

  set(now: Date): void {
    this.#now = now;
  }
}

export interface Cast {
  readonly clock: Clock;
  readonly world: World;
  readonly definition: ExportDefinition;
  readonly source: Source;
  readonly destination: Destination;
  readonly stageRoot: string;
  readonly newAttempt: () => string;
}

/** What was exported in a stretch of the story. */
export interface Exported {
  readonly batches: number;
  /** Batches that read a whole day again. */
  readonly sweeps: number;
  readonly rows: number;
  readonly bytes: number;
}

export type OnProgress = (done: number, of: number) => void;

const NOTHING: Exported = { batches: 0, sweeps: 0, rows: 0, bytes: 0 };

function sum(exported: Exported, receipts: readonly Receipt[]): Exported {
  return receipts.reduce(
    ({ batches, sweeps, rows, bytes }, { interval, ...receipt }) => ({
      batches: batches + 1,
      sweeps: sweeps + (interval.end.getTime() - interval.start.getTime() > HOUR_MS ? 1 : 0),
      rows: rows + receipt.rows,
      bytes: bytes + receipt.bytes,
    }),
    exported,
  );
}

/** Exports what is due by the clock. @throws the first error of a batch */
export async function exportDue(cast: Cast, onBatch: OnProgress, signal: AbortSignal): Promise<Receipt[]> {
  const { definition, destination, clock } = cast;
  const covered = await readCoverage(destination, signal);
  const dependencies: LoadDependencies = { ...cast, now: clock.now, onProgress: () => undefined };
  const intervals = dueIntervals(definition, covered, clock.now());
  let loaded = 0;
  const { receipts, failures } = await runIntervals(
    definition,
    intervals,
    { covered, concurrency: 1, retry: BATCH_RETRY, replace: false, allowFewer: false },
    dependencies,
    (event) => {
      if (event.kind === "loaded") onBatch((loaded += 1), intervals.length);
    },
    signal,
  );
  const [failure] = failures;
  if (failure) throw failure.error;
  return [...receipts];
}

/**
 * Every hour of the plan as it would have been live. Half way through, the table's parts are merged, and merges stop:
 * what is exported later comes from merged parts and from parts as they arrived.
 */
export async function liveThrough(
  cast: Cast,
  plan: SessionPlan,
  onHour: OnProgress,
  signal: AbortSignal,
): Promise<Exported> {
  const hours = Math.round((plan.until.getTime() - plan.from.getTime()) / HOUR_MS);
  const { settleMs } = cast.definition;
  let exported = NOTHING;
  for (let hour = 1; hour <= hours; hour += 1) {
    const look = new Date(plan.from.getTime() + hour * HOUR_MS + settleMs + LOOK_MS);
    cast.clock.set(look);
    await cast.world.arrive(look, signal);
    if (hour === Math.ceil(hours / 2)) await cast.world.mergeAndStop(signal);
    exported = sum(exported, await exportDue(cast, () => undefined, signal));
    onHour(hour, hours);
  }
  return exported;
}

/** The day after: everything has arrived, nothing was exported since. */
export async function letTheRestArrive(cast: Cast, plan: SessionPlan, signal: AbortSignal): Promise<void> {
  const look = new Date(plan.until.getTime() + AFTERWARDS_MS + cast.definition.settleMs + LOOK_MS);
  cast.clock.set(look);
  await cast.world.arrive(look, signal);
}

export async function catchUp(cast: Cast, onBatch: OnProgress, signal: AbortSignal): Promise<Exported> {
  return sum(NOTHING, await exportDue(cast, onBatch, signal));
}
