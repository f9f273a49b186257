/** A statement, with what its errors mention. */
export interface Statement {
  readonly sql: string;
  /** For messages: `creating the table "A"."B"."C"`. */
  readonly doing: string;
  /** The grants that it needs, in SQL, without `TO ROLE`. */
  readonly grants: readonly string[];
  /** The driver uploads a file, which can't be interrupted. */
  readonly uploads?: boolean;
}

/** A row of a result, with columns named as in the statement. */
export type Row = Readonly<Record<string, unknown>>;

/** Disposing of it closes the session in Snowflake too, which rolls back an open transaction. */
export interface Session extends AsyncDisposable {
  /**
   * Rejects with ReplayportError, or with `signal.reason` after an abort. After an abort or the time limit, the statement is
   * cancelled in Snowflake too.
   */
  execute(statement: Statement, signal: AbortSignal): Promise<readonly Row[]>;
}

/** What a session is for, as shown in QUERY_TAG. */
export interface Purpose {
  readonly export: string;
  /** `20261001T000000Z_20261001T010000Z` */
  readonly interval?: string;
  readonly doing: "load" | "check" | "ledger" | "audit" | "clean-up";
}

export type OpenSession = (purpose: Purpose, signal: AbortSignal) => Promise<Session>;
