/**
 * Commits a change, and finds out what became of the commit where the answer doesn't say.
 *
 * A try is computed from the table as it is, at snapshot S, and its request asserts that `main` is S. So it's applied once or
 * never, and only to what it was computed from.
 *
 * | the answer                                | what it proves                             | next                               |
 * |-------------------------------------------|--------------------------------------------|------------------------------------|
 * | 200                                       | committed                                  | won                                |
 * | 4xx but 408, 409, 425, 429, first sending | never applied                              | remove what the try wrote, reject  |
 * | anything else, or none                    | nothing: 409 also answers our own request, | read back                          |
 * |                                           | sent again by somebody in between          |                                    |
 *
 * | read back                                                     | next                                                  |
 * |---------------------------------------------------------------|-------------------------------------------------------|
 * | our snapshot is there, or the ledger names our attempt        | won                                                   |
 * | neither, and `main` isn't S                                   | lost for good: remove the try, and compute another one |
 * | neither, and `main` is S                                      | it may be under way: send the same bytes again        |
 * | can't be read                                                 | unknown: remove nothing, reject with `retry`          |
 *
 * The ledger is the second witness: somebody may have expired our snapshot by the time that it's looked for, and its files
 * would be taken for those of a lost try.
 *
 * A try of which a request may still be under way is never removed, even if it has lost: `main` could be rolled back to S, and
 * the request arrive then. Such files are orphans, which `gc` finds.
 *
 * Commits of one table take turns within a process. Across processes they retry with jitter.
 */
import pLimit, { type LimitFunction } from "p-limit";
import { ReplayportError, retry } from "../../src/errors.ts";
import { type RetryPolicy, withRetries } from "../../src/retry.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { COMMIT_MS, type CommitOutcome, type ReadBack, settle } from "../commit_outcome.ts";
import type { LoadedTable } from "../catalog/catalog.ts";
import type { Change } from "./change.ts";
import type { IcebergContext } from "./context.ts";
import { unneededFiles } from "./expiry.ts";
import { type CurrentLedger, currentLedger } from "./ledger.ts";
import { tryNames, type Work } from "./names.ts";
import { readState, type TableState } from "./snapshot.ts";
import { loadTable } from "./tables.ts";
import { type CommitTry, writeCommit } from "./write_commit.ts";

/** With the others' loads in between: their commits take a second or so each. */
const CONFLICT_RETRY: RetryPolicy = { attempts: 8, firstDelayMs: 200, longestDelayMs: 5_000 };

export interface Committed {
  readonly committedAt: Date;
  /** What the commit was computed from. */
  readonly state: TableState;
  readonly change: Change;
}

/** What there is when a change is computed. */
export interface Basis {
  readonly state: TableState;
  readonly ledger: CurrentLedger;
}

/** @returns `lost`: another attempt has done it, and this one must not. Rejects where the change can't be made at all */
export type MakeChange = (basis: Basis, signal: AbortSignal) => Promise<Change | "lost">;

const turns = new Map<string, LimitFunction>();

/** @param make called for each try, since the table has changed by then */
export async function commitChange(
  context: IcebergContext,
  work: Work,
  make: MakeChange,
  signal: AbortSignal,
): Promise<CommitOutcome<Committed>> {
  const name = `${context.catalog.name} ${context.tableName}`;
  const turn = turns.get(name) ?? pLimit(1);
  turns.set(name, turn);
  return await turn(async () => {
    try {
      const attempt = async (tries: number) => await tryOnce(context, work, tries, make, signal);
      return await withRetries(
        attempt,
        { policy: CONFLICT_RETRY, retryable: (error) => error instanceof Conflict },
        signal,
      );
    } catch (error) {
      return { outcome: "refused", error: error instanceof Conflict ? tooManyConflicts(context) : error };
    }
  });
}

/** Somebody else committed first. */
class Conflict extends Error {
  override readonly name = "Conflict";
}

async function tryOnce(
  context: IcebergContext,
  work: Work,
  tries: number,
  make: MakeChange,
  signal: AbortSignal,
): Promise<CommitOutcome<Committed>> {
  const loaded = await loadTable(context, signal);
  if (!loaded) throw vanished(context);
  const state = await readState(context, loaded, signal);
  const ledger = await currentLedger(context, state.storage, loaded.metadata, signal);
  const change = await make({ state, ledger }, signal);
  if (change === "lost") return { outcome: "lost" };

  const files: string[] = [];
  let written: CommitTry;
  try {
    written = await writeCommit(context, state, change, tryNames(loaded.metadata.location, work, tries), files, signal);
    signal.throwIfAborted();
  } catch (error) {
    await removeTry(context, state, files);
    throw error;
  }
  // From here on an abort would leave the outcome open.
  const { inDoubt, result } = await send(context, work, state, written);
  switch (result.outcome) {
    case "won":
      await removeExpired(context, state, written);
      return { outcome: "won", committed: { committedAt: written.committedAt, state, change } };
    case "lost":
      if (!inDoubt()) await removeTry(context, state, files);
      throw new Conflict();
    case "refused":
      // An earlier sending may still arrive.
      if (inDoubt()) return { ...result, outcome: "unknown" };
      await removeTry(context, state, files);
      return result;
    case "unknown":
      return result;
    default:
      return result satisfies never;
  }
}

async function send(
  context: IcebergContext,
  { attempt }: Work,
  { snapshot, metadata }: TableState,
  { body, snapshotId }: CommitTry,
): Promise<{ readonly inDoubt: () => boolean; readonly result: CommitOutcome<undefined> }> {
  const won = { outcome: "won", committed: undefined } as const;
  /** Whether a request wasn't answered: it may arrive later. */
  let unanswered = false;
  /** Whether any answer so far leaves open what became of its request. */
  let open = false;
  const post = async (signal: AbortSignal): Promise<CommitOutcome<undefined>> => {
    const answer = await context.catalog.commit(context.table, body, signal);
    switch (answer.answer) {
      case "won":
        return won;
      case "refused":
        if (!open) return { outcome: "refused", error: answer.error };
        throw answer.error;
      case "unknown":
        open = true;
        unanswered ||= answer.status === undefined || answer.status >= 500 || answer.status === 408;
        throw answer.error;
      default:
        return answer satisfies never;
    }
  };
  const readBack = async (signal: AbortSignal): Promise<ReadBack<undefined>> => {
    const now = await context.catalog.loadTable(context.table, signal);
    // Dropped, and maybe made again: what was committed is gone with it.
    if (!now || now.metadata.uuid !== metadata.uuid) return { outcome: "lost" };
    if (now.metadata.snapshots.some(({ id }) => id === snapshotId)) return won;
    if (await hasCommitted(context, now, attempt, snapshotId, signal)) return won;
    return now.metadata.currentSnapshotId === snapshot?.id ? "pending" : { outcome: "lost" };
  };
  const result = await settle({ send: post, readBack }, AbortSignal.timeout(COMMIT_MS));
  return { inDoubt: () => unanswered, result };
}

async function hasCommitted(
  context: IcebergContext,
  now: LoadedTable,
  attempt: string,
  snapshotId: bigint,
  signal: AbortSignal,
): Promise<boolean> {
  const ledger = await currentLedger(context, context.storage(now), now.metadata, signal);
  return ledger.snapshotId === snapshotId || ledger.commits.some((commit) => commit.attempt === attempt);
}

async function removeTry(context: IcebergContext, { storage }: TableState, files: readonly string[]): Promise<void> {
  await storage.delete(files, cleanupDeadline()).catch((error: unknown) => {
    const detail = { export: context.export, table: context.tableName, error };
    context.onWarning("can't remove the files of a commit that wasn't made; `replayport gc` finds them", detail);
  });
}

/** Never rejects: the change is committed. */
async function removeExpired(context: IcebergContext, state: TableState, { expired }: CommitTry): Promise<void> {
  if (expired.length === 0) return;
  const signal = cleanupDeadline();
  try {
    await state.storage.delete(await unneededFiles(state, expired, signal), signal);
  } catch (error) {
    const detail = { export: context.export, table: context.tableName, error };
    context.onWarning("can't remove all files of expired snapshots; `replayport gc` finds them", detail);
  }
}

function tooManyConflicts({ tableName }: IcebergContext): ReplayportError {
  return new ReplayportError(
    `${tableName}: others committed first, ${CONFLICT_RETRY.attempts} times`,
    retry("iceberg.conflicts", "Something else writes to the table all the time. Let maintenance run less often."),
  );
}

function vanished({ tableName }: IcebergContext): ReplayportError {
  return new ReplayportError(
    `${tableName} was dropped during the load`,
    retry("iceberg.table_dropped", "The next load creates it again."),
  );
}
