/**
 * Decides what happens after a failed attempt: retry it, or record it as failed, raise the event, and pause the export after
 * too many failures in a row. The only place that counts attempts, by this worker's own config.
 */
import { type AttemptDependencies, type AttemptContext, aboutRun, runOf } from "./about_run.ts";
import { BATCH_RETRY, delayAfter } from "../../retry.ts";
import { fleetError } from "../fleet_error.ts";
import type { FleetError, FleetSettings, Pause } from "../fleet.ts";
import type { Task } from "../redis/jobs.ts";
import type { FleetOptions } from "../resources.ts";

export interface FailureDependencies
  extends
    AttemptDependencies,
    Pick<FleetSettings, "attempts" | "pauseAfter" | "retryAfterMs">,
    Pick<FleetOptions, "random" | "redact"> {}

export type FailureOutcome =
  | { readonly kind: "retry"; readonly delayMs: number; readonly error: FleetError }
  | { readonly kind: "final"; readonly error: FleetError };

/** Resolves once the outcome is stored. */
export async function handleFailure(
  task: Task,
  context: AttemptContext,
  thrown: unknown,
  dependencies: FailureDependencies,
  seconds: number,
): Promise<FailureOutcome> {
  const { events, now, redact, random } = dependencies;
  const error = fleetError(thrown, now(), redact);
  const event = { ...aboutRun(task, context), seconds };
  const allowed = task.probe ? 1 : dependencies.attempts;
  // What Redis refuses is nobody's failure: the batch may be loaded already, and the failure couldn't be recorded either.
  const isOfRedis = error.code.startsWith("redis.");
  if (isOfRedis || (error.remedy === "retry" && context.attempt < allowed)) {
    const delayMs = delayAfter(context.attempt, thrown, BATCH_RETRY, random);
    events.emit({ ...event, kind: "run.retrying", at: now(), error, delayMs });
    return { kind: "retry", delayMs, error };
  }
  await recordFailure(task, context, error, dependencies);
  events.emit({ ...event, kind: "run.failed", at: now(), error });
  return { kind: "final", error };
}

async function recordFailure(
  task: Task,
  context: AttemptContext,
  error: FleetError,
  dependencies: FailureDependencies,
): Promise<void> {
  const { state, store, now, events, pauseAfter, retryAfterMs } = dependencies;
  const { export: name, interval, backfill } = task;
  const retryAt = error.remedy === "retry" ? new Date(now().getTime() + retryAfterMs) : undefined;
  if (backfill !== undefined) await store.finish(backfill, name, interval, { kind: "failed", error }, now());
  const failed = backfill === undefined ? { interval, error, retryAt } : undefined;
  const inRow = await state.failed(name, error, failed);
  await state.addRun(runOf(task, context, { state: "failed", finishedAt: now(), error }));
  if (inRow < pauseAfter) return;
  const pause: Pause = {
    reason: `${inRow} intervals in a row failed, the last with ${error.code}: ${error.message}`,
    since: now(),
    by: "replayport",
    probeAt: retryAt,
  };
  if (await state.pause(name, pause)) {
    events.emit({ kind: "export.paused", export: name, at: now(), pause, error });
    return;
  }
  const before = await state.paused(name);
  // The probe failed: keep the pause, and probe again later.
  if (before?.by === pause.by) await state.changePause(name, { ...pause, since: before.since });
}
