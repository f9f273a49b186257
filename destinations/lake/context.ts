import type { DestinationDeps } from "../destination.ts";
import type { Store } from "../store/store.ts";

/** What every part of a lake works with. */
export interface LakeContext extends DestinationDeps {
  readonly store: Store;
  readonly export: string;
  /** The template of the folders of data files. */
  readonly path: string;
  /** How long replaced files stay for queries that have listed them. */
  readonly keepReplacedMs: number;
}
