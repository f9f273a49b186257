/** Where a story is loaded to. The property of convergence knows no more of a destination than this. */
import type { Destination } from "../../destinations/destination.ts";
import type { Crash } from "./crash.ts";
import type { Row } from "./replay_rows.ts";

export interface OpenTarget {
  /** The path template of the export, for a target that has files. */
  readonly path: string;
  /** At which step the worker of this instance is killed. */
  readonly crash?: Crash | undefined;
  /** Someone reads the target during the load: what is replaced stays for now. */
  readonly isWatched: boolean;
}

export interface ChaosTarget extends AsyncDisposable {
  /**
   * Another instance on the same target, as another worker would have it.
   * @param now the story's clock, which is also the clock of whoever writes the receipt's time
   */
  open(now: () => Date, more: OpenTarget): Destination;
  /** The current row of each session, by key, with its version; a session that is there twice comes twice. */
  rows(): Promise<Row[]>;
  /** What a reader should see of a session: its row, or what is left of it where it was deleted. */
  shown(row: Row): Row;
}
