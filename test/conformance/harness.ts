/** What a destination gives to the conformance suite, and what the suite works with. */
import type { Batch, Destination } from "../../destinations/destination.ts";
import type { Crash } from "../support/crash.ts";

/** A row as a reader of the destination sees it. */
export interface SeenRow {
  readonly session: string;
  readonly value: number;
  readonly version: number;
}

/** An empty place of a destination, made for one case. */
export interface Target extends AsyncDisposable {
  /** Each call opens another instance on the same place, as another worker would. */
  open(): Promise<Destination>;
  /** The current rows, by session: what somebody sees who asks this very moment. Rows that are there twice come twice. */
  rows(): Promise<SeenRow[]>;
  /** Names of everything in the place that is neither committed nor needed to tell what is: there should be none. */
  leftovers(): Promise<string[]>;
  /** All that is stored beside the rows, as text, to be searched for secrets. */
  ledgerText(): Promise<string>;
  /** What must not be in it. */
  readonly secrets: readonly string[];
  /** For a harness with `crash`. */
  readonly crashing?: CrashingTarget;
}

/** What a test of crashes needs to know of a target. */
export interface CrashingTarget {
  /** A destination on the same target whose worker crashes. */
  open(crash: Crash): Promise<Destination>;
  /** Resolves when the server has finished what a dead worker sent. Default: it has by the time that the load rejects. */
  settle?(): Promise<void>;
  /** Ends the sessions that dead workers left open. */
  endSessions?(): Promise<void>;
  /** The rows for a reader that ignores the ledger: after a crash old or new ones, but one of each session. */
  looseRows?(): Promise<SeenRow[]>;
  /** How many data files of a batch such a reader sees. */
  visibleFiles?(batch: Batch): Promise<number>;
}

export interface CrashSteps {
  /** A load has at most this many steps. */
  readonly steps: number;
  /** Steps per test. */
  readonly block: number;
  /** How many crashes must leave the old batches and the new one, so that both sides of the commit are known to be tried; and how many files of dead attempts readers must see. */
  readonly atLeast: { readonly old: number; readonly new: number; readonly dead?: number };
}

export interface Harness {
  /** The destination's `type` in the config. */
  readonly type: string;
  /** Whether it counts the rows of a file itself, and so finds that a file has other rows than were staged. */
  readonly countsRows: boolean;
  /** Undefined where the same code crashes in another harness, or a crash can't be staged. */
  readonly crash?: CrashSteps;
  open(): Promise<Target>;
  /** Destinations with which no load could work, such as one for a bucket that does not exist. At least one. */
  openBroken(): Promise<Destination[]>;
}

/** The harness, or why it cannot be had here and what would help. */
export type HarnessResult = Harness | { readonly skip: string };

export interface Case {
  readonly name: string;
  /** Why the case does not apply. */
  readonly skip?: (harness: Harness) => string | undefined;
  /** Rejects where the promise is not kept. `signal` ends a case that hangs. */
  readonly run: (harness: Harness, signal: AbortSignal) => Promise<void>;
}
