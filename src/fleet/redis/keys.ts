/** Every key of the fleet in Redis. All begin with the prefix; BullMQ's own with `<prefix>:batches:`. */

export const QUEUE = "batches";

export interface Keys {
  readonly prefix: string;
  /** Hash: failures, paused, receipt, error, ledger, ledgerError. */
  readonly export: (name: string) => string;
  /** Hash: interval → FailedInterval, as JSON. */
  readonly failedIntervals: (name: string) => string;
  /** Hash: interval → the most rows that an attempt without a receipt has staged. */
  readonly seen: (name: string) => string;
  /** Empty: there while somebody claims it. */
  readonly claim: (what: string) => string;
  /** Lists of runs that ended, newest first, as JSON: those that failed apart, since the others would push them out. */
  readonly runs: (outcome: "failed" | "other") => string;
  /** Hash: name → FleetProcess, as JSON. */
  readonly processes: string;
  /** Sorted set of backfill ids by the time they were made. */
  readonly backfills: string;
  /** Hash: id → `<start>_<end>` of the export's running backfills. */
  readonly backfilling: (name: string) => string;
  /** Hash with the record and its counters. */
  readonly backfill: (id: string) => string;
  /** Sorted set of interval names by start, not yet in the queue. */
  readonly open: (id: string) => string;
  /** Sorted set of interval names by when they were put into the queue. */
  readonly running: (id: string) => string;
  /** Hash: interval name → FleetError, as JSON. */
  readonly failed: (id: string) => string;
}

export function keysOf(prefix: string): Keys {
  const of = (kind: string) => (name: string) => `${prefix}:${kind}:${name}`;
  return {
    prefix,
    export: of("export"),
    failedIntervals: of("failed_intervals"),
    seen: of("seen"),
    claim: of("claim"),
    runs: of("runs"),
    processes: `${prefix}:processes`,
    backfills: `${prefix}:backfills`,
    backfilling: of("backfilling"),
    backfill: of("backfill"),
    open: of("open"),
    running: of("running"),
    failed: of("failed"),
  };
}
