/** A scheduler's part in the backfills: what nobody else has enqueued, because a worker died or Redis has lost something. */
import { giveUp, ReplayportError } from "../../errors.ts";
import type { FleetSettings } from "../fleet.ts";
import type { FleetOptions } from "../resources.ts";
import { type BackfillDependencies, enqueueNext, reopenFailed, requeueLost } from "./backfills.ts";

export interface TickBackfillsDependencies
  extends BackfillDependencies, Pick<FleetOptions, "exports">, Pick<FleetSettings, "retryAfterMs"> {
  /** Gets the error of one export; the others continue. */
  readonly onError: (exportName: string, error: unknown) => void;
}

/** How often all exports are asked whether they have a backfill. */
const EVERY_MINUTES = 10;

/** @param names only backfills of these exports, and only their next intervals */
export async function tickBackfills(
  dependencies: TickBackfillsDependencies,
  now: Date,
  signal: AbortSignal,
  names?: ReadonlySet<string>,
): Promise<void> {
  const { store, state, queue, exports, retryAfterMs, onError } = dependencies;
  const chosen = exports.map(({ name }) => name).filter((name) => names === undefined || names.has(name));
  const all = names === undefined ? await store.list(now) : [];
  if (names === undefined) await reopenFailed(all, new Set(chosen), retryAfterMs, dependencies);
  const listed = new Map(all.filter(({ state: of }) => of === "running").map((one) => [one.id, one.export]));
  // Each export's reservations say which backfills Redis no longer lists. That is a key for each of thousands of exports.
  const asksAll = names !== undefined || now.getUTCMinutes() % EVERY_MINUTES === 0;
  const ranges = await store.ranges(asksAll ? chosen : [...new Set(listed.values())]);
  const running = new Map(chosen.map((name) => [name, new Set(ranges.get(name)?.map(({ id }) => id))]));
  for (const [id, name] of listed) running.get(name)?.add(id);
  const busy = chosen.filter((name) => (running.get(name)?.size ?? 0) > 0);
  const states = await state.read(busy);
  for (const name of busy) {
    const paused = states.get(name)?.paused;
    const probe = paused?.probeAt !== undefined && paused.probeAt <= now;
    for (const id of running.get(name) ?? []) {
      try {
        if (names === undefined) await requeueLost(id, () => queue.names(), dependencies);
        await enqueueNext(id, dependencies, probe, signal);
      } catch (error) {
        signal.throwIfAborted();
        const isLost = error instanceof ReplayportError && error.code === "backfill.unknown";
        // Its reservation would keep the schedule from loading the range.
        if (isLost) await store.forget(id, name);
        onError(name, isLost ? lostBackfill(id) : error);
      }
    }
  }
}

function lostBackfill(id: string): ReplayportError {
  const hint =
    "Start it again: it loads what has no receipt. Set Redis' maxmemory-policy to noeviction, so that it drops no keys.";
  return new ReplayportError(`Redis has lost the record of backfill ${id}`, giveUp("backfill.lost", hint));
}
