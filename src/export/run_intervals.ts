/** Loads intervals of one export, oldest first, `concurrency` at a time. Each is retried by the policy of src/retry.ts. */
import pLimit from "p-limit";
import type { Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../errors.ts";
import type { Interval } from "../intervals/interval.ts";
import type { Model } from "../models/model.ts";
import { type RetryPolicy, isRetryable, withRetries } from "../retry.ts";
import { type ExportDefinition, batchId } from "./definition.ts";
import { type LoadDependencies, type LoadOptions, loadBatch } from "./load_batch.ts";
import { withinTime } from "./time_limit.ts";

export interface RunOptions extends LoadOptions {
  /** Batches to load at the same time. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
}

export type RunEvent =
  | { readonly kind: "started"; readonly interval: Interval }
  | { readonly kind: "loaded"; readonly interval: Interval; readonly receipt: Receipt; readonly seconds: number }
  | {
      readonly kind: "retrying";
      readonly interval: Interval;
      readonly error: unknown;
      /** The attempt that failed. */
      readonly attempt: number;
      readonly delayMs: number;
    }
  | { readonly kind: "failed"; readonly interval: Interval; readonly error: unknown };

export interface RunResult {
  readonly receipts: readonly Receipt[];
  readonly failures: readonly { readonly interval: Interval; readonly error: unknown }[];
}

/**
 * One failed interval doesn't stop the others. An error that every interval would hit (a wrong password, a missing bucket)
 * stops new ones from starting. Rejects only with `signal.reason`.
 */
export async function runIntervals(
  definition: ExportDefinition,
  intervals: readonly Interval[],
  options: RunOptions,
  dependencies: LoadDependencies,
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<RunResult> {
  const receipts: Receipt[] = [];
  const failures: { interval: Interval; error: unknown }[] = [];
  const covered = [...options.covered];
  const limit = pLimit(options.concurrency);
  let known: Promise<Model> | undefined;
  const model = async (stop: AbortSignal): Promise<Model> =>
    await (known ??= dependencies.source.model(definition, stop));
  const emit = (event: RunEvent): void => {
    // Its columns may have changed. The next attempt asks for them.
    if (event.kind === "retrying") known = undefined;
    onEvent(event);
  };
  await Promise.all(
    intervals.map((interval) =>
      limit(async () => {
        if (signal.aborted || failures.some(({ error }) => stopsAll(error))) return;
        onEvent({ kind: "started", interval });
        const began = performance.now();
        try {
          const load = { ...options, covered: [...covered], model };
          const receipt = await loadWithRetries(definition, interval, load, dependencies, emit, signal);
          covered.push(receipt);
          receipts.push(receipt);
          onEvent({ kind: "loaded", interval, receipt, seconds: (performance.now() - began) / 1000 });
        } catch (error) {
          if (signal.aborted) return;
          known = undefined;
          failures.push({ interval, error });
          onEvent({ kind: "failed", interval, error });
        }
      }),
    ),
  );
  signal.throwIfAborted();
  return { receipts, failures };
}

/** A final error stops everything unless its code says that it's about one batch: `load.…`. */
function stopsAll(error: unknown): boolean {
  return !isRetryable(error) && !(error instanceof ReplayportError && error.code.startsWith("load."));
}

async function loadWithRetries(
  definition: ExportDefinition,
  interval: Interval,
  options: LoadOptions & { readonly retry: RetryPolicy },
  dependencies: LoadDependencies,
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<Receipt> {
  const limit = { what: batchId(definition.name, interval), ms: definition.attemptMs };
  const attempt = (stop: AbortSignal): Promise<Receipt> => loadBatch(definition, interval, options, dependencies, stop);
  return await withRetries(
    async () => await withinTime(limit, attempt, signal),
    {
      policy: options.retry,
      onRetry: (error, failed, delayMs) => onEvent({ kind: "retrying", interval, error, attempt: failed, delayMs }),
    },
    signal,
  );
}
