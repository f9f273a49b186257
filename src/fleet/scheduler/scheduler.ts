/**
 * The scheduler: at each tick it asks the pure `due` what is to load, and puts it into the queue. It remembers no tick; what
 * it holds in memory is the ledger, which is in the destination. Any number of schedulers may run: job ids and the
 * workers' own look at the ledger make the second one harmless.
 *
 * What happens to one interval:
 *
 * ```
 * not due ──(its end + settle passes)──► due ──(room in the queue)──► queued ──► … the worker's part …
 *                                         │ ▲                                        │
 *                    failed for good: held┘ └──(FailedInterval.retryAt passes, `retry`, `resume`)┘
 * ```
 *
 * Left out of a tick: what is in the queue already, what is held, what a running backfill has taken for itself, and
 * exports that are paused, but for one interval that probes whether the failure has passed.
 */
import { setImmediate as nextTime, setTimeout as sleep } from "node:timers/promises";
import type { Coverage, Destination } from "../../../destinations/destination.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { dueIntervals, loadedState } from "../../export/ledger.ts";
import { type Interval, sameInterval } from "../../intervals/interval.ts";
import { type BackfillDependencies, enqueueNext, reopenFailed, requeueLost } from "../backfills/backfills.ts";
import { hull, overlapsAny } from "../backfills/backfill_store.ts";
import { Ledgers } from "./ledger_cache.ts";
import type { Events } from "../events.ts";
import { jobId, type JobName, parseJobId } from "../redis/jobs.ts";
import { LedgerReads } from "./ledger_reads.ts";
import type { ExportState } from "../redis/state.ts";
import { encode } from "../redis/records.ts";
import { ScheduleCache } from "./schedule_cache.ts";

export interface SchedulerDependencies extends BackfillDependencies {
  readonly exports: readonly ExportDefinition[];
  readonly destination: (definition: ExportDefinition) => Destination;
  readonly events: Events;
  /** Live intervals of one export in the queue at once. */
  readonly liveInFlight: number;
  /** Milliseconds after which a backfill's intervals that failed for a passing reason are tried again. */
  readonly retryAfterMs: number;
  /** Gets what went wrong with one export; the others go on. */
  readonly onError: (exportName: string, error: unknown) => void;
}

/** An export that is further behind shows this many as due. */
const DUE_COUNTED = 1_000;
const GAPS_SHOWN = 20;
/** One interval is enqueued at most once in so long. */
const BRAKE_MS = 50_000;
/** What is shown of a ledger is written again after so long, in case Redis has lost it. */
const REWRITE_MS = 10 * 60_000;
/** Later than any clock says: time that is taken counts as loaded and swept. */
const FAR = new Date("9999-01-01T00:00:00Z");
/** Exports that are looked at without a break. */
const YIELD_EVERY = 250;
/** A tick waits so long for destinations. */
const PATIENCE_MS = 2_000;

/** What is in the queue of one export. */
interface Taken {
  readonly live: readonly Interval[];
  readonly all: readonly Interval[];
}

/** What Redis says of one export. */
interface Known {
  readonly taken: Taken;
  readonly reserved: readonly Interval[];
  readonly state: ExportState | undefined;
}

export class Scheduler {
  /** Called when the answer of a slow destination has come, after its tick: the export is to be looked at again. */
  onLate: (exportName: string) => void = () => undefined;
  readonly #dependencies: SchedulerDependencies;
  readonly #ledgers = new Ledgers();
  readonly #ledgerReads = new LedgerReads();
  readonly #written = new Map<string, { readonly text: string; readonly at: Date }>();
  /** When a job was last put into the queue: a brake for the case that a worker sees the ledger or the clock otherwise. */
  readonly #recent = new Map<string, number>();

  constructor(dependencies: SchedulerDependencies) {
    const schedules = new ScheduleCache();
    this.#dependencies = { ...dependencies, exports: dependencies.exports.map((one) => schedules.wrap(one)) };
  }

  /**
   * Reads the ledgers that it does not know, and enqueues what is due. Waits a little for destinations; what takes longer
   * goes on by itself. Rejects where Redis does; what an export's destination says goes to `onError`.
   * @param names these exports only
   * @returns how many jobs it asked for
   */
  async tick(now: Date, signal: AbortSignal, names?: ReadonlySet<string>): Promise<number> {
    const began = performance.now();
    const { events, exports } = this.#dependencies;
    const chosen = exports.filter(({ name }) => names === undefined || names.has(name));
    const due = new Map<ExportDefinition, number | undefined>();
    for await (const definition of yielding(chosen)) due.set(definition, this.#due(definition, now)?.length);
    const waiting = chosen.filter((definition) => due.get(definition) !== 0);
    const known = await this.#known(waiting);
    this.#brakeEnds(now);
    const asked = waiting.filter(
      (one) => !this.#ledgers.get(one.name) || this.#free(one, known(one.name), now).length > 0,
    );
    let enqueued = 0;
    await this.#patiently(asked, signal, async (definition, either) => {
      const count = await this.#look(definition, known(definition.name), now, signal, either);
      enqueued += count ?? 0;
      return count !== undefined;
    });
    for (const definition of waiting)
      if (due.get(definition) === undefined) due.set(definition, this.#due(definition, now)?.length);
    await this.#tell(due, known, now);
    events.emit({ kind: "tick", export: "", at: now, seconds: (performance.now() - began) / 1000, enqueued });
    return enqueued;
  }

  /** A worker has loaded this. */
  loaded(name: string, interval: Interval, committedAt: Date): void {
    const definition = this.#dependencies.exports.find((one) => one.name === name);
    if (definition) this.#ledgers.add(definition, { interval, committedAt });
  }

  /**
   * What was enqueued a moment ago may be enqueued again: somebody wants the export looked at now, or Redis may have lost
   * its jobs.
   * @param name of an export; undefined: all of them
   */
  release(name?: string): void {
    for (const id of this.#recent.keys()) {
      if (name === undefined || parseJobId(id)?.export === name) this.#recent.delete(id);
    }
  }

  /** Feeds the running backfills, brings back intervals whose jobs are gone, and those whose failure may have passed. */
  async tickBackfills(now: Date, names?: ReadonlySet<string>): Promise<void> {
    const { store, state, queue, exports, retryAfterMs } = this.#dependencies;
    const chosen = exports.map(({ name }) => name).filter((name) => names === undefined || names.has(name));
    if (names === undefined) await reopenFailed(new Set(chosen), retryAfterMs, this.#dependencies);
    const ranges = await store.ranges(chosen);
    const busy = chosen.filter((name) => (ranges.get(name)?.length ?? 0) > 0);
    const states = await state.read(busy);
    for (const name of busy) {
      const paused = states.get(name)?.paused;
      const probe = paused?.probeAt !== undefined && paused.probeAt <= now;
      for (const { id } of ranges.get(name) ?? []) {
        if (names === undefined) await requeueLost(id, () => queue.names(), this.#dependencies);
        if (!paused || probe) await enqueueNext(id, this.#dependencies, probe);
      }
    }
  }

  /** Undefined where the ledger was not read yet. */
  #due(definition: ExportDefinition, now: Date, more: readonly Coverage[] = []): Interval[] | undefined {
    const covered = this.#ledgers.get(definition.name);
    return covered && dueIntervals(definition, [...covered, ...more], now, DUE_COUNTED);
  }

  async #known(definitions: readonly ExportDefinition[]): Promise<(name: string) => Known> {
    const nothing: Known = { taken: { live: [], all: [] }, reserved: [], state: undefined };
    if (definitions.length === 0) return () => nothing;
    const { state, store, queue } = this.#dependencies;
    const names = definitions.map(({ name }) => name);
    const [states, ranges, jobs] = await Promise.all([
      state.read(names),
      store.ranges(names),
      queue.names(new Set(names)),
    ]);
    const taken = takenBy(jobs.map(({ name }) => name));
    return (name) => ({
      taken: taken.get(name) ?? nothing.taken,
      reserved: (ranges.get(name) ?? []).map(({ range }) => range),
      state: states.get(name),
    });
  }

  /** @param look resolves with whether the destination answered */
  async #patiently(
    definitions: readonly ExportDefinition[],
    signal: AbortSignal,
    look: (definition: ExportDefinition, signal: AbortSignal) => Promise<boolean>,
  ): Promise<void> {
    let isOver = false;
    const failures: unknown[] = [];
    const looks = definitions.map(async (definition) => {
      try {
        const answered = await this.#ledgerReads.run(
          definition,
          async (either) => await look(definition, either),
          signal,
        );
        if (isOver && answered === true && !signal.aborted) this.onLate(definition.name);
      } catch (error) {
        failures.push(error);
      }
    });
    const enough = new AbortController();
    const late = sleep(PATIENCE_MS, undefined, { signal: enough.signal }).catch(() => undefined);
    await Promise.race([Promise.all(looks), late]);
    enough.abort();
    isOver = true;
    signal.throwIfAborted();
    if (failures.length > 0) throw failures[0];
  }

  /** @returns how many jobs it asked for; undefined where the destination did not answer */
  async #look(
    definition: ExportDefinition,
    known: Known,
    now: Date,
    signal: AbortSignal,
    either: AbortSignal,
  ): Promise<number | undefined> {
    const { queue, state, events } = this.#dependencies;
    const { name } = definition;
    let intervals: Interval[];
    try {
      const destination = this.#dependencies.destination(definition);
      if (!this.#ledgers.get(name)) await this.#ledgers.readAll(definition, destination, now, either);
      const range = hull(this.#free(definition, known, now));
      if (!range) return 0;
      // The ledger may know more than this process: another scheduler's workers, a run by hand.
      await this.#ledgers.readRange(definition, destination, range, now, either);
      intervals = this.#free(definition, known, now);
    } catch (error) {
      signal.throwIfAborted();
      this.#dependencies.onError(name, either.aborted ? either.reason : error);
      return undefined;
    }
    await state.clearFailed(name, this.#settled(definition, known.state, now));
    if (intervals.length === 0) return 0;
    const probe = isProbe(known.state, now);
    const request = { export: name, backfill: undefined, force: false, allowFewer: false, probe };
    await queue.add(intervals.map((interval) => ({ ...request, interval })));
    for (const interval of intervals) {
      const run = jobId(name, interval);
      this.#recent.delete(run);
      this.#recent.set(run, now.getTime());
      events.emit({ kind: "enqueued", export: name, interval, run, at: now });
    }
    return intervals.length;
  }

  /** What may be enqueued now, as far as this process knows the ledger. */
  #free(definition: ExportDefinition, { taken, reserved, state }: Known, now: Date): Interval[] {
    const { name } = definition;
    if (state?.paused && !isProbe(state, now)) return [];
    // Where the last run failed, one at a time shows whether the next does: workers are for those that succeed.
    const most = (state?.failuresInRow ?? 0) > 0 || isProbe(state, now) ? 1 : this.#dependencies.liveInFlight;
    const room = most - taken.live.length;
    if (room <= 0) return [];
    const mustWait = isProbe(state, now) ? [] : waitingToRetry(state, now);
    const more = reserved.map((interval) => ({ interval, committedAt: FAR }));
    const blocked = (one: Interval): boolean =>
      overlapsAny(one, taken.all) ||
      mustWait.some((other) => sameInterval(one, other)) ||
      this.#recent.has(jobId(name, one));
    const free: Interval[] = [];
    for (const one of this.#due(definition, now, more) ?? []) {
      if (free.length === room) break;
      if (!blocked(one)) free.push(one);
    }
    return free;
  }

  /** FailedInterval intervals that are not due any more: somebody has loaded them otherwise, or the schedule has changed. */
  #settled(definition: ExportDefinition, state: ExportState | undefined, now: Date): Interval[] {
    if (!state || state.failedIntervals.length === 0) return [];
    const due = this.#due(definition, now);
    if (!due || due.length >= DUE_COUNTED) return [];
    return state.failedIntervals.map(({ interval }) => interval).filter((one) => !overlapsAny(one, due));
  }

  #brakeEnds(now: Date): void {
    for (const [id, at] of this.#recent) {
      // A clock that was set back ends the brake as well.
      if (Math.abs(now.getTime() - at) < BRAKE_MS) return;
      this.#recent.delete(id);
    }
  }

  async #tell(
    due: ReadonlyMap<ExportDefinition, number | undefined>,
    known: (name: string) => Known,
    now: Date,
  ): Promise<void> {
    const { events, state } = this.#dependencies;
    const changed = [];
    for await (const [definition, count] of yielding(due)) {
      const { name } = definition;
      const redis = known(name).state;
      const isPaused = redis?.paused !== undefined;
      const covered = this.#ledgers.get(name);
      if (count === undefined || !covered) {
        // What another scheduler saw, or this one before it was started again: a ledger that cannot be read is no reason for silence.
        const { loadedUntil, due: before = 0, gapCount = 0 } = { ...redis?.ledger };
        const lagSeconds = Math.max(0, (now.getTime() - (loadedUntil ?? definition.start).getTime()) / 1000);
        events.emit({ kind: "lag", export: name, at: now, lagSeconds, due: before, gaps: gapCount, paused: isPaused });
        continue;
      }
      const { loadedUntil, lagSeconds, gaps } = loadedState(definition, covered, now);
      events.emit({ kind: "lag", export: name, at: now, lagSeconds, due: count, gaps: gaps.length, paused: isPaused });
      const snapshot = { due: count, loadedUntil, gaps: gaps.slice(0, GAPS_SHOWN), gapCount: gaps.length };
      const text = encode(snapshot);
      const before = this.#written.get(name);
      if (before?.text === text && now.getTime() - before.at.getTime() < REWRITE_MS) continue;
      changed.push({ export: name, ledger: { ...snapshot, at: now } });
      this.#written.set(name, { text, at: now });
    }
    await state.writeLedgers(changed);
  }
}

/** Lets others of this process have their turn in between: with 10,000 exports, a tick is a second of work. */
async function* yielding<T>(items: Iterable<T>): AsyncGenerator<T> {
  let count = 0;
  for (const item of items) {
    count += 1;
    if (count % YIELD_EVERY === 0) await nextTime();
    yield item;
  }
}

/** Whether the export is paused and one interval is to show whether the failure has passed. */
function isProbe(state: ExportState | undefined, now: Date): boolean {
  const probeAt = state?.paused?.probeAt;
  return probeAt !== undefined && probeAt <= now;
}

/** Failed intervals that must wait. A sweep over one of them is a different interval and may run. */
function waitingToRetry(state: ExportState | undefined, now: Date): Interval[] {
  return (state?.failedIntervals ?? [])
    .filter(({ retryAt }) => retryAt === undefined || retryAt > now)
    .map(({ interval }) => interval);
}

function takenBy(names: readonly JobName[]): Map<string, Taken> {
  const taken = new Map<string, { live: Interval[]; all: Interval[] }>();
  for (const name of names) {
    const of = taken.get(name.export) ?? { live: [], all: [] };
    of.all.push(name.interval);
    if (name.backfill === undefined) of.live.push(name.interval);
    taken.set(name.export, of);
  }
  return taken;
}
