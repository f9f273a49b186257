/**
 * A worker: takes batches from the queue and runs the core for each. What happens to one job:
 *
 * ```
 * queued ──take──► active ──► its export is paused, its backfill cancelled ──────► dropped (put back, cancelled)
 *   ▲  ▲             ├──────► the ledger has it ─────────────────────────────────► covered
 *   │  │             ├──────► loadBatch resolves ────────────────────────────────► loaded
 *   │  └─(back-off)──┼─ retrying ◄── 'retry' error, attempts left
 *   │                ├──────► 'give-up' error, or no attempt left ───────────────► failed: held, or failed in its backfill
 *   │                ├──────► shutdown: handed back, not counted as an attempt ──┐
 *   └────────────────┴──────► the worker died: its lock runs out (stalled) ──────┘
 * ```
 *
 * What a run ends with is written down before its job ends. A worker that dies in between is followed by one that finds the
 * receipt in the ledger, or loads the batch once more; neither does harm.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Job, UnrecoverableError, WaitingError, Worker } from "bullmq";
import { ReplayportError } from "../../errors.ts";
import { type AttemptContext, Cancelled, Released, aboutRun, cancelled, runAttempt } from "./attempt.ts";
import { type BackfillDependencies, enqueueNext } from "../backfills/backfills.ts";
import { fleetError } from "../fleet_error.ts";
import { type FailureDependencies, handleFailure } from "./failure.ts";
import { type Outcome, type Task, taskOf } from "../redis/jobs.ts";
import { QUEUE } from "../redis/keys.ts";
import { type RedisClient, finishWithin, isLive } from "../redis/client.ts";
import { type JobProgress, progressSchema, encode } from "../redis/records.ts";

export interface WorkerDependencies extends FailureDependencies {
  readonly client: RedisClient;
  readonly prefix: string;
  readonly name: string;
  /** Batches at the same time. */
  readonly concurrency: number;
  /** Milliseconds without a sign of life after which another worker takes a batch. */
  readonly takeoverMs: number;
  readonly backfills: BackfillDependencies;
  /** Gets what is wrong with the queue itself, not with a batch. */
  readonly onError: (error: unknown) => void;
  /** A job is no longer this worker's, though its attempt goes on: it was taken over, or Redis has lost it. Told once. */
  readonly onLost: (id: string) => void;
  /** Turns what Redis refuses into an error that says what to do; leaves others as they are. */
  readonly explain: (error: unknown) => unknown;
}

/** A batch whose workers died this often, one after the other, is the likely cause. */
const DEATHS = 10;
/** How often a worker asks whether the backfills that it works for were cancelled. */
const CANCEL_MS = 2_000;
/** After the abort, for loads to let go of what they hold. */
const LET_GO_MS = 8_000;

/** BullMQ asks for a job again so long after Redis refused to give one. */
const RETRY_MS = 1_000;
/** What BullMQ says of a job that is not this worker's any more. */
const LOST = /(?:Missing key|Missing lock|Lock mismatch|could not renew lock) for job (\S+?)\.?(?:\s|$)/;

/** Tells BullMQ when to try again. Its message goes to Redis: the error's code, nothing else. */
class TryAgain extends Error {
  readonly delayMs: number;

  constructor(code: string, delayMs: number) {
    super(code);
    this.delayMs = delayMs;
  }
}
/** Tells BullMQ that this was the end; what it was is written down already. */
class Ended extends UnrecoverableError {}

interface Attempt {
  readonly task: Task;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

export class BatchWorker {
  readonly #dependencies: WorkerDependencies;
  readonly #worker: Worker;
  readonly #attempts = new Map<string, Attempt>();
  readonly #lost = new Set<string>();
  readonly #cancelTimer: NodeJS.Timeout;
  #stopping = false;

  constructor(dependencies: WorkerDependencies) {
    const { client, prefix, name, concurrency, takeoverMs } = dependencies;
    this.#dependencies = dependencies;
    this.#worker = new Worker(QUEUE, (job: Job, token?: string) => this.#process(job, token ?? ""), {
      connection: client,
      prefix,
      name,
      concurrency,
      lockDuration: takeoverMs,
      stalledInterval: Math.max(500, takeoverMs / 2),
      maxStalledCount: DEATHS,
      runRetryDelay: RETRY_MS,
      settings: { backoffStrategy: (_attempts, _type, error) => (error instanceof TryAgain ? error.delayMs : 0) },
    });
    this.#worker.on("error", (error) => this.#onQueueError(error));
    this.#worker.on("failed", (job, error) => {
      if (job && !(error instanceof Ended) && !(error instanceof TryAgain)) void this.#recordStalled(job, error);
    });
    this.#cancelTimer = setInterval(() => void this.#lookForCancelled(), CANCEL_MS);
  }

  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /**
   * Takes no more jobs, waits so long for those that run, then aborts them and hands them back. Resolves at the latest some
   * seconds after that: BullMQ's own `close` would wait for ever.
   */
  async stop(graceMs: number): Promise<void> {
    clearInterval(this.#cancelTimer);
    const { client, onError } = this.#dependencies;
    // By force where Redis is away: else BullMQ would wait for a connection to end that has none.
    const closing = this.#worker.close(!isLive(client)).catch(onError);
    const abort = setTimeout(() => {
      this.#stopping = true;
      for (const { controller } of this.#attempts.values()) controller.abort(new Released());
    }, graceMs);
    const given = new AbortController();
    const late = sleep(graceMs + LET_GO_MS, undefined, { signal: given.signal }).catch(() => undefined);
    await Promise.race([this.#idle(), late]);
    clearTimeout(abort);
    given.abort();
    // BullMQ has the ends of the last jobs to write. What does not heed its abort goes on until the process ends.
    if (this.#attempts.size === 0) await finishWithin(client, closing);
  }

  async #idle(): Promise<void> {
    // A job that was being fetched when the stop was asked for may still begin.
    while (this.#attempts.size > 0) await Promise.all([...this.#attempts.values()].map(({ ended }) => ended));
  }

  async #process(job: Job, token: string): Promise<Outcome> {
    const startedAt = this.#dependencies.now();
    const began = performance.now();
    const id = job.id ?? "";
    const controller = new AbortController();
    let task: Task;
    try {
      task = taskOf(id, job.data);
    } catch (error) {
      this.#dependencies.onError(error);
      throw new Ended(error instanceof ReplayportError ? error.code : "unexpected");
    }
    const context: AttemptContext = {
      attempt: job.attemptsMade + 1,
      queuedAt: new Date(job.timestamp),
      startedAt,
      worker: this.#dependencies.name,
      report: (progress) => this.#report(job, progress),
    };
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#attempts.set(id, { task, controller, ended });
    this.#lost.delete(id);
    if (this.#stopping) controller.abort(new Released());
    try {
      controller.signal.throwIfAborted();
      return await this.#ended(task, await runAttempt(task, context, this.#dependencies, controller.signal));
    } catch (error) {
      const seconds = (performance.now() - began) / 1000;
      if (controller.signal.reason instanceof Cancelled) {
        return await cancelled(task, context, this.#dependencies, seconds);
      }
      if (controller.signal.reason instanceof Released) return await this.#release(job, token, task, context, seconds);
      const outcome = await handleFailure(
        task,
        context,
        this.#dependencies.explain(error),
        this.#dependencies,
        seconds,
      );
      if (outcome.kind === "retry") {
        const told = progressJson({ stage: "ledger", rows: 0, bytes: 0, files: 0, error: outcome.error });
        // For people only: where Redis refuses it, the error that counts is still the batch's.
        await job.updateProgress(told).catch(() => undefined);
        throw new TryAgain(outcome.error.code, outcome.delayMs);
      }
      await this.#next(task);
      throw new Ended(outcome.error.code);
    } finally {
      this.#attempts.delete(id);
      end();
    }
  }

  async #ended(task: Task, outcome: Outcome): Promise<Outcome> {
    if (outcome.kind !== "requeued") await this.#next(task);
    return outcome;
  }

  /** The next interval of the backfill. The scheduler would do it too, within a minute. */
  async #next({ backfill }: Task): Promise<void> {
    if (backfill === undefined) return;
    try {
      await enqueueNext(backfill, this.#dependencies.backfills, false);
    } catch (error) {
      if (!(error instanceof ReplayportError && error.code === "backfill.unknown")) this.#dependencies.onError(error);
    }
  }

  async #release(job: Job, token: string, task: Task, context: AttemptContext, seconds: number): Promise<never> {
    await job.moveToWait(token);
    const { events, now } = this.#dependencies;
    events.emit({ ...aboutRun(task, context), kind: "run.released", at: now(), seconds });
    throw new WaitingError();
  }

  #onQueueError(error: Error): void {
    const id = LOST.exec(error.message)?.[1];
    if (id === undefined) {
      this.#dependencies.onError(error);
      return;
    }
    // Each renewal of its lock says it again, and so does its end.
    if (this.#lost.has(id)) return;
    this.#lost.add(id);
    this.#dependencies.onLost(id);
  }

  #report(job: Job, progress: JobProgress): void {
    job.updateProgress(progressJson(progress)).catch(() => undefined);
  }

  /** BullMQ itself gave the job up. */
  async #recordStalled(job: Job, error: Error): Promise<void> {
    const { now, redact, name: worker } = this.#dependencies;
    try {
      const task = taskOf(job.id ?? "", job.data);
      const died = new ReplayportError(`${task.id}: given up by the queue: ${error.message}`, {
        code: "fleet.stalled",
        remedy: "retry",
        hint: "Its workers died one after the other; see whether they ran out of memory, and lower rows_per_file.",
      });
      const times = { queuedAt: new Date(job.timestamp), startedAt: now() };
      const context = { attempt: job.attemptsMade, ...times, worker, report: () => undefined };
      await handleFailure(task, context, died, { ...this.#dependencies, attempts: 0 }, 0);
      await this.#next(task);
    } catch (thrown) {
      this.#dependencies.onError(fleetError(thrown, now(), redact));
    }
  }

  async #lookForCancelled(): Promise<void> {
    const ids = new Set([...this.#attempts.values()].flatMap(({ task }) => task.backfill ?? []));
    try {
      for (const id of ids) {
        if ((await this.#dependencies.store.state(id)) !== "cancelled") continue;
        for (const { task, controller } of this.#attempts.values()) {
          if (task.backfill === id) controller.abort(new Cancelled());
        }
      }
    } catch {
      // Redis is away; it is asked again.
    }
  }
}

/** BullMQ keeps progress as JSON by itself; dates and intervals go through our own form first. */
function progressJson(progress: JobProgress): object {
  return JSON.parse(encode(progress)) as object;
}

/** The progress of a job that somebody else runs. */
export function progressOf(job: Job): JobProgress | undefined {
  const read = progressSchema.safeParse(job.progress);
  return read.success ? read.data : undefined;
}
