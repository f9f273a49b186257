/** Where a story is loaded to. The property of convergence knows no more of a destination than this. */
import type { Destination } from "../../destinations/destination.ts";
import type { Condition } from "../../src/models/model.ts";
import type { Crash } from "./crash.ts";
import type { Row } from "./replay_rows.ts";

export interface OpenTarget {
  /** The path template of the export, for a target that has files. */
  readonly path: string;
  /** At which step the worker of this instance is killed. */
  readonly crash?: Crash | undefined;
  /** Carries out each step of a target that has files, or doesn't; in place of `crash`. */
  readonly around?: Crash["step"] | undefined;
  /** Awaited after each step that changes what readers may see. For a target that has files. */
  readonly onChange?: (() => Promise<void>) | undefined;
  /** How long what was replaced stays. */
  readonly keepReplacedMs?: number;
  /** Who loads. */
  readonly installation?: string;
}

export interface ChaosTarget extends AsyncDisposable {
  /**
   * Another instance on the same target, as another worker would have it.
   * @param now the story's clock, which is also the clock of whoever writes the receipt's time
   */
  open(now: () => Date, more: OpenTarget): Destination;
  /**
   * The current row of each session, by key, with its version; a session that is there twice comes twice. In a lake also the
   * rows with `matches` false, which readers don't get.
   */
  rows(): Promise<Row[]>;
  /** What a reader should see of a session: its row, or what is left of it where it was deleted. */
  shown(row: Row): Row;
  /** Of a target that has files. */
  readonly files?: ChaosFiles;
}

export interface ChaosFiles {
  /** Data files that are visible, and of those that a manifest lists as superfluous, when that was committed. */
  list(): Promise<{ readonly data: readonly string[]; readonly removable: ReadonlyMap<string, Date> }>;
  /** The keys of the sessions that have a row in it. */
  keysOf(file: string): Promise<readonly string[]>;
  remove(file: string): Promise<void>;
  /** As if all files had been copied just now, by something that doesn't keep their times. */
  restamp(now: Date): Promise<void>;
  /** What people get: the answer of a query engine to the printed SQL. Undefined if files are visible that it doesn't cover. */
  query(where: readonly Condition[]): Promise<Row[] | undefined>;
}
