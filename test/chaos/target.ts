/** Where a story is loaded to. The property of convergence knows no more of a destination than this. */
import type { Destination } from "../../destinations/destination.ts";
import type { Row } from "./source_rows.ts";

export interface Place extends AsyncDisposable {
  /**
   * Another instance on the same place, as another worker would have it.
   * @param now the story's clock, which is also the clock of whoever writes the receipt's time
   * @param diesAt the step (a call of the store, a request) after which the worker is dead: nothing of it comes through any more
   */
  open(now: () => Date, diesAt?: number): Destination;
  /** The current row of each session, by key; a session that is there twice comes twice. */
  rows(): Promise<Row[]>;
  /** What a reader should see of a session: its row, or what is left of it where it was deleted. */
  shown(row: Row): Row;
}
