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
 *                    failed for good: held┘ └──(Held.until passes, `retry`, `resume`)┘
 * ```
 *
 * Left out of a tick: what is in the queue already, what is held, what a running backfill has taken for itself, and
 * exports that are paused, but for one interval that probes whether the failure has passed.
 */
import pLimit from "p-limit";
import type { Coverage, Destination } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { dueIntervals } from "../export/ledger.ts";
import { type Interval, sameInterval } from "../intervals/interval.ts";
import { type BackfillDependencies, feed, recover } from "./backfills.ts";
import { hull, overlapsAny } from "./backfill_store.ts";
import { Ledgers, factsOf } from "./coverage.ts";
import type { Events } from "./events.ts";
import { jobId, type JobName, type JobRequest, parseJobId } from "./jobs.ts";
import type { ExportState } from "./state.ts";
import { write } from "./stored.ts";

export interface SchedulerDependencies extends BackfillDependencies {
  readonly exports: readonly ExportDefinition[];
  readonly destination: (definition: ExportDefinition) => Destination;
  readonly events: Events;
  /** Live intervals of one export in the queue at once. */
  readonly liveInFlight: number;
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
/** Ledgers that are read at the same time. */
const READERS = 8;

/** What is in the queue of one export. */
interface Taken {
  readonly live: readonly Interval[];
  readonly all: readonly Interval[];
}

export class Scheduler {
  readonly #dependencies: SchedulerDependencies;
  readonly #ledgers = new Ledgers();
  readonly #written = new Map<string, { readonly text: string; readonly at: Date }>();
  readonly #limit = pLimit(READERS);
  /** When a job was last put into the queue: a brake for the case that a worker sees the ledger or the clock otherwise. */
  readonly #recent = new Map<string, number>();

  constructor(dependencies: SchedulerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Reads the ledgers. An export whose destination does not answer is left to the ticks to come. */
  async start(signal: AbortSignal): Promise<void> {
    const { exports } = this.#dependencies;
    await this.#limit.map(exports, (definition) => this.#known(definition, signal));
    signal.throwIfAborted();
  }

  /**
   * Enqueues what is due. Rejects where Redis does; what an export's destination says goes to `onError`.
   * @param names these exports only
   * @returns how many jobs it asked for
   */
  async tick(now: Date, signal: AbortSignal, names?: ReadonlySet<string>): Promise<number> {
    const began = performance.now();
    const { events } = this.#dependencies;
    const chosen = this.#dependencies.exports.filter(({ name }) => names === undefined || names.has(name));
    const due = new Map<ExportDefinition, number>();
    for (const definition of chosen) {
      // Those that could not be read at the start.
      if (!this.#ledgers.get(definition.name) && !(await this.#known(definition, signal))) continue;
      due.set(definition, dueIntervals(definition, this.#covered(definition), now, DUE_COUNTED).length);
    }
    const waiting = [...due].filter(([, count]) => count > 0).map(([definition]) => definition);
    const found = waiting.length > 0 ? await this.#enqueue(waiting, now, signal) : { enqueued: 0, paused: new Set() };
    await this.#tell(due, found.paused, now);
    events.emit({
      kind: "tick",
      export: "",
      at: now,
      seconds: (performance.now() - began) / 1000,
      enqueued: found.enqueued,
    });
    return found.enqueued;
  }

  /** A worker has loaded this. */
  loaded(name: string, interval: Interval, committedAt: Date): void {
    const definition = this.#dependencies.exports.find((one) => one.name === name);
    if (definition) this.#ledgers.add(definition, { interval, committedAt });
  }

  /** Somebody wants the export looked at now: what was enqueued a moment ago may be enqueued again. */
  release(name: string): void {
    for (const id of this.#recent.keys()) if (parseJobId(id)?.export === name) this.#recent.delete(id);
  }

  /** Feeds the running backfills, and brings back intervals whose jobs are gone. */
  async tendBackfills(now: Date, names?: ReadonlySet<string>): Promise<void> {
    const { store, state, queue, exports } = this.#dependencies;
    const chosen = exports.map(({ name }) => name).filter((name) => names === undefined || names.has(name));
    const ranges = await store.ranges(chosen);
    const busy = chosen.filter((name) => (ranges.get(name)?.length ?? 0) > 0);
    const states = await state.read(busy);
    for (const name of busy) {
      const paused = states.get(name)?.paused;
      const probe = paused?.probeAt !== undefined && paused.probeAt <= now;
      for (const { id } of ranges.get(name) ?? []) {
        if (names === undefined) await recover(id, () => queue.names(), this.#dependencies);
        if (!paused || probe) await feed(id, this.#dependencies, probe);
      }
    }
  }

  async #known(definition: ExportDefinition, signal: AbortSignal): Promise<boolean> {
    try {
      const destination = this.#dependencies.destination(definition);
      await this.#ledgers.readAll(definition, destination, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#dependencies.onError(definition.name, error);
      return false;
    }
  }

  async #enqueue(
    definitions: readonly ExportDefinition[],
    now: Date,
    signal: AbortSignal,
  ): Promise<{ enqueued: number; paused: Set<string> }> {
    const { state, store, queue, events } = this.#dependencies;
    const names = definitions.map(({ name }) => name);
    for (const [id, at] of this.#recent) {
      // A clock that was set back ends the brake as well.
      if (Math.abs(now.getTime() - at) >= BRAKE_MS) this.#recent.delete(id);
    }
    const [states, ranges, jobs] = await Promise.all([state.read(names), store.ranges(names), queue.names()]);
    const taken = takenBy(jobs.map(({ name }) => name));
    const requests = await this.#limit.map(definitions, async (definition): Promise<JobRequest[]> => {
      const mine = taken.get(definition.name) ?? { live: [], all: [] };
      const known = states.get(definition.name);
      const reserved = (ranges.get(definition.name) ?? []).map(({ range }) => range);
      try {
        return await this.#choose(definition, mine, reserved, known, now, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#dependencies.onError(definition.name, error);
        return [];
      }
    });
    const all = requests.flat();
    await queue.add(all);
    for (const { export: name, interval } of all) {
      this.#recent.set(jobId(name, interval), now.getTime());
      events.emit({ kind: "enqueued", export: name, interval, run: jobId(name, interval), at: now });
    }
    return { enqueued: all.length, paused: new Set(names.filter((name) => states.get(name)?.paused)) };
  }

  async #choose(
    definition: ExportDefinition,
    taken: Taken,
    reserved: readonly Interval[],
    state: ExportState | undefined,
    now: Date,
    signal: AbortSignal,
  ): Promise<JobRequest[]> {
    const paused = state?.paused;
    const probe = paused?.probeAt !== undefined && paused.probeAt <= now;
    if (paused && !probe) return [];
    const room = (probe ? 1 : this.#dependencies.liveInFlight) - taken.live.length;
    if (room <= 0) return [];
    const held = probe ? [] : heldNow(state, now);
    const free = (): Interval[] => {
      const covered = [...this.#covered(definition), ...reserved.map((interval) => ({ interval, committedAt: FAR }))];
      const due = dueIntervals(definition, covered, now, DUE_COUNTED);
      const blocked = (one: Interval): boolean =>
        overlapsAny(one, taken.all) ||
        held.some((other) => sameInterval(one, other)) ||
        this.#recent.has(jobId(definition.name, one));
      return due.filter((one) => !blocked(one)).slice(0, room);
    };
    const range = hull(free());
    if (!range) return [];
    // The ledger may know more than this process: another scheduler's workers, a run by hand.
    await this.#ledgers.readRange(definition, this.#dependencies.destination(definition), range, signal);
    const request = { export: definition.name, backfill: undefined, force: false, allowFewer: false, probe };
    return free().map((interval) => ({ ...request, interval }));
  }

  #covered({ name }: ExportDefinition): readonly Coverage[] {
    return this.#ledgers.get(name) ?? [];
  }

  async #tell(due: ReadonlyMap<ExportDefinition, number>, paused: ReadonlySet<unknown>, now: Date): Promise<void> {
    const { events, state } = this.#dependencies;
    const changed = [];
    for (const [definition, count] of due) {
      const { name } = definition;
      const { loadedUntil, lagSeconds, gaps } = factsOf(definition, this.#covered(definition), now);
      const isPaused = paused.has(name);
      events.emit({ kind: "lag", export: name, at: now, lagSeconds, due: count, gaps: gaps.length, paused: isPaused });
      const snapshot = { due: count, loadedUntil, gaps: gaps.slice(0, GAPS_SHOWN), gapCount: gaps.length };
      const text = write(snapshot);
      const before = this.#written.get(name);
      if (before?.text === text && now.getTime() - before.at.getTime() < REWRITE_MS) continue;
      changed.push({ export: name, ledger: { ...snapshot, at: now } });
      this.#written.set(name, { text, at: now });
    }
    await state.writeLedgers(changed);
  }
}

/** Held intervals whose time has not come; a sweep over one of them is another interval, and may run. */
function heldNow(state: ExportState | undefined, now: Date): Interval[] {
  return (state?.held ?? []).filter(({ until }) => until === undefined || until > now).map(({ interval }) => interval);
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
