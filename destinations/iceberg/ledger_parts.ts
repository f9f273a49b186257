/**
 * Which receipts of a ledger a commit writes. With many receipts, most are in a base: a file that isn't written again with each
 * commit. The ledger's own file has those that have come since, its tail; which ones count follows from both
 * (destinations/current_receipts.ts). Pure.
 *
 * A year of hourly batches is 340 kB, which each hour would write again. With a base it's 340 kB in 12 hours, and up to 4 kB each hour.
 */
import { currentReceipts } from "../current_receipts.ts";
import type { Receipt } from "../destination.ts";
import type { LedgerBase } from "./ledger_file.ts";

/** 80 kB or so. Fewer are in one file. */
const MOST_WHOLE = 2_000;
/** Receipts that have come since the base was written. */
const MOST_TAIL = 100;
/** Engines that remove orphans go by age, and know nothing of our files: none that counts is older than this and the next commit. */
const OLDEST_BASE_MS = 12 * 3_600_000;

export interface LedgerParts {
  /** Undefined: there is none, or a new one of all receipts. */
  readonly base: LedgerBase | undefined;
  readonly isNewBase: boolean;
  readonly tail: readonly Receipt[];
}

/** @param receipts all that count @param base of the ledger before */
export function ledgerParts(receipts: readonly Receipt[], base: LedgerBase | undefined, now: Date): LedgerParts {
  if (receipts.length <= MOST_WHOLE) return { base: undefined, isNewBase: false, tail: receipts };
  if (base && Math.abs(now.getTime() - base.at.getTime()) < OLDEST_BASE_MS) {
    const there = new Set(base.receipts.map(idOf));
    const tail = receipts.filter((one) => !there.has(idOf(one)));
    if (tail.length <= MOST_TAIL && isSame(receiptsOf({ base, tail }), receipts)) {
      return { base, isNewBase: false, tail };
    }
  }
  return { base: undefined, isNewBase: true, tail: [] };
}

export function receiptsOf({ base, tail }: Pick<LedgerParts, "base" | "tail">): readonly Receipt[] {
  return base ? currentReceipts([...base.receipts, ...tail]) : tail;
}

function idOf({ attempt, interval, committedAt }: Receipt): string {
  return `${attempt} ${interval.start.getTime()} ${committedAt.getTime()}`;
}

function isSame(some: readonly Receipt[], others: readonly Receipt[]): boolean {
  return (
    some.length === others.length && some.every((one, at) => others[at] !== undefined && idOf(one) === idOf(others[at]))
  );
}
