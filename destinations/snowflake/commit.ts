/**
 * The transaction of a load.
 *
 *     BEGIN → take the lock → read the ledger → find the target's rows → MERGE → count again → INSERT the receipt → COMMIT → read it
 *
 * **Loads of one target commit one after the other.** Taking the lock is an UPDATE of one row in the target's lock table, so
 * a second load waits there until the first one has committed or rolled back. The statements after it see what the first one
 * did: a statement sees what was committed before it began (READ COMMITTED). The MERGE must not be the statement that waits:
 * it would have begun before the other's rows were committed, and might insert a session that exists by now. Every load takes
 * lock and target in this order, so no two of them wait for each other. The ledger is only appended to, which locks nothing:
 * all targets of a schema share it.
 *
 * **A session may lag slightly** behind what other sessions have committed since it began, but never behind its own writes. So
 * everything after the lock runs in a session that began after the last commit. The lock's row counts the commits: if others
 * have committed since the session began, the load lets go of the lock and begins another round, in a new session. The staged
 * files are still there, so it only copies them again, once it has the lock.
 *
 * **At most 20 statements wait for a lock**, and none for longer than LOCK_TIMEOUT. A load that is turned away waits outside, with
 * jitter, and begins another round; it neither reads the source nor uploads again.
 *
 * **No commit leaves a key twice.** The rows of the staged keys are counted in the whole target after the MERGE.
 *
 * **One of two live attempts wins.** An attempt rolls back if its interval's receipt isn't the one that it read before the
 * load.
 *
 * **Each statement may run twice.** The driver repeats a request whose answer was lost. A repeated MERGE writes the same
 * rows, the receipt is inserted only if it's missing, and BEGIN and COMMIT without a transaction do nothing.
 *
 * **A worker that sleeps.** Snowflake rolls back a transaction that blocks another one and is idle for 5 minutes; its session
 * continues without one. MERGE and INSERT then do nothing, and after the COMMIT the ledger is read again: only a
 * receipt that exists counts.
 *
 * **A COMMIT without an answer.** ROLLBACK follows on the same session: if the COMMIT never arrived, it ends the transaction;
 * otherwise it changes nothing. Then the ledger is read. Only if neither gets an answer is the outcome unknown, and the next
 * load of the batch settles it.
 *
 * https://docs.snowflake.com/en/sql-reference/transactions
 */
import { ReplayportError, retry } from "../../src/errors.ts";
import { intervalName } from "../../src/intervals/interval.ts";
import { type RetryPolicy, withRetries } from "../../src/retry.ts";
import type { Batch, Receipt, Totals } from "../destination.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { receiptOf } from "../receipts.ts";
import { timeRange } from "../warehouse/held_rows.ts";
import type { SnowflakeContext } from "./context.ts";
import { type Commit, COMMIT_MS, COMMIT_RETRY, expectWon, settle } from "../commit_outcome.ts";
import { lostRace } from "../races.ts";
import { ledgerKey, type LedgerEntry, microsOf, readEntry } from "./ledger.ts";
import { BEGIN, COMMIT, insertLock, insertReceipt, ROLLBACK, takeLock } from "./ledger_sql.ts";
import { doubledKeys } from "./mend.ts";
import { boundBy, findDoubled, findHeld, type MergeOptions, mergeStatements } from "./merge.ts";
import type { Stage } from "./stage.ts";
import { createStagingTable, fillStaging, type StagedBatch } from "./staging.ts";
import type { Purpose, Session } from "./statement.ts";

/** Rounds for the lock: more than the loads that may wait for one table. */
const LOCK_RETRY: RetryPolicy = { attempts: 40, firstDelayMs: 500, longestDelayMs: 15_000 };

/** A batch's rows, and where they go. */
export interface StagedRows {
  readonly files: StagedBatch;
  readonly into: Omit<MergeOptions, "range" | "transaction">;
}

export interface Prepared {
  /** The load's own session, with the rows in its staging table. */
  readonly session: Session;
  /** The ledger before anything was staged. */
  readonly before: LedgerEntry;
  readonly totals: Totals;
  /** Undefined if the batch has no rows. */
  readonly rows: StagedRows | undefined;
}

export function loadPurpose(batch: Batch): Purpose {
  return { export: batch.export, interval: intervalName(batch.interval), doing: "load" };
}

/**
 * If it rejects, the transaction may still be open: the caller must roll back before anything else on the session.
 */
export async function commitBatch(
  context: SnowflakeContext,
  batch: Batch,
  { session: first, before, totals, rows }: Prepared,
  signal: AbortSignal,
): Promise<Receipt> {
  const round = async (attempt: number): Promise<Receipt> => {
    if (attempt === 1) {
      return await commitIn(context, batch, { session: first, began: before, totals, rows }, signal);
    }
    await using session = await context.openSession(loadPurpose(batch), signal);
    await using stage = context.openStage(session);
    const began = await readEntry(context, session, batch.interval, signal);
    if (began.attempt !== before.attempt) throw lostRace(batch);
    if (!began.hasLock) await session.execute(insertLock(ledgerKey(context), context.now()), signal);
    if (rows) await createStagingTable(session, batch, rows.files, signal);
    return await commitIn(context, batch, { session, began, totals, rows, fillFrom: stage }, signal);
  };
  return await withRetries(round, { policy: LOCK_RETRY, retryable: isLocked }, signal);
}

interface Round extends Pick<Prepared, "session" | "totals" | "rows"> {
  /** What the session saw when it began. */
  readonly began: LedgerEntry;
  /** Copies the rows into the staging table, once the lock is taken. Undefined: they're there. */
  readonly fillFrom?: Stage;
}

/** @throws ReplayportError `snowflake.lock`, after a ROLLBACK, if the lock is taken or others have committed since the session began */
async function commitIn(context: SnowflakeContext, batch: Batch, round: Round, signal: AbortSignal): Promise<Receipt> {
  const { session, began, rows } = round;
  const key = ledgerKey(context);
  let receipt: Receipt;
  try {
    await session.execute(BEGIN, signal);
    const [locked] = await session.execute(takeLock(key, batch.attempt, context.now()), signal);
    if (!(Number(Object.values(locked ?? {})[0]) >= 1)) throw lockIsGone(context);
    const seen = await readEntry(context, session, batch.interval, signal);
    if (seen.commitCount !== began.commitCount + 1) {
      const { attempt } = await readInNewSession(context, batch, signal);
      throw attempt === began.attempt ? overtaken(context) : lostRace(batch);
    }
    const { transaction, lastCommit } = seen;
    if (seen.attempt !== began.attempt || transaction === undefined) throw lostRace(batch);
    if (rows && round.fillFrom) await fillStaging(session, round.fillFrom, batch, rows.files, signal);
    if (rows) await mergeRows(context, session, batch, { ...rows.into, transaction }, signal);
    const now = context.now();
    // Which of two receipts counts is seen by the time of their commits, so it only grows.
    const committedAt = lastCommit && lastCommit >= now ? new Date(lastCommit.getTime() + 1) : now;
    receipt = receiptOf(batch, round.totals, committedAt);
    const origin = { replayport: context.version, source: batch.sourceVersion };
    await session.execute(insertReceipt(key, receipt, origin, transaction), signal);
    signal.throwIfAborted();
  } catch (error) {
    // Nobody waits for a load that waits for its next round.
    if (isLocked(error)) await rollback(session);
    throw error;
  }
  // The caller's signal doesn't stop a COMMIT: an abort in the middle would leave its outcome open.
  expectWon(batch, await settle(sendCommit(context, session, batch), AbortSignal.timeout(COMMIT_MS)));
  return receipt;
}

/** @throws ReplayportError if the target has a staged key twice, before the MERGE or after it */
async function mergeRows(
  context: SnowflakeContext,
  session: Session,
  batch: Batch,
  into: Omit<MergeOptions, "range">,
  signal: AbortSignal,
): Promise<void> {
  const refuse = (doubled: unknown): void => {
    if (Number(doubled) > 0) throw doubledKeys(context.names, batch, into, Number(doubled));
  };
  const [found] = await session.execute(findHeld(batch, into), signal);
  refuse(found?.["DOUBLED"]);
  const micros = (column: string): bigint | undefined =>
    (found?.[column.toUpperCase()] ?? null) === null ? undefined : BigInt(microsOf(found, column.toUpperCase()));
  const range = boundBy(batch) === undefined ? undefined : timeRange(micros);
  for (const statement of mergeStatements(batch, { ...into, range })) await session.execute(statement, signal);
  const [after] = await session.execute(findDoubled(batch, into), signal);
  refuse(after?.["DOUBLED"]);
}

function isLocked(error: unknown): boolean {
  return error instanceof ReplayportError && error.code === "snowflake.lock";
}

function overtaken({ names }: SnowflakeContext): ReplayportError {
  return new ReplayportError(
    `other loads of ${names.table} have committed since the session began`,
    retry(
      "snowflake.lock",
      "Nothing is wrong: loads of one table commit one after the other. The batch is tried again.",
    ),
  );
}

/** Whether it was acknowledged. If not, the session's end rolls back. */
export async function rollback(session: Session): Promise<boolean> {
  try {
    await session.execute(ROLLBACK, cleanupDeadline());
    return true;
  } catch {
    return false;
  }
}

function sendCommit(context: SnowflakeContext, session: Session, batch: Batch): Commit<undefined> {
  return {
    send: async (signal) => {
      await session.execute(COMMIT, signal);
      return "open";
    },
    readBack: async (signal, error) => {
      const acknowledged = error === undefined;
      // Without an acknowledged COMMIT or ROLLBACK the COMMIT may still be on its way.
      const over = acknowledged || (await rollback(session));
      const { attempt } = over
        ? await readEntry(context, session, batch.interval, signal)
        : await readInNewSession(context, batch, signal);
      if (attempt === batch.attempt) return { outcome: "won", committed: undefined };
      if (acknowledged) return { outcome: "lost" };
      return over ? "absent" : "pending";
    },
    // After the ROLLBACK there's no transaction left to commit.
    policy: { ...COMMIT_RETRY, attempts: 1 },
  };
}

async function readInNewSession(context: SnowflakeContext, batch: Batch, signal: AbortSignal): Promise<LedgerEntry> {
  await using session = await context.openSession({ export: batch.export, doing: "ledger" }, signal);
  return await readEntry(context, session, batch.interval, signal);
}

function lockIsGone({ names }: SnowflakeContext): ReplayportError {
  return new ReplayportError(
    `the lock of ${names.table} is gone from ${names.lock}`,
    retry("snowflake.lock", `Something else removes rows from ${names.lock}; the next attempt adds it again.`),
  );
}
