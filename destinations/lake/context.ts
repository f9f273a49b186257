import type { LakeDeps, LakeExport } from "./options.ts";
import type { Store } from "../store/store.ts";

/** What every part of a lake works with: a store, an export and what was handed in. */
export interface LakeContext extends LakeDeps, LakeExport {
  readonly store: Store;
}

/** What is done in any ending gets a time of its own, since the caller's signal may be aborted already. */
export function ownDeadline(): AbortSignal {
  return AbortSignal.timeout(30_000);
}
