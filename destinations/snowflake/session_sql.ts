/** The settings of our sessions. Pure. */
import { snowflake } from "../sql/snowflake.ts";
import type { Purpose, Statement } from "./statement.ts";

export interface SessionSettings {
  readonly purpose: Purpose;
  readonly queryTag: string | undefined;
  readonly statementSeconds: number;
}

/** Longer than the 5 minutes after which Snowflake rolls back an idle transaction that blocks another one. */
const LOCK_SECONDS = 15 * 60;

/**
 * Overrides the settings of account and user. ABORT_DETACHED_QUERY ends what a dead worker left running;
 * TRANSACTION_ABORT_ON_ERROR prevents a commit after a statement that failed.
 * https://docs.snowflake.com/en/sql-reference/parameters
 */
export function configureSession({ purpose, queryTag, statementSeconds }: SessionSettings): Statement {
  const tag = { app: "replayport", ...purpose, ...(queryTag === undefined ? {} : { tag: queryTag }) };
  const settings = {
    QUERY_TAG: snowflake.string(JSON.stringify(tag)),
    TIMEZONE: "'UTC'",
    TIMESTAMP_INPUT_FORMAT: "'AUTO'",
    TIMESTAMP_TYPE_MAPPING: "'TIMESTAMP_NTZ'",
    QUOTED_IDENTIFIERS_IGNORE_CASE: "FALSE",
    ERROR_ON_NONDETERMINISTIC_MERGE: "TRUE",
    AUTOCOMMIT: "TRUE",
    TRANSACTION_ABORT_ON_ERROR: "TRUE",
    ABORT_DETACHED_QUERY: "TRUE",
    LOCK_TIMEOUT: String(LOCK_SECONDS),
    STATEMENT_TIMEOUT_IN_SECONDS: String(statementSeconds),
  };
  const pairs = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return { sql: `ALTER SESSION SET ${pairs.join(" ")}`, doing: "setting up the session", grants: [] };
}
