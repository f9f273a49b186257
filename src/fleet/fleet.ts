/**
 * The fleet's public interface: status, runs, backfills, pause and resume, events. Commands, HTTP, metrics, alerts and traces
 * use nothing else; redis_fleet.ts implements it. Nothing here names BullMQ or Redis' keys. docs/run-states.md draws the states
 * of a run and who changes them.
 *
 * Terminology
 * - live: an interval that the schedule made due. The scheduler enqueues it by itself.
 * - backfill: a range that somebody asked for, split into intervals, with its own progress.
 * - run: one batch's way through the queue, with all of its attempts.
 * - failed interval: a live interval whose run failed for good. It's still due, but isn't enqueued again before `retryAt`, or
 *   before `retry` or `resume` if `retryAt` is undefined.
 *
 * Every text is redacted before it is stored. Every method rejects with a ReplayportError, whose code is one of those named at
 * the method, `fleet.unknown_export` or `redis.…`, or with `signal.reason`.
 */
import type { Interval } from "../intervals/interval.ts";

export type { FleetRedisOptions, FleetSettings } from "./settings.ts";

/** An error as it is stored and shown: redacted, without a stack. */
export interface FleetError {
  /** ReplayportError's code, or `unexpected` for any other error. */
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly remedy: "retry" | "give-up";
  readonly at: Date;
}

/** Why nothing of an export is enqueued, and what ends that. */
export interface Pause {
  /** A sentence for people. */
  readonly reason: string;
  readonly since: Date;
  /** Who paused it: `replayport` after too many failures, else the name that was given to `pause`. */
  readonly by: string;
  /**
   * When one interval is tried to see whether the failure has passed; the export resumes by itself where it has.
   * Undefined where only `resume` ends the pause: paused by a person, or by errors whose remedy is `give-up`.
   */
  readonly probeAt: Date | undefined;
}

/** A live interval that failed for good. */
export interface FailedInterval {
  readonly interval: Interval;
  readonly error: FleetError;
  /** When it is enqueued again; undefined: only after `retry` or `resume`. */
  readonly retryAt: Date | undefined;
}

/** The last batch that was loaded by the fleet. */
export interface LastReceipt {
  readonly interval: Interval;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  readonly committedAt: Date;
}

/**
 * One export. What comes from the ledger (`due`, `loadedUntil`, `gaps`) is as the scheduler saw it at `ledgerAt`; nothing is
 * asked of the destination to answer this. All of it is undefined before a scheduler has run.
 */
export interface ExportStatus {
  readonly export: string;
  /** The name of the destination in the config. */
  readonly destination: string;
  /** As it stands in the config. */
  readonly schedule: string;
  readonly timezone: string;
  readonly paused: Pause | undefined;
  /** Live intervals that the ledger lacks and that have settled, including queued, running and failed ones; 1000 means 1000 or more. */
  readonly due: number | undefined;
  /** Jobs of this export that wait for a worker or for their next attempt, live and backfill. */
  readonly queued: number;
  /** Jobs of this export that a worker has taken. */
  readonly running: number;
  /** Runs that failed for good since the last one that was loaded. */
  readonly failuresInRow: number;
  readonly failedIntervals: readonly FailedInterval[];
  /** Up to here everything since the export's start is loaded; undefined also where nothing is loaded yet. */
  readonly loadedUntil: Date | undefined;
  /** Seconds from `loadedUntil` (the export's start where nothing is loaded) to now; undefined before a scheduler has run. */
  readonly lagSeconds: number | undefined;
  /** Stretches without a receipt before the newest receipt's end, the oldest 20 of them. */
  readonly gaps: readonly Interval[];
  /** How many gaps there are in all. */
  readonly gapCount: number | undefined;
  /** When the scheduler last saw the ledger change. */
  readonly ledgerAt: Date | undefined;
  /** Why a scheduler could not ask the destination what is loaded; undefined unless it failed within the last three minutes. */
  readonly ledgerError: FleetError | undefined;
  readonly lastReceipt: LastReceipt | undefined;
  readonly lastError: FleetError | undefined;
}

/**
 * - `queued`: waits for a worker
 * - `running`: a worker has taken it
 * - `retrying`: an attempt failed, the next is to come at `Run.nextAttemptAt`
 * - `loaded`: a receipt was committed
 * - `covered`: nothing to do, since the ledger had a receipt already (another attempt or another process loaded it)
 * - `failed`: failed for good
 * - `cancelled`: its backfill was cancelled before the run began, or while it ran
 */
export type RunState = "queued" | "running" | "retrying" | "loaded" | "covered" | "failed" | "cancelled";

/** Where a running attempt is. `ledger`: asking what is covered; `counting`, `staging` (and uploading: files are loaded while the next is staged), `loaded`. */
export type RunStage = "ledger" | "counting" | "staging" | "loaded";

export interface Run {
  /** The batch's id, `<export>/<start>_<end>`, followed by `/<backfill>` for one of a backfill. */
  readonly id: string;
  readonly export: string;
  readonly interval: Interval;
  /** The backfill's id; undefined for a live interval. */
  readonly backfill: string | undefined;
  readonly state: RunState;
  /** 1, 2, 3 …: the attempt that runs or ran last; 0 where none has begun. */
  readonly attempt: number;
  readonly queuedAt: Date;
  /** When the last attempt began. */
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  readonly nextAttemptAt: Date | undefined;
  /** Undefined unless `running`. */
  readonly stage: RunStage | undefined;
  /** Staged so far where it runs, loaded where it is `loaded`. */
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  /** Of the last attempt that failed, also where a later one succeeded. */
  readonly error: FleetError | undefined;
  /** The name of the worker that ran it last, `host.pid.xxxx`. */
  readonly worker: string | undefined;
}

export interface RunsQuery {
  /** How many, newest first; 1 to 500. */
  readonly limit: number;
  readonly export?: string;
  readonly states?: readonly RunState[];
  readonly backfill?: string;
}

/** Jobs by state, of all exports. Workers read it as it is: `waiting + backfill + delayed + active` is all there is. */
export interface QueueDepth {
  /** Live intervals that wait for a worker. */
  readonly waiting: number;
  /** Intervals of backfills that wait for a worker; live ones go first. */
  readonly backfill: number;
  /** Wait for their next attempt. */
  readonly delayed: number;
  readonly active: number;
}

export interface BackfillRequest {
  readonly export: string;
  readonly range: Interval;
  /** Load again what has a receipt. Default false. */
  readonly force?: boolean;
  /** With force: accept fewer sessions than the receipt that is replaced. Default false. */
  readonly allowFewer?: boolean;
  /** How many intervals of the schedule are joined into one batch. Default `auto`: as far as one file's rows and one folder allow. */
  readonly size?: "auto" | "schedule" | "hour" | "day" | "week" | "month";
  /** Intervals in the queue at once, 1 to 64. Default: the config's `fleet.backfill_in_flight`. */
  readonly inFlight?: number;
  /** Who asked, such as a user's name or `api`. At most 100 characters; never a secret. */
  readonly createdBy: string;
}

/**
 * - `running`: intervals are open or in the queue (also while its export is paused: then it waits)
 * - `done`: every interval is loaded or was covered
 * - `failed`: nothing is left to do, and at least one interval failed for good; `retryBackfill` makes it run again
 * - `cancelled`: ended by `cancelBackfill`
 */
export type BackfillState = "running" | "done" | "failed" | "cancelled";

/** Kept for 30 days after its end. */
export interface Backfill {
  /** 8 characters of [0-9a-z]. */
  readonly id: string;
  readonly export: string;
  /** From the first planned interval's start to the last one's end; what was asked for where nothing was planned. */
  readonly range: Interval;
  readonly force: boolean;
  readonly allowFewer: boolean;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly finishedAt: Date | undefined;
  readonly state: BackfillState;
  /** Intervals: total = open + running + done + failed + cancelled. */
  readonly total: number;
  /** Not in the queue yet. */
  readonly open: number;
  /** In the queue or with a worker. */
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Loaded so far. */
  readonly rows: number;
  readonly bytes: number;
  /** Seconds until the end at the pace so far; undefined before the first interval is done, and after the end. */
  readonly etaSeconds: number | undefined;
  /** The oldest 20 failures. */
  readonly failures: readonly { readonly interval: Interval; readonly error: FleetError }[];
}

/** A process of the fleet that was seen within the last 30 seconds. */
export interface FleetProcess {
  readonly kind: "scheduler" | "worker";
  /** `host.pid.xxxx` */
  readonly name: string;
  readonly version: string;
  readonly startedAt: Date;
  readonly seenAt: Date;
}

export interface FleetHealth {
  /** Redis answered. Where it did not, `problem` says why and the rest is empty. Never rejects. */
  readonly redis: boolean;
  /** A sentence, with what to do; redacted. */
  readonly problem: string | undefined;
  /** Milliseconds of one round trip to Redis. */
  readonly redisMs: number | undefined;
  /** Sentences such as "maxmemory-policy is allkeys-lru …"; none where all is well. */
  readonly warnings: readonly string[];
  readonly processes: readonly FleetProcess[];
}

interface EventBase {
  /** By this process' clock. */
  readonly at: Date;
  readonly export: string;
}

interface RunEventBase extends EventBase {
  /** `Run.id` */
  readonly run: string;
  readonly interval: Interval;
  readonly backfill: string | undefined;
  readonly attempt: number;
}

/**
 * What happens in this process: a worker tells of its runs, a scheduler of lag and enqueuing. So a worker's metrics are read
 * from the worker, and each alert has one sender; `serve` tells all of it. The order of a run's events:
 * `run.started`, any number of `run.stage`, then one of the others. Attempts of one run are events of their own.
 */
export type FleetEvent =
  | (EventBase & { readonly kind: "enqueued"; readonly run: string; readonly interval: Interval })
  | (RunEventBase & { readonly kind: "run.started"; /** Since it was enqueued. */ readonly waitedSeconds: number })
  /** How many sessions and files are to come; `seconds` since the attempt began. */
  | (RunEventBase & {
      readonly kind: "run.stage";
      readonly stage: "counted";
      readonly sessions: number;
      readonly files: number;
      readonly seconds: number;
    })
  /** One file lies on local disk, after `seconds` of its own. */
  | (RunEventBase & {
      readonly kind: "run.stage";
      readonly stage: "staged";
      readonly rows: number;
      readonly bytes: number;
      readonly seconds: number;
    })
  /** A receipt was committed. Of `seconds` since the attempt began, `stageSeconds` went to the source and `loadSeconds` to the rest. */
  | (RunEventBase & {
      readonly kind: "run.loaded";
      readonly rows: number;
      readonly bytes: number;
      readonly files: number;
      readonly committedAt: Date;
      readonly seconds: number;
      readonly countSeconds: number;
      readonly stageSeconds: number;
      readonly loadSeconds: number;
    })
  /** Nothing to do: the ledger had a receipt. */
  | (RunEventBase & { readonly kind: "run.covered"; readonly seconds: number })
  /** Released at shutdown, or cancelled with its backfill; not a failure. */
  | (RunEventBase & { readonly kind: "run.released" | "run.cancelled"; readonly seconds: number })
  | (RunEventBase & {
      readonly kind: "run.retrying";
      readonly error: FleetError;
      readonly delayMs: number;
      readonly seconds: number;
    })
  /** Failed for good: not tried again by itself, or not soon. */
  | (RunEventBase & { readonly kind: "run.failed"; readonly error: FleetError; readonly seconds: number })
  | (EventBase & { readonly kind: "export.paused"; readonly pause: Pause; readonly error: FleetError | undefined })
  | (EventBase & { readonly kind: "export.resumed"; readonly by: string })
  /** Each tick, for each export; from memory. */
  | (EventBase & {
      readonly kind: "lag";
      readonly lagSeconds: number;
      readonly due: number;
      readonly gaps: number;
      /** Whether a pause keeps what is due from being loaded. */
      readonly paused: boolean;
    })
  /** At the end of each tick. `export` is empty. */
  | (EventBase & { readonly kind: "tick"; readonly seconds: number; readonly enqueued: number });

export type FleetListener = (event: FleetEvent) => void;

export interface Fleet extends AsyncDisposable {
  /** Every export of the config, in its order. */
  exports(signal: AbortSignal): Promise<readonly ExportStatus[]>;
  /** @throws ReplayportError `fleet.unknown_export` */
  export(name: string, signal: AbortSignal): Promise<ExportStatus>;
  /** Those that are queued or run first, then the last 500 that ended, newest first. */
  runs(query: RunsQuery, signal: AbortSignal): Promise<readonly Run[]>;
  queue(signal: AbortSignal): Promise<QueueDepth>;

  /**
   * Plans the range (this asks the source and the ledger) and enqueues its first intervals. A range in which nothing is to
   * do becomes a backfill that is `done`, with a total of 0.
   * @throws ReplayportError `backfill.overlap` where a running backfill of the export overlaps the range (the message
   * names its id), `backfill.invalid` for a range or an option that cannot be
   */
  startBackfill(request: BackfillRequest, signal: AbortSignal): Promise<Backfill>;
  /** Newest first. */
  backfills(signal: AbortSignal): Promise<readonly Backfill[]>;
  /** @throws ReplayportError `backfill.unknown` */
  backfill(id: string, signal: AbortSignal): Promise<Backfill>;
  /** What is open or waits is dropped, what runs is aborted within seconds; what is loaded stays. Harmless to repeat. @throws `backfill.unknown` */
  cancelBackfill(id: string, signal: AbortSignal): Promise<Backfill>;
  /** Opens the failed intervals again. @throws `backfill.unknown`, `backfill.cancelled`, `backfill.overlap` */
  retryBackfill(id: string, signal: AbortSignal): Promise<Backfill>;

  /**
   * Nothing of the export is enqueued or begun until `resume`; runs that have begun go on to their end. An export that is
   * paused already keeps `since`.
   * @param reason a sentence for people, at most 500 characters
   * @param by who asks, at most 100 characters
   */
  pause(name: string, reason: string, by: string, signal: AbortSignal): Promise<ExportStatus>;
  /** Also resets the failures in a row and makes every failed interval eligible again. Harmless if nothing is paused. */
  resume(name: string, by: string, signal: AbortSignal): Promise<ExportStatus>;
  /**
   * Makes the export's failed intervals, and those that wait for their next attempt, run as soon as a worker is free. Doesn't
   * end a pause.
   * @returns how many intervals
   */
  retry(name: string, signal: AbortSignal): Promise<number>;

  /**
   * Whether the caller is the first process to claim this within `ms`. Used to send a message once; correctness must not
   * depend on it, since a flushed Redis forgets it.
   */
  claim(what: string, ms: number, signal: AbortSignal): Promise<boolean>;
  /** @returns whether it was claimed */
  unclaim(what: string, signal: AbortSignal): Promise<boolean>;

  /** Never rejects, and answers within 5 seconds. */
  health(signal: AbortSignal): Promise<FleetHealth>;
  /** Calls the listener for each event of this process, synchronously; what it throws is logged. Dispose to stop. */
  onEvent(listener: FleetListener): Disposable;
}

export interface RunningWorker {
  readonly name: string;
  /** Takes no more jobs, waits up to `graceMs`, then aborts and releases what runs. Resolves within seconds after that. */
  stop(graceMs: number): Promise<void>;
}

/** A fleet that this process can also work for, as `connectFleet` returns it. */
export interface FleetHandle extends Fleet {
  /** Ticks until it is disposed of. */
  startScheduler(signal: AbortSignal): Promise<AsyncDisposable>;
  startWorker(concurrency: number): Promise<RunningWorker>;
}
