/** Loads intervals of one export: oldest first, several at once if asked to, each with its retries. */
import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import pRetry from "p-retry";
import type { Coverage, Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../errors.ts";
import type { Interval } from "../intervals/interval.ts";
import { type ExportDefinition, batchId } from "./definition.ts";
import { type LoadDependencies, type LoadOptions, loadBatch } from "./load_batch.ts";
import { withinTime } from "./time_limit.ts";

export interface RetryPolicy {
  /** Attempts of one batch in all. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubles from then on, with jitter. */
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
}

export const RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 1_000, longestDelayMs: 60_000 };

export interface RunOptions extends Omit<LoadOptions, "covered" | "seenRows"> {
  readonly covered: readonly Coverage[];
  /** Batches that are loaded at the same time. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
}

export type RunEvent =
  | { readonly kind: "started"; readonly interval: Interval }
  | { readonly kind: "loaded"; readonly interval: Interval; readonly receipt: Receipt; readonly seconds: number }
  | { readonly kind: "retrying"; readonly interval: Interval; readonly error: unknown; readonly attempt: number }
  | { readonly kind: "failed"; readonly interval: Interval; readonly error: unknown };

export interface RunResult {
  readonly receipts: readonly Receipt[];
  readonly failures: readonly { readonly interval: Interval; readonly error: unknown }[];
}

/**
 * An interval that fails does not stop the others, but for errors that would meet every interval alike: after a wrong
 * password or a missing bucket nothing new is begun. Rejects only with `signal.reason`.
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
  await Promise.all(
    intervals.map((interval) =>
      limit(async () => {
        if (signal.aborted || failures.some(({ error }) => meetsAll(error))) return;
        onEvent({ kind: "started", interval });
        const began = performance.now();
        try {
          const load = { ...options, covered: [...covered] };
          const receipt = await withRetries(definition, interval, load, dependencies, onEvent, signal);
          covered.push({ interval, committedAt: receipt.committedAt });
          receipts.push(receipt);
          onEvent({ kind: "loaded", interval, receipt, seconds: (performance.now() - began) / 1000 });
        } catch (error) {
          if (signal.aborted) return;
          failures.push({ interval, error });
          onEvent({ kind: "failed", interval, error });
        }
      }),
    ),
  );
  signal.throwIfAborted();
  return { receipts, failures };
}

function isFinal(error: unknown): boolean {
  return !(error instanceof ReplayportError) || error.remedy === "give-up";
}

/** Errors of one batch have codes of their own: `load.…`. */
function meetsAll(error: unknown): boolean {
  return isFinal(error) && !(error instanceof ReplayportError && error.code.startsWith("load."));
}

async function withRetries(
  definition: ExportDefinition,
  interval: Interval,
  options: Omit<LoadOptions, "seenRows"> & { readonly retry: RetryPolicy },
  dependencies: LoadDependencies,
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<Receipt> {
  let seenRows = 0;
  return await pRetry(
    async () => {
      let rows = 0;
      const onProgress: LoadDependencies["onProgress"] = (progress) => {
        if (progress.kind === "staged") rows += progress.rows;
        dependencies.onProgress(progress);
      };
      const loading = { ...dependencies, onProgress };
      const limit = { what: batchId(definition.name, interval), ms: definition.attemptMs };
      try {
        return await withinTime(
          limit,
          async (stop) => await loadBatch(definition, interval, { ...options, seenRows }, loading, stop),
          signal,
        );
      } finally {
        seenRows = Math.max(seenRows, rows);
      }
    },
    {
      retries: options.retry.attempts - 1,
      minTimeout: options.retry.firstDelayMs,
      maxTimeout: options.retry.longestDelayMs,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => !isFinal(error),
      onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
        if (isFinal(error) || retriesLeft === 0) return;
        onEvent({ kind: "retrying", interval, error, attempt: attemptNumber });
        if (error instanceof ReplayportError && error.retryAfterMs !== undefined) {
          await sleep(error.retryAfterMs, undefined, { signal });
        }
      },
    },
  );
}
