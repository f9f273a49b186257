/** Loads that this process made, or that receipts name, as the fleet lists its runs. Nobody queued them. */
import type { Receipt } from "../../destinations/destination.ts";
import { batchId } from "../export/definition.ts";
import type { FleetError, Run } from "../fleet/fleet.ts";
import type { Interval } from "../intervals/interval.ts";

const LOCAL = {
  backfill: undefined,
  attempt: 1,
  nextAttemptAt: undefined,
  stage: undefined,
  times: undefined,
  worker: undefined,
} as const satisfies Partial<Run>;

export function loadedRun({ export: name, interval, readAt, committedAt, rows, bytes, files }: Receipt): Run {
  return {
    ...LOCAL,
    id: batchId(name, interval),
    export: name,
    interval,
    state: "loaded",
    queuedAt: readAt,
    startedAt: readAt,
    finishedAt: committedAt,
    rows,
    bytes,
    files,
    error: undefined,
  };
}

export function failedRun(name: string, interval: Interval, error: FleetError): Run {
  return {
    ...LOCAL,
    id: batchId(name, interval),
    export: name,
    interval,
    state: "failed",
    queuedAt: error.at,
    startedAt: undefined,
    finishedAt: error.at,
    rows: 0,
    bytes: 0,
    files: 0,
    error,
  };
}
