/**
 * A worker: takes batches from the queue and runs the core for each. What happens to one job:
 *
 * ```
 * queued ──take──► active ──► this worker's config differs ────────────────────────► left to others, not counted as an attempt
 *   ▲  ▲             ├──────► its export is paused, its backfill cancelled ──────► dropped (requeued, cancelled)
 *   ▲  ▲             ├──────► the ledger has it ─────────────────────────────────► covered
 *   │  │             ├──────► loadBatch resolves ────────────────────────────────► loaded
 *   │  └─(back-off)──┼─ retrying ◄── 'retry' error, attempts left
 *   │                ├──────► 'give-up' error, or no attempt left ───────────────► failed: retried at `retryAt`, or never
 *   │                ├──────► shutdown: released, not counted as an attempt ─────┐
 *   └────────────────┴──────► the worker died: its lock runs out (stalled) ──────┘
 * ```
 *
 * The outcome of a run is stored before its job ends. If a worker dies in between, the next one finds the receipt in the ledger
 * or loads the batch once more; neither does harm.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from "bullmq";
import { ReplayportError, retry } from "../../errors.ts";
import { type AttemptContext, aboutRun } from "./about_run.ts";
import { Cancelled, Released, cancelled, runAttempt } from "./attempt.ts";
import { enqueueNext } from "../backfills/backfills.ts";
import { ForeignJobs } from "./foreign_jobs.ts";
import { fleetError } from "../fleet_error.ts";
import type { FleetSettings } from "../fleet.ts";
import { type FailureDependencies, handleFailure } from "./failure.ts";
import { type Outcome, parseJobId, type Task, taskOf } from "../redis/jobs.ts";
import { QUEUE } from "../redis/keys.ts";
import { finishWithin, isLive } from "../redis/client.ts";
import { type JobProgress, progressSchema, encode } from "../redis/records.ts";
import type { Resources } from "../resources.ts";

export interface WorkerDependencies
  extends FailureDependencies, Pick<FleetSettings, "takeoverMs">, Pick<Resources, "client" | "backfills"> {
  readonly prefix: string;
  /** `ExportIdentity.config` of an export in our config. */
  readonly configOf: (exportName: string) => string | undefined;
  readonly name: string;
  /** Batches at the same time. */
  readonly concurrency: number;
  /** Gets errors of the queue itself, not of a batch. */
  readonly onError: (error: unknown) => void;
  /** This worker lost a job while its attempt still runs: it was taken over, or Redis lost it. Called once per job. */
  readonly onLost: (id: string) => void;
  /** Turns an error reply of Redis into one with a hint; returns other errors unchanged. */
  readonly explain: (error: unknown) => unknown;
}

/** After this many workers have died in a row, the batch is the likely cause. */
const DEATHS = 10;
/** How often a worker checks whether the backfills that it works for were cancelled. */
const CANCEL_MS = 2_000;
const PROGRESS_MS = 500;
/** After the abort, for loads to clean up. Nothing else gets it: what waits for Redis is left. */
const CLEAN_UP_MS = 8_000;

/** How long BullMQ waits before it asks for a job again after it lost its connection. */
const RETRY_MS = 1_000;
/** BullMQ's messages about a job that this worker no longer owns. */
const LOST =
  /(?:Missing key|Missing lock|Lock mismatch|could not renew lock) for job (\S+?)\.?(?:\s|$)|^Job (\S+) is not in the active state/;

/** Tells BullMQ when to try again. Its message goes to Redis: the error's code, nothing else. */
class TryAgain extends Error {
  readonly delayMs: number;

  constructor(code: string, delayMs: number) {
    super(code);
    this.delayMs = delayMs;
  }
}
/** Tells BullMQ that the job has failed for good. The outcome is stored already. */
class Ended extends UnrecoverableError {}

interface Attempt {
  readonly task: Task;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
  /** What it does beside waiting for Redis, until that has ended. */
  working: Promise<unknown> | undefined;
}

export class BatchWorker {
  readonly #dependencies: WorkerDependencies;
  readonly #worker: Worker;
  readonly #attempts = new Map<string, Attempt>();
  readonly #lost = new Set<string>();
  readonly #foreign: ForeignJobs;
  readonly #cancelTimer: NodeJS.Timeout;
  #lookingForCancelled = false;
  #stopping = false;

  constructor(dependencies: WorkerDependencies) {
    const { client, prefix, name, concurrency, takeoverMs } = dependencies;
    this.#dependencies = dependencies;
    this.#foreign = new ForeignJobs(dependencies.configOf, dependencies.onError, dependencies.random);
    this.#worker = new Worker(QUEUE, (job: Job, token?: string) => this.#process(job, token ?? ""), {
      connection: client,
      prefix,
      name,
      concurrency,
      autorun: false,
      lockDuration: takeoverMs,
      stalledInterval: Math.max(500, takeoverMs / 2),
      maxStalledCount: DEATHS,
      runRetryDelay: RETRY_MS,
      settings: { backoffStrategy: (_attempts, _type, error) => (error instanceof TryAgain ? error.delayMs : 0) },
    });
    this.#worker.on("error", (error) => this.#onQueueError(error));
    this.#worker.on("failed", (job, error) => {
      // BullMQ's own word. A job also fails with what Redis answered when its end was to be stored; then it runs again.
      if (job && error instanceof UnrecoverableError && !(error instanceof Ended)) void this.#recordStalled(job, error);
    });
    this.#cancelTimer = setInterval(() => void this.#lookForCancelled(), CANCEL_MS);
  }

  /** Resolves when it takes jobs. BullMQ would ask for jobs without a pause if it began on a connection that it can't use. */
  async start(): Promise<void> {
    await this.#worker.waitUntilReady();
    this.#worker.run().catch(this.#dependencies.onError);
  }

  /**
   * 1. Takes no more jobs, and waits up to `graceMs` for running ones.
   * 2. Aborts those that are left, and waits until their loads have cleaned up. One that ignores its abort runs until the process exits.
   * 3. Lets them and BullMQ store how they ended, if Redis answers.
   *
   * So it resolves within seconds after the grace, while BullMQ's own `close` would wait for Redis forever.
   */
  async stop(graceMs: number): Promise<void> {
    clearInterval(this.#cancelTimer);
    const { client, onError } = this.#dependencies;
    // By force if Redis is away: otherwise BullMQ would wait for it.
    const closing = this.#worker.close(!isLive(client)).catch(onError);
    await within(graceMs, this.#idle());
    this.#stopping = true;
    for (const { controller } of this.#attempts.values()) controller.abort(new Released());
    await within(CLEAN_UP_MS, this.#worked());
    if (this.#isWorking()) return;
    await finishWithin(client, Promise.all([this.#idle(), closing]));
  }

  async #idle(): Promise<void> {
    // A job that was being fetched when `stop` was called may still begin.
    while (this.#attempts.size > 0) await Promise.all([...this.#attempts.values()].map(({ ended }) => ended));
  }

  async #worked(): Promise<void> {
    while (this.#isWorking())
      await Promise.allSettled([...this.#attempts.values()].map(async ({ working }) => await working));
  }

  #isWorking(): boolean {
    return [...this.#attempts.values()].some(({ working }) => working !== undefined);
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
    if (this.#foreign.isForeign(task)) return await this.#leave(job, token, task);
    using reporter = progressReporter(job);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const attempt: Attempt = { task, controller, ended, working: undefined };
    const context: AttemptContext = {
      attempt: job.attemptsMade + 1,
      queuedAt: new Date(job.timestamp),
      startedAt,
      worker: this.#dependencies.name,
      report: (progress) => reporter.report(progress),
      working: async (work) => {
        attempt.working = work;
        try {
          return await work;
        } finally {
          attempt.working = undefined;
        }
      },
    };
    this.#attempts.set(id, attempt);
    this.#lost.delete(id);
    if (this.#stopping) controller.abort(new Released());
    try {
      controller.signal.throwIfAborted();
      const outcome = await runAttempt(task, context, this.#dependencies, controller.signal);
      if (outcome.kind !== "requeued") await this.#next(task, controller.signal);
      return outcome;
    } catch (error) {
      const seconds = (performance.now() - began) / 1000;
      if (controller.signal.reason instanceof Cancelled) {
        return await cancelled(task, context, this.#dependencies, seconds);
      }
      if (controller.signal.reason instanceof Released) return await this.#release(job, token, task, context, seconds);
      const explained = this.#dependencies.explain(error);
      const outcome = await handleFailure(task, context, explained, this.#dependencies, seconds);
      if (outcome.kind === "retry") {
        await showProgress(job, { stage: "ledger", rows: 0, bytes: 0, files: 0, error: outcome.error });
        throw new TryAgain(outcome.error.code, outcome.delayMs);
      }
      await this.#next(task, controller.signal);
      throw new Ended(outcome.error.code);
    } finally {
      this.#attempts.delete(id);
      end();
    }
  }

  /** Enqueues the backfill's next interval. The scheduler would do so too, within a minute. */
  async #next({ backfill }: Task, signal: AbortSignal): Promise<void> {
    if (backfill === undefined) return;
    try {
      await enqueueNext(backfill, this.#dependencies.backfills, false, signal);
    } catch (error) {
      const isGone = error instanceof ReplayportError && error.code === "backfill.unknown";
      if (!isGone && !signal.aborted) this.#dependencies.onError(error);
    }
  }

  /** Another worker has the job's config, or will have it. The scheduler of that config enqueues again what nobody takes. */
  async #leave(job: Job, token: string, task: Task): Promise<never> {
    const delayMs = this.#foreign.leave(task, job.timestamp);
    if (delayMs === undefined) throw new Ended("fleet.config_differs");
    await job.moveToDelayed(Date.now() + delayMs, token);
    throw new DelayedError();
  }

  async #release(job: Job, token: string, task: Task, context: AttemptContext, seconds: number): Promise<never> {
    await job.moveToWait(token);
    const { events, now } = this.#dependencies;
    events.emit({ ...aboutRun(task, context), kind: "run.released", at: now(), seconds });
    throw new WaitingError();
  }

  #onQueueError(error: Error): void {
    const [, renewed, id = renewed] = LOST.exec(error.message) ?? [];
    if (id === undefined) {
      this.#dependencies.onError(error);
      return;
    }
    // Each renewal of the lock fails again, and so does the end of the job.
    if (this.#lost.has(id)) return;
    this.#lost.add(id);
    this.#dependencies.onLost(parseJobId(id)?.id ?? id);
  }

  /** BullMQ itself gave up the job: too many workers died over it. */
  async #recordStalled(job: Job, error: Error): Promise<void> {
    const { now, redact, name: worker } = this.#dependencies;
    try {
      const task = taskOf(job.id ?? "", job.data);
      const hint = "Every worker that took this batch died. Check for out-of-memory kills and lower rows_per_file.";
      const message = `${task.id}: given up by the queue: ${error.message}`;
      const died = new ReplayportError(message, retry("fleet.stalled", hint));
      const times = { queuedAt: new Date(job.timestamp), startedAt: now() };
      const context = { attempt: job.attemptsMade, ...times, worker, report: () => undefined, working: unchanged };
      await handleFailure(task, context, died, { ...this.#dependencies, attempts: 0 }, 0);
      await this.#next(task, new AbortController().signal);
    } catch (thrown) {
      this.#dependencies.onError(fleetError(thrown, now(), redact));
    }
  }

  async #lookForCancelled(): Promise<void> {
    // While Redis is away, the last look still waits.
    if (this.#lookingForCancelled) return;
    this.#lookingForCancelled = true;
    const ids = new Set([...this.#attempts.values()].flatMap(({ task }) => task.backfill ?? []));
    try {
      for (const id of ids) {
        if ((await this.#dependencies.store.state(id)) !== "cancelled") continue;
        for (const { task, controller } of this.#attempts.values()) {
          if (task.backfill === id) controller.abort(new Cancelled());
        }
      }
    } catch {
      // Redis is down; the next check asks again.
    } finally {
      this.#lookingForCancelled = false;
    }
  }
}

const unchanged = async <Value>(work: Promise<Value>): Promise<Value> => await work;

/** Waits for the work, but no longer than that. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const given = new AbortController();
  const late = sleep(ms, undefined, { signal: given.signal }).catch(() => undefined);
  await Promise.race([work, late]);
  given.abort();
}

/**
 * Shows the latest progress at most twice a second, so a short batch shows none: each costs Redis a script, and every scheduler an
 * event.
 */
function progressReporter(job: Job): Disposable & { readonly report: (progress: JobProgress) => void } {
  let latest: JobProgress | undefined;
  const timer = setInterval(() => {
    if (latest) void showProgress(job, latest);
    latest = undefined;
  }, PROGRESS_MS).unref();
  return {
    report: (progress) => {
      latest = progress;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Only for display, so a refusal of Redis is ignored. BullMQ stores JSON; dates and intervals need our own encoding first. */
async function showProgress(job: Job, progress: JobProgress): Promise<void> {
  await job.updateProgress(JSON.parse(encode(progress)) as object).catch(() => undefined);
}

/** The progress of a job that another worker may run. */
export function progressOf(job: Job): JobProgress | undefined {
  const read = progressSchema.safeParse(job.progress);
  return read.success ? read.data : undefined;
}
