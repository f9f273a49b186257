/** What the fleet says about one export. */
import type { Receipt } from "../../destinations/destination.ts";
import type { ReplayportError } from "../errors.ts";
import type { Sweep } from "../intervals/due.ts";
import type { Interval } from "../intervals/interval.ts";

/** An error as the fleet stores and shows it: redacted, without a stack. The code of an error that isn't ours is `unexpected`. */
export interface FleetError extends Pick<ReplayportError, "code" | "message" | "hint" | "remedy"> {
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
   * When one interval is tried to see whether the failure has passed; if it has, the export resumes by itself.
   * Undefined if only `resume` ends the pause: a person paused it, or errors whose remedy is `give-up` did.
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

/** The receipt of the last batch that the fleet loaded. */
export interface LastReceipt extends Pick<Receipt, "interval" | "rows" | "bytes" | "files" | "committedAt"> {
  /** Since when the export has read nothing, although it usually does. */
  readonly silentSince: Date | undefined;
}

/** A load of a live interval, for charts. */
export interface RecentLoad extends Pick<Receipt, "interval" | "rows" | "committedAt"> {}

/** What the last audit found, in sessions. */
export interface LastAudit {
  readonly readAt: Date;
  /** The destination lacks them or has an older version. */
  readonly lacking: number;
  /** Of these, those that were read again without success. */
  readonly unrepaired: number;
  readonly onlyDestination: number;
}

/**
 * One export. What comes from the ledger (`due`, `loadedUntil`, `gaps`) is as the scheduler saw it at `ledgerAt`, and undefined
 * before a scheduler has run: a status never asks the destination.
 */
export interface ExportStatus {
  readonly export: string;
  /** Its name in the config. */
  readonly destination: string;
  /** As in the config. */
  readonly schedule: string;
  readonly timezone: string;
  readonly paused: Pause | undefined;
  /** Settled live intervals without a receipt, including queued, running and failed ones; 1000 means 1000 or more. */
  readonly due: number | undefined;
  /** Jobs of this export that wait for a worker or for their next attempt, live and backfill. */
  readonly queued: number;
  /** Jobs of this export that a worker has taken. */
  readonly running: number;
  /** Runs that failed for good since the last one that was loaded. */
  readonly failuresInRow: number;
  readonly failedIntervals: readonly FailedInterval[];
  /** Everything from the export's start to here is loaded; also undefined if nothing is loaded yet. */
  readonly loadedUntil: Date | undefined;
  /** Seconds from `loadedUntil`, or from the export's start if nothing is loaded, to now. */
  readonly lagSeconds: number | undefined;
  /**
   * Seconds since the first interval after `loadedUntil` became due; 0 if it isn't due yet. A daily export lags by a day at times
   * and is still not late.
   */
  readonly lateSeconds: number | undefined;
  /** When the next interval becomes due; undefined if the schedule has no more ticks. */
  readonly nextAt: Date | undefined;
  /** The oldest 20 gaps: time without a receipt before the newest receipt. */
  readonly gaps: readonly Interval[];
  /** Of all gaps. */
  readonly gapCount: number | undefined;
  /** When the scheduler last saw the ledger change. */
  readonly ledgerAt: Date | undefined;
  /** Why a scheduler couldn't read the ledger, if that was within the last three minutes. */
  readonly ledgerError: FleetError | undefined;
  readonly lastReceipt: LastReceipt | undefined;
  /** The last 24 loads of live intervals, by interval. */
  readonly recentLoads: readonly RecentLoad[];
  readonly lastAudit: LastAudit | undefined;
  readonly lastError: FleetError | undefined;
}

/** What the config says about an export, for people. Holds no secret. */
export interface ExportRules {
  readonly start: Date;
  /** Nothing after it is due. Undefined: the export never ends. */
  readonly end: Date | undefined;
  /** End of the last interval that is due by now. */
  readonly dueUntil: Date;
  readonly sweep: Sweep | undefined;
  /** Where to watch the replays, for each team that the config names; empty without `posthog_url`. */
  readonly projects: readonly { readonly team: number; readonly url: string }[];
  /** Names and values, in the config's order. */
  readonly rules: readonly { readonly name: string; readonly value: string }[];
}

/** What the destination says about an export's past. */
export interface ExportHistory {
  /** Those that overlap the range, by start. */
  readonly receipts: readonly Receipt[];
  /** The last audit. */
  readonly audit:
    | (LastAudit & {
        /** From the first day that it compared, by the sessions' start. */
        readonly from: Date | undefined;
        /** Time of ingestion in which it found rows lacking. */
        readonly lackingIn: readonly Interval[];
      })
    | undefined;
}
