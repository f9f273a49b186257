/** Every key of the fleet in Redis. All begin with the prefix; BullMQ's own with `<prefix>:batches:`. */

export const QUEUE = "batches";

export type Keys = ReturnType<typeof keysOf>;

/** @param placeOf the place of an export in our config: what is known about it elsewhere is another installation's */
export function keysOf(prefix: string, placeOf: (exportName: string) => string = () => "") {
  const of = (kind: string) => (name: string) => `${prefix}:${kind}:${name}`;
  const ofExport = (kind: string) => (name: string) => `${prefix}:${kind}:${name}@${placeOf(name)}`;
  return {
    placeOf,
    /** Hash of an export: failures, paused, receipt, error, ledger, ledgerError. */
    export: ofExport("export"),
    /** Hash of an export: interval → FailedInterval, as JSON. */
    failedIntervals: ofExport("failed_intervals"),
    /** List of an export's live loads, newest first, as JSON. */
    loads: ofExport("loads"),
    /** Whatever a process writes to see whether Redis takes writes. Gone at once. */
    probe: of("probe"),
    /** An empty string, which exists while somebody claims it. */
    claim: of("claim"),
    /** Lists of finished runs, newest first, as JSON. `failed` has its own, or the `other` runs would push failures out. */
    runs: (outcome: "failed" | "other") => `${prefix}:runs:${outcome}`,
    /** Hash: name → FleetProcess, as JSON. */
    processes: `${prefix}:processes`,
    /** Sorted set of backfill ids by creation time. */
    backfills: `${prefix}:backfills`,
    /** Hash of an export: id → `<start>_<end>` of its running backfills. */
    backfilling: ofExport("backfilling"),
    /** Hash of a backfill: its record and counters. */
    backfill: of("backfill"),
    /** Sorted set of a backfill: interval names by start, not enqueued yet. */
    open: of("open"),
    /** Sorted set of a backfill: interval names by the time they were enqueued. */
    running: of("running"),
    /** Hash of a backfill: interval name → FleetError, as JSON. */
    failed: of("failed"),
  };
}
