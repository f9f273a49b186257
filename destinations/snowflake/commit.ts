/**
 * The transaction of a load.
 *
 *     BEGIN → take the lock → read the ledger → MERGE → DELETE receipts → INSERT the receipt → COMMIT → read it again
 *
 * **Loads of one target commit one after the other.** Taking the lock is an UPDATE of one row in the target's lock table, so
 * a second load waits there until the first one has committed or rolled back. The statements after it see what the first one
 * did: a statement sees what was committed before it began (READ COMMITTED). The MERGE must not be the statement that waits:
 * it would have begun before the other's rows were committed, and might insert a session that exists by now. A DELETE of
 * receipts wouldn't work as a lock: if it finds no row, it locks nothing. Every load takes lock, target and ledger in this
 * order, so no two of them wait for each other.
 *
 * **One of two live attempts wins.** An attempt rolls back if its interval's receipt isn't the one that it read before the
 * load.
 *
 * **A session may lag slightly** behind what other sessions have committed since it began, but never behind its own
 * writes. The lock's row counts the commits, so after the UPDATE a load knows whether others have committed since it began.
 * If they have, it reads the ledger in a new session, which sees everything that was committed before.
 *
 * **Each statement may run twice.** The driver repeats a request whose answer was lost. A repeated MERGE writes the same
 * rows, the receipt is inserted only if it's missing, and BEGIN and COMMIT without a transaction do nothing.
 *
 * **A worker that sleeps.** Snowflake rolls back a transaction that blocks another one and is idle for 5 minutes; its session
 * continues without one. MERGE, DELETE and INSERT then do nothing, and after the COMMIT the ledger is read again: only a
 * receipt that exists counts.
 *
 * **A COMMIT without an answer.** ROLLBACK follows on the same session: if the COMMIT never arrived, it ends the transaction;
 * otherwise it changes nothing. Then the ledger is read. Only if neither gets an answer is the outcome unknown, and the next
 * load of the batch settles it.
 *
 * https://docs.snowflake.com/en/sql-reference/transactions
 */
import { ReplayportError, retry } from "../../src/errors.ts";
import type { Batch, Receipt } from "../destination.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { SnowflakeContext } from "./context.ts";
import { type Commit, COMMIT_MS, COMMIT_RETRY, expectWon, settle } from "../commit_outcome.ts";
import { lostRace } from "../races.ts";
import { ledgerKey, type LedgerEntry, readEntry } from "./ledger.ts";
import { BEGIN, COMMIT, deleteReceipts, insertReceipt, ROLLBACK, takeLock } from "./ledger_sql.ts";
import type { Session, Statement } from "./statement.ts";

/**
 * If it rejects, the transaction may still be open: the caller must roll back before anything else on the session.
 * @param mergeRows undefined if the batch has no rows
 */
export async function commitBatch(
  context: SnowflakeContext,
  session: Session,
  batch: Batch,
  receipt: Receipt,
  before: LedgerEntry,
  mergeRows: ((transaction: string) => readonly Statement[]) | undefined,
  signal: AbortSignal,
): Promise<void> {
  const key = ledgerKey(context);
  await session.execute(BEGIN, signal);
  const [locked] = await session.execute(takeLock(key, batch.attempt, context.now()), signal);
  if (!(Number(Object.values(locked ?? {})[0]) >= 1)) throw lockIsGone(context);
  const seen = await readEntry(context, session, batch.interval, signal);
  const now = seen.commitCount === before.commitCount + 1 ? seen : await readInNewSession(context, batch, signal);
  const { transaction } = seen;
  if (now.attempt !== before.attempt || transaction === undefined) throw lostRace(batch);
  for (const statement of mergeRows?.(transaction) ?? []) await session.execute(statement, signal);
  await session.execute(deleteReceipts(key, batch.interval, transaction), signal);
  const origin = { replayport: context.version, source: batch.sourceVersion };
  await session.execute(insertReceipt(key, receipt, origin, transaction), signal);
  signal.throwIfAborted();
  // The caller's signal doesn't stop a COMMIT: an abort in the middle would leave its outcome open.
  const outcome = await settle(sendCommit(context, session, batch), AbortSignal.timeout(COMMIT_MS));
  expectWon(batch, outcome);
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
