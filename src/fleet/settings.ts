/** The fleet's part of the config. */

export interface FleetSettings {
  /** Live intervals of one export in the queue at once. */
  readonly inFlight: number;
  /** Intervals of one backfill in the queue at once, unless the backfill says otherwise. */
  readonly backfillInFlight: number;
  /** Attempts of one run in all. */
  readonly attempts: number;
  /** Failed runs in a row after which an export is paused. */
  readonly pauseAfter: number;
  /** Milliseconds after which an interval that failed with remedy `retry` is tried again by itself. */
  readonly retryAfterMs: number;
  /** Milliseconds without a sign of life after which a worker's batches go to another. */
  readonly takeoverMs: number;
}

/** What tells an export from one of the same name in another config. Short texts of [0-9a-z] without secrets. */
export interface ExportIdentity {
  /** The installation, and where its rows and receipts are. */
  readonly place: string;
  /** The place, which rows there are, and how they look. */
  readonly config: string;
}

export interface FleetRedisOptions {
  readonly kind: "single" | "sentinel" | "cluster";
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  /** PEM: certificates to trust. */
  readonly ca?: string;
  /** PEM: the client's certificate and its key; both or neither. */
  readonly cert?: string;
  readonly key?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  /** The name under which sentinels know the server. */
  readonly master?: string;
  /** What every key begins with; with a hash tag, so that a cluster keeps all keys on one node. */
  readonly prefix: string;
}
