/**
 * The demo's story: hours pass, rows arrive, due intervals are exported. Only the clock is simulated. Everything else is the
 * product: what is due follows from the lake's receipts and the clock.
 */
import type { Destination, Receipt } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { dueIntervals, readCoverage } from "../export/ledger.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import { runIntervals } from "../export/run_intervals.ts";
import { BATCH_RETRY } from "../retry.ts";
import type { Source } from "../export/source.ts";
import type { SessionPlan } from "./generate.ts";
import type { Arrivals } from "./arrivals.ts";

const HOUR_MS = 3_600_000;
/** The worker runs a minute after an hour has settled. */
const RUN_AFTER_MS = 60_000;
const DAY_MS = 24 * HOUR_MS;
/** From the end of the last day to the export's: tags and deletions arrive within it. */
export const LATE_MS = 2 * DAY_MS;
/** From the end of the last day to the last run: everything up to the export's end can be swept, so nothing stays due. */
const AFTERWARDS_MS = LATE_MS + DAY_MS;

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

export interface Simulation {
  readonly clock: Clock;
  readonly arrivals: Arrivals;
  readonly definition: ExportDefinition;
  readonly source: Source;
  readonly destination: Destination;
  readonly stageRoot: string;
  readonly newAttempt: () => string;
}

/** What one part of the story exported. */
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

/** Exports what is due at the clock's time. @throws the first error of a batch */
export async function exportDue(simulation: Simulation, onBatch: OnProgress, signal: AbortSignal): Promise<Receipt[]> {
  const { definition, destination, clock } = simulation;
  const covered = await readCoverage(destination, signal);
  const dependencies: LoadDependencies = { ...simulation, now: clock.now, onProgress: () => undefined };
  const intervals = dueIntervals(definition, covered, clock.now());
  let loaded = 0;
  const { receipts, failures } = await runIntervals(
    definition,
    intervals,
    { covered, concurrency: 1, retry: BATCH_RETRY },
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
 * Exports each hour of the plan as a live worker would. Half way through, the table's parts are merged and merges stop, so
 * later exports read merged parts and fresh ones.
 */
export async function exportHourByHour(
  simulation: Simulation,
  plan: SessionPlan,
  onHour: OnProgress,
  signal: AbortSignal,
): Promise<Exported> {
  const hours = Math.round((plan.until.getTime() - plan.from.getTime()) / HOUR_MS);
  const { settleMs } = simulation.definition;
  let exported = NOTHING;
  for (let hour = 1; hour <= hours; hour += 1) {
    const time = new Date(plan.from.getTime() + hour * HOUR_MS + settleMs + RUN_AFTER_MS);
    simulation.clock.set(time);
    await simulation.arrivals.arrive(time, signal);
    if (hour === Math.ceil(hours / 2)) await simulation.arrivals.mergeAndStop(signal);
    exported = sum(exported, await exportDue(simulation, () => undefined, signal));
    onHour(hour, hours);
  }
  return exported;
}

/** Three days later: everything has arrived, and nothing has been exported since. */
export async function letAllArrive(simulation: Simulation, plan: SessionPlan, signal: AbortSignal): Promise<void> {
  const time = new Date(plan.until.getTime() + AFTERWARDS_MS + simulation.definition.settleMs + RUN_AFTER_MS);
  simulation.clock.set(time);
  await simulation.arrivals.arrive(time, signal);
}

export async function catchUp(simulation: Simulation, onBatch: OnProgress, signal: AbortSignal): Promise<Exported> {
  return sum(NOTHING, await exportDue(simulation, onBatch, signal));
}
