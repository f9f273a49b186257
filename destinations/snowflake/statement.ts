/** A statement with what its errors need to know. */
export interface Statement {
  readonly sql: string;
  /** What it does, for messages: `creating the table "A"."B"."C"`. */
  readonly doing: string;
  /** What the role has to be granted for it, as SQL without `TO ROLE`. */
  readonly grants: readonly string[];
  /** The driver brings a file somewhere, and cannot be stopped on the way. */
  readonly uploads?: boolean;
}

/** A row of a result: names of columns as the statement writes them. */
export type Row = Readonly<Record<string, unknown>>;

/** A session of Snowflake's. Disposing of it closes it there as well, which rolls an open transaction back. */
export interface Session extends AsyncDisposable {
  /**
   * Rejects with ReplayportError, or with `signal.reason` after an abort; the statement is cancelled in Snowflake then, and
   * where it outlives its time limit.
   */
  execute(statement: Statement, signal: AbortSignal): Promise<readonly Row[]>;
}

/** What a session is used for: it stands in QUERY_TAG. */
export interface Purpose {
  readonly export: string;
  /** `20261001T000000Z_20261001T010000Z`, where there is one. */
  readonly interval?: string;
  readonly doing: "load" | "check" | "ledger" | "clean-up";
}

export type OpenSession = (purpose: Purpose, signal: AbortSignal) => Promise<Session>;
