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
import type { Receipt } from "../../destinations/destination.ts";
import type { Interval } from "../intervals/interval.ts";
import type { ExportHistory, ExportRules, ExportStatus, FleetError, LastReceipt, Pause } from "./export_status.ts";

export type * from "./export_status.ts";
export type { ExportIdentity, FleetRedisOptions, FleetSettings } from "./settings.ts";

/**
 * - `queued`: waits for a worker
 * - `running`: a worker has taken it
 * - `retrying`: an attempt failed; the next begins at `Run.nextAttemptAt`
 * - `loaded`: a receipt was committed
 * - `covered`: nothing to do: the ledger already had a receipt, because another attempt or another process loaded it
 * - `failed`: failed for good
 * - `cancelled`: its backfill was cancelled before the run began, or while it ran
 */
export type RunState = "queued" | "running" | "retrying" | "loaded" | "covered" | "failed" | "cancelled";

/** What a running attempt is doing. `ledger`: reading what is covered; `staging`: also uploading, since a file is loaded while the next is staged. */
export type RunStage = "ledger" | "counting" | "staging" | "loaded";

/** Seconds. The source is counted, then read to local files (`stage`); the rest is the destination's (`load`). */
export interface RunTimes {
  readonly countSeconds: number;
  readonly stageSeconds: number;
  readonly loadSeconds: number;
}

export interface Run {
  /** The batch's id, `<export>/<start>_<end>`, followed by `/<backfill>` for one of a backfill, or by `/audit`. */
  readonly id: string;
  readonly export: string;
  readonly interval: Interval;
  /** Its id; undefined for a live interval. */
  readonly backfill: string | undefined;
  readonly state: RunState;
  /** The attempt that runs or ran last: 1, 2, 3 …; 0 before the first. */
  readonly attempt: number;
  readonly queuedAt: Date;
  /** Of the last attempt. */
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  readonly nextAttemptAt: Date | undefined;
  /** Undefined unless `running`. */
  readonly stage: RunStage | undefined;
  /** Staged so far if `running`, loaded if `loaded`. */
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
  /** Where the time of the last attempt went; undefined unless `loaded`. */
  readonly times: RunTimes | undefined;
  /** Of the last attempt that failed, even if a later one succeeded. */
  readonly error: FleetError | undefined;
  /** The last worker that ran it, `host.pid.xxxx`. */
  readonly worker: string | undefined;
}

export interface RunsQuery {
  /** How many, newest first; 1 to 500. */
  readonly limit: number;
  readonly export?: string;
  readonly states?: readonly RunState[];
  readonly backfill?: string;
}

/** Jobs of all exports by state. Their sum is the whole queue. */
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
  /** Implies `force`: what is read wins also where it's less than before (src/export/corrections.ts). Default false. */
  readonly sourceIsRight?: boolean;
  /** How many intervals of the schedule are joined into one batch. Default `auto`: as many as fit in one file and one folder. */
  readonly size?: "auto" | "schedule" | "hour" | "day" | "week" | "month";
  /** Intervals in the queue at once, 1 to 64. Default: the config's `fleet.backfill_in_flight`. */
  readonly inFlight?: number;
  /** Who asked, such as a user's name or `api`. At most 100 characters; never a secret. */
  readonly createdBy: string;
}

/** What a backfill would load, by what is known now. */
export interface BackfillPlan {
  readonly intervals: readonly Interval[];
  /** Sessions that changed in the intervals; undefined if the model can't say. */
  readonly sessions: number | undefined;
}

/**
 * - `running`: intervals are open or in the queue, even while its export is paused
 * - `done`: every interval is loaded or was covered
 * - `failed`: all intervals ended, and at least one failed for good; `retryBackfill` makes it run again
 * - `cancelled`: ended by `cancelBackfill`
 */
export type BackfillState = "running" | "done" | "failed" | "cancelled";

/** Kept for 30 days after its end. */
export interface Backfill {
  /** 8 characters of [0-9a-z]. */
  readonly id: string;
  readonly export: string;
  /** From the first planned interval's start to the last one's end; as requested if nothing was planned. */
  readonly range: Interval;
  readonly force: boolean;
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
  /** Whether Redis answered. If not, `problem` says why and the rest is empty. */
  readonly redis: boolean;
  /** A sentence, with what to do; redacted. */
  readonly problem: string | undefined;
  /** Milliseconds of one round trip to Redis. */
  readonly redisMs: number | undefined;
  /** Sentences such as "maxmemory-policy is allkeys-lru …". */
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

interface Timed extends RunEventBase {
  /** Since the attempt began. */
  readonly seconds: number;
}

/**
 * What happens in this process: a worker raises events for its runs, a scheduler for lag and enqueuing, `serve` both. So a
 * worker's metrics are read from that worker. Each attempt of a run raises `run.started`, any number of `run.stage`, then one
 * of the other run events.
 */
export type FleetEvent =
  | (EventBase & { readonly kind: "enqueued"; readonly run: string; readonly interval: Interval })
  | (RunEventBase & { readonly kind: "run.started"; /** Since it was enqueued. */ readonly waitedSeconds: number })
  /** How many sessions and files the batch has. */
  | (Timed & {
      readonly kind: "run.stage";
      readonly stage: "counted";
      readonly sessions: number;
      readonly files: number;
    })
  /** One file is on local disk; `seconds` is the time it took. */
  | (Timed & { readonly kind: "run.stage"; readonly stage: "staged"; readonly rows: number; readonly bytes: number })
  /** A receipt was committed. */
  | (Timed &
      RunTimes &
      Omit<LastReceipt, "interval" | "silentSince"> &
      Pick<Receipt, "lost"> & { readonly kind: "run.loaded" })
  /** Nothing to do: the ledger had a receipt. */
  | (Timed & { readonly kind: "run.covered" })
  /** The destination was compared with the source: sessions that it lacks, and that only it has. `interval` is what was compared. */
  | (Timed & { readonly kind: "run.audited"; readonly lacking: number; readonly onlyDestination: number })
  /** Released at shutdown, or cancelled with its backfill; not a failure. */
  | (Timed & { readonly kind: "run.released" | "run.cancelled" })
  | (Timed & { readonly kind: "run.retrying"; readonly error: FleetError; readonly delayMs: number })
  /** Failed for good: not tried again by itself, or not soon. */
  | (Timed & { readonly kind: "run.failed"; readonly error: FleetError })
  | (EventBase & { readonly kind: "export.paused"; readonly pause: Pause; readonly error: FleetError | undefined })
  | (EventBase & { readonly kind: "export.resumed"; readonly by: string })
  /** A batch had no rows, although those of the export usually have some. */
  | (EventBase & { readonly kind: "export.silent"; readonly since: Date })
  /** Each tick, for each export; from memory. */
  | (EventBase & {
      readonly kind: "lag";
      readonly lagSeconds: number;
      readonly due: number;
      readonly gaps: number;
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
  /** @throws ReplayportError `fleet.unknown_export` */
  rules(name: string): ExportRules;
  /** Asks the destination, so it may take seconds and cost money. Rejects with what it rejects with. */
  history(name: string, range: Interval, signal: AbortSignal): Promise<ExportHistory>;
  /** Queued and running ones first, then the last 500 that ended, newest first. */
  runs(query: RunsQuery, signal: AbortSignal): Promise<readonly Run[]>;
  queue(signal: AbortSignal): Promise<QueueDepth>;

  /**
   * Plans the range, which asks the source and the ledger, and enqueues its first intervals. If there is nothing to do, the
   * backfill is `done` at once, with a total of 0.
   * @throws ReplayportError `backfill.overlap` if a running backfill of the export overlaps the range (the message names its
   * id), `backfill.invalid` for an invalid range or option
   */
  startBackfill(request: BackfillRequest, signal: AbortSignal): Promise<Backfill>;
  /** What `startBackfill` would load now. Changes nothing. */
  planBackfill(request: BackfillRequest, signal: AbortSignal): Promise<BackfillPlan>;
  /** Newest first. */
  backfills(signal: AbortSignal): Promise<readonly Backfill[]>;
  /** @throws ReplayportError `backfill.unknown` */
  backfill(id: string, signal: AbortSignal): Promise<Backfill>;
  /** Drops what waits and aborts what runs, within seconds; what is loaded stays. Idempotent. @throws `backfill.unknown` */
  cancelBackfill(id: string, signal: AbortSignal): Promise<Backfill>;
  /** Opens the failed intervals again. @throws `backfill.unknown`, `backfill.cancelled`, `backfill.overlap` */
  retryBackfill(id: string, signal: AbortSignal): Promise<Backfill>;

  /**
   * Nothing of the export is enqueued or begun until `resume`; runs that have begun finish. An export that is already paused
   * keeps its `since`.
   * @param reason a sentence for people, at most 500 characters
   * @param by who paused it, at most 100 characters
   */
  pause(name: string, reason: string, by: string, signal: AbortSignal): Promise<ExportStatus>;
  /** Also resets the failures in a row and makes every failed interval eligible again, even if nothing is paused. */
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
  /** Whether it is claimed. */
  claimed(what: string, signal: AbortSignal): Promise<boolean>;
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
