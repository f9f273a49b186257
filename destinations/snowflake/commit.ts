/**
 * The transaction of a load.
 *
 *     BEGIN → take the lock → look at the ledger → MERGE → DELETE receipts → INSERT the receipt → COMMIT → look again
 *
 * **Loads of one target commit one after the other.** Taking the lock is an UPDATE of the row of a table that belongs to the
 * target, so whoever comes second waits there until the first one has committed or rolled back. What comes after it sees
 * what the first one did: a statement sees what was committed before it began (READ COMMITTED). The MERGE must not be the
 * one that waits: it would have begun before the other's rows were committed, and might insert a session that is there by
 * now. A DELETE of receipts would not do as a lock: it locks nothing where it finds nothing. Every load takes lock, target
 * and ledger in this order, so no two of them wait for each other.
 *
 * **One of two live attempts wins.** If the receipt of its interval is not the one that it read before the load, an attempt
 * rolls back.
 *
 * **A session may lag slightly** behind what other sessions have committed since it began, but never behind its own
 * writes. The lock's row counts the commits, so after the UPDATE a load knows whether others have committed since it began;
 * where they have, it asks the ledger in a new session, which sees all that was committed before it.
 *
 * **Each statement may run twice.** The driver sends a request again whose answer was lost. A MERGE writes its own rows
 * again as they are, the receipt is inserted where it is not there, BEGIN and COMMIT without a transaction do nothing.
 *
 * **A worker that sleeps.** Snowflake rolls back a transaction that blocks another one and is idle for 5 minutes, and its
 * session continues without one. MERGE, DELETE and INSERT do nothing then, and after the COMMIT the ledger is read
 * once more: only a receipt that is there counts.
 *
 * **A COMMIT without an answer.** ROLLBACK follows on the same session: it undoes a COMMIT that never came, and changes
 * nothing after one that did. Then the ledger tells. Only where neither can be asked is the outcome unknown; the next load
 * of the batch settles it.
 *
 * https://docs.snowflake.com/en/sql-reference/transactions
 */
import { ReplayportError, retry } from "../../src/errors.ts";
import type { Batch, Receipt } from "../destination.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { SnowflakeContext } from "./context.ts";
import { type Commit, COMMIT_RETRY, expectWon, settle } from "../commit_outcome.ts";
import { lostRace } from "../races.ts";
import { ledgerKey, type LedgerEntry, readEntry } from "./ledger.ts";
import { BEGIN, COMMIT, deleteReceipts, insertReceipt, ROLLBACK, takeLock } from "./ledger_sql.ts";
import type { Session, Statement } from "./statement.ts";

const COMMIT_MS = 120_000;

/**
 * Where it rejects, the transaction may still be open: the caller rolls back before it does anything else on the session.
 * @param mergeRows undefined where the batch has no rows
 */
export async function commitBatch(
  context: SnowflakeContext,
  session: Session,
  batch: Batch,
  receipt: Receipt,
  before: LedgerEntry,
  mergeRows: ((transaction: string) => Statement) | undefined,
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
  if (mergeRows) await session.execute(mergeRows(transaction), signal);
  await session.execute(deleteReceipts(key, batch.interval, transaction), signal);
  const versions = { version: context.version, sourceVersion: batch.sourceVersion };
  await session.execute(insertReceipt(key, receipt, { ...versions, transaction }), signal);
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
