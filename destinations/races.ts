/**
 * How an attempt ends that isn't the one whose rows count. Two attempts of one batch may be alive at once, so none of these
 * is a fault; the core tries again, and finds the batch loaded.
 */
import { messageOf, ReplayportError, retry } from "../src/errors.ts";
import { describeInterval } from "../src/intervals/interval.ts";
import { isFromFuture } from "../src/intervals/watermark.ts";
import type { Batch } from "./destination.ts";

/** Which batch, for a message: `replays, 2026-10-01 00:00 to 01:00 UTC`. */
export function describeBatch({ export: exportName, interval }: Pick<Batch, "export" | "interval">): string {
  return `${exportName}, ${describeInterval(interval)}`;
}

export function lostRace(batch: Batch): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: another attempt loaded it first`,
    retry(
      "load.lost_race",
      "Nothing is wrong: two attempts were running, and the other one won. This one changed nothing.",
    ),
  );
}

/**
 * Whether what the destination has was read later than the batch. A receipt from the future doesn't count: a wrong clock wrote
 * it, and it must not stop the right one until the future has come.
 */
export function isReadLater(committed: Date, { readAt }: Pick<Batch, "readAt">, now: Date): boolean {
  return committed > readAt && !isFromFuture(committed, now);
}

/** @param committed when the source was read for what the destination has */
export function olderRead(batch: Batch, committed: Date): ReplayportError {
  return new ReplayportError(
    `${describeBatch(batch)}: read at ${batch.readAt.toISOString()}, but a read from ${committed.toISOString()} is already loaded`,
    retry(
      "load.older_read",
      "Nothing is wrong: another attempt read the source later and committed first. This one changed nothing.",
    ),
  );
}

export function commitUnknown(batch: Batch, cause: unknown): ReplayportError {
  return new ReplayportError(`${describeBatch(batch)}: can't tell whether it was committed: ${messageOf(cause)}`, {
    ...retry("load.commit_unknown", "The batch is there in full or not at all. Its next load finds out which."),
    cause,
  });
}
