/** What an attempt works with, and how its run is recorded. */
import type { Events } from "../events.ts";
import type { Run } from "../fleet.ts";
import type { Task } from "../redis/jobs.ts";
import type { JobProgress } from "../redis/records.ts";
import type { FleetOptions, Resources } from "../resources.ts";

export interface AttemptDependencies
  extends Pick<Resources, "state" | "store">, Pick<FleetOptions, "now" | "exports" | "loadDependencies"> {
  readonly events: Events;
}

/** What the queue knows about the attempt. */
export interface AttemptContext {
  /** 1, 2, 3 … */
  readonly attempt: number;
  readonly queuedAt: Date;
  readonly startedAt: Date;
  readonly worker: string;
  readonly report: (progress: JobProgress) => void;
  /** What doesn't wait for Redis: it ends when it's aborted, and needs time to clean up. */
  readonly working: <Value>(work: Promise<Value>) => Promise<Value>;
}

export function runOf(
  task: Task,
  context: AttemptContext,
  rest: Pick<Run, "state" | "finishedAt"> & Partial<Run>,
): Run {
  const { id, export: name, interval, backfill } = task;
  const { attempt, queuedAt, startedAt, worker } = context;
  const nothing = {
    nextAttemptAt: undefined,
    stage: undefined,
    rows: 0,
    bytes: 0,
    files: 0,
    times: undefined,
    error: undefined,
  };
  return { id, export: name, interval, backfill, attempt, queuedAt, startedAt, worker, ...nothing, ...rest };
}

/** The fields of every event of a run. */
export function aboutRun(
  { export: name, id: run, interval, backfill }: Task,
  { attempt }: Pick<AttemptContext, "attempt">,
) {
  return { export: name, run, interval, backfill, attempt };
}
