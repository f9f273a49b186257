/**
 * The scheduler: each tick asks the pure `due` what to load and enqueues it. It remembers no tick. All it keeps in memory is a
 * copy of the ledger, which is in the destination. Any number of schedulers may run: job ids are unique, and workers check the
 * ledger themselves, so a second one does no harm.
 *
 * What happens to one interval:
 *
 * ```
 * not due ──(its end + settle passes)──► due ──(room in the queue)──► queued ──► … the worker's part …
 *                                         │ ▲                                        │
 *                         failed for good┘ └──(FailedInterval.retryAt passes, `retry`, `resume`)──┘
 * ```
 *
 * An audit is one more job, whose id ends with `/audit`. When it has ended, the ledger is read again, since it may have found hours
 * that lack rows. Workers load those although they have a receipt (`force`).
 *
 * A tick skips what is already queued, failed intervals that must wait, the range of a running backfill, and paused exports,
 * except for one interval that probes whether the failure has passed.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Coverage } from "../../../destinations/destination.ts";
import { auditIsDue } from "../../audit/audit.ts";
import { type Audit, lackingOf } from "../../audit/receipt.ts";
import { lastAuditOf } from "../../audit/summary.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { dueIntervals, lagOf, type LedgerState, loadedState } from "../../export/ledger.ts";
import { type Interval, overlaps, sameInterval } from "../../intervals/interval.ts";
import { tickBackfills, type TickBackfillsDependencies } from "../backfills/tick_backfills.ts";
import { hull, overlapsAny } from "../backfills/backfill_store.ts";
import { Ledgers } from "./ledger_cache.ts";
import type { Events } from "../events.ts";
import { auditRunId, type JobName, parseJobId, runId } from "../redis/jobs.ts";
import { LedgerReads } from "./ledger_reads.ts";
import type { ExportState } from "../redis/state.ts";
import type { FleetOptions } from "../resources.ts";
import { ScheduleCache } from "./schedule_cache.ts";

export interface SchedulerDependencies
  extends TickBackfillsDependencies, Pick<FleetOptions, "exports" | "destination" | "agreedNow"> {
  readonly events: Events;
  /** Live intervals of one export in the queue at once. */
  readonly liveInFlight: number;
}

/** An export that is further behind shows this many as due. */
const DUE_COUNTED = 1_000;
const DUE_TRIED = 32;
const GAPS_SHOWN = 20;
/** An interval isn't enqueued again within this time. */
const BRAKE_MS = 50_000;
/** The ledger's summary is stored again after this time, in case Redis has lost it. */
const REWRITE_MS = 10 * 60_000;
/** Exports that are processed before other work of this process gets a chance to run. */
const YIELD_EVERY = 250;
/** How long a tick waits for slow destinations. */
const WAIT_MS = 2_000;
const DAY_MS = 86_400_000;

/** One export's intervals in the queue. */
interface Taken {
  readonly live: readonly Interval[];
  readonly all: readonly Interval[];
  readonly audits: readonly Interval[];
}

/** What of a ledger was last stored for `status`, and what it was made of. */
interface Written extends Pick<LedgerState, "loadedUntil" | "gaps"> {
  readonly covered: readonly Coverage[];
  readonly due: number;
  readonly audit: Audit | undefined;
  readonly at: Date;
}

/** What Redis knows about one export. */
interface Known {
  readonly taken: Taken;
  readonly reserved: readonly Interval[];
  readonly state: ExportState | undefined;
}

export class Scheduler {
  /** Called when a slow destination has answered after its tick: the export needs another one. */
  onLate: (exportName: string) => void = () => undefined;
  readonly #dependencies: SchedulerDependencies;
  readonly #ledgers = new Ledgers();
  readonly #ledgerReads = new LedgerReads();
  readonly #written = new Map<string, Written>();
  /** When a job was last enqueued. Stops a tight enqueue loop if a worker disagrees about the ledger or the clock. */
  readonly #recent = new Map<string, number>();

  constructor(dependencies: SchedulerDependencies) {
    const schedules = new ScheduleCache();
    this.#dependencies = { ...dependencies, exports: dependencies.exports.map((one) => schedules.wrap(one)) };
  }

  /**
   * Enqueues what is due:
   * 1. Compute what is due from the ledgers in memory. An export with nothing due costs nothing more, so an idle tick asks
   *    neither Redis nor a destination.
   * 2. For the rest, read from Redis what is queued, failed, paused or reserved by a backfill.
   * 3. For exports that may enqueue something, read the ledger: all of it the first time, then only the range in question.
   *    Wait two seconds; a slower read continues, and `onLate` asks for another tick.
   * 4. Enqueue what is still due and free.
   * 5. Store what changed for `status`, and raise the events for lag and the tick.
   *
   * Rejects if Redis fails. If a destination fails, `onError` gets the error and the other exports continue.
   * @param names only these exports
   * @returns how many jobs were enqueued
   */
  async tick(now: Date, signal: AbortSignal, names?: ReadonlySet<string>): Promise<number> {
    const began = performance.now();
    const { events, exports } = this.#dependencies;
    const chosen = exports.filter(({ name }) => names === undefined || names.has(name));
    const due = new Map<ExportDefinition, number | undefined>();
    for await (const definition of yielding(chosen)) due.set(definition, this.#due(definition, now)?.length);
    const waiting = chosen.filter((one) => due.get(one) !== 0 || this.#dueAudit(one, now) !== undefined);
    const known = await this.#known(waiting);
    this.#forgetOldEnqueues(now);
    const isFree = (one: ExportDefinition): boolean =>
      this.#free(one, known(one.name), now).length > 0 || this.#freeAudit(one, known(one.name), now) !== undefined;
    const asked = waiting.filter((one) => !this.#ledgers.get(one.name) || isFree(one));
    let enqueued = 0;
    await this.#withinWait(asked, signal, async (definition, either) => {
      const count = await this.#look(definition, known(definition.name), now, signal, either);
      enqueued += count ?? 0;
      return count !== undefined;
    });
    for (const one of waiting) if (due.get(one) === undefined) due.set(one, this.#due(one, now)?.length);
    await this.#report(due, known, now);
    events.emit({ kind: "tick", export: "", at: now, seconds: (performance.now() - began) / 1000, enqueued });
    return enqueued;
  }

  /** Adds what a worker has loaded to the ledger in memory. */
  loaded(name: string, covered: Coverage): void {
    const definition = this.#dependencies.exports.find((one) => one.name === name);
    if (definition) this.#ledgers.add(definition, covered);
  }

  /** An audit has ended, so something else may be due. */
  audited(name: string): void {
    this.#ledgers.forget(name);
  }

  /**
   * Lets intervals that were just enqueued be enqueued again: somebody ran `retry` or `resume`, or Redis may have lost its jobs.
   * @param name an export; undefined: all of them
   */
  release(name?: string): void {
    for (const id of this.#recent.keys()) {
      if (name === undefined || parseJobId(id)?.export === name) this.#recent.delete(id);
    }
  }

  /** Enqueues the next intervals of running backfills, those whose jobs were lost, and those whose failure may have passed. */
  async tickBackfills(now: Date, signal: AbortSignal, names?: ReadonlySet<string>): Promise<void> {
    await tickBackfills(this.#dependencies, now, signal, names);
  }

  /** Undefined before the ledger was read. */
  #due(
    definition: ExportDefinition,
    now: Date,
    reserved: readonly Interval[] = [],
    limit = DUE_COUNTED,
  ): Interval[] | undefined {
    const covered = this.#ledgers.get(definition.name);
    const lacking = lackingOf(this.#ledgers.audit(definition.name));
    return covered && dueIntervals(definition, covered, now, { limit, reserved, lacking });
  }

  /** The days that an audit compares, if one is due and something is loaded. */
  #dueAudit(definition: ExportDefinition, now: Date): Interval | undefined {
    const { name, audit, start } = definition;
    const last = this.#ledgers.audit(name);
    if (!audit || !this.#ledgers.get(name)?.length || !auditIsDue(definition, last, now)) return undefined;
    const end = audit.schedule.next(last?.readAt ?? start) ?? now;
    return { start: new Date(end.getTime() - audit.days * DAY_MS), end };
  }

  #freeAudit(definition: ExportDefinition, { taken, state }: Known, now: Date): Interval | undefined {
    const interval = this.#dueAudit(definition, now);
    if (!interval || state?.paused || taken.audits.length > 0) return undefined;
    if (waitingToRetry(state, now).some((other) => sameInterval(interval, other))) return undefined;
    return this.#recent.has(auditRunId(definition.name, interval)) ? undefined : interval;
  }

  async #known(definitions: readonly ExportDefinition[]): Promise<(name: string) => Known> {
    const nothing: Known = { taken: { live: [], all: [], audits: [] }, reserved: [], state: undefined };
    if (definitions.length === 0) return () => nothing;
    const { state, store, queue } = this.#dependencies;
    const names = definitions.map(({ name }) => name);
    const asked = [state.read(names), store.ranges(names), queue.names(new Set(names))] as const;
    const [states, ranges, jobs] = await Promise.all(asked);
    const taken = takenBy(jobs.map(({ name }) => name));
    return (name) => ({
      taken: taken.get(name) ?? nothing.taken,
      reserved: (ranges.get(name) ?? []).map(({ range }) => range),
      state: states.get(name),
    });
  }

  /** Runs `look` for each export and waits for WAIT_MS at most. @param look resolves with whether the destination answered */
  async #withinWait(
    definitions: readonly ExportDefinition[],
    signal: AbortSignal,
    look: (definition: ExportDefinition, signal: AbortSignal) => Promise<boolean>,
  ): Promise<void> {
    let isOver = false;
    const failures: unknown[] = [];
    const looks = definitions.map(async (definition) => {
      try {
        const answered = await this.#ledgerReads.run(definition, (either) => look(definition, either), signal);
        if (isOver && answered === true && !signal.aborted) this.onLate(definition.name);
      } catch (error) {
        failures.push(error);
      }
    });
    const enough = new AbortController();
    const late = sleep(WAIT_MS, undefined, { signal: enough.signal }).catch(() => undefined);
    await Promise.race([Promise.all(looks), late]);
    enough.abort();
    isOver = true;
    signal.throwIfAborted();
    if (failures.length > 0) throw failures[0];
  }

  /** @returns how many jobs were enqueued; undefined if the destination did not answer */
  async #look(
    definition: ExportDefinition,
    known: Known,
    now: Date,
    signal: AbortSignal,
    either: AbortSignal,
  ): Promise<number | undefined> {
    const { queue, state, events } = this.#dependencies;
    const { name } = definition;
    let intervals: Interval[] = [];
    let audit: Interval | undefined;
    try {
      const destination = this.#dependencies.destination(definition);
      if (!this.#ledgers.get(name)) await this.#ledgers.readAll(definition, destination, now, either);
      audit = this.#freeAudit(definition, known, now);
      if (this.#free(definition, known, now).length > 0) {
        const agreed = await this.#dependencies.agreedNow(definition, either);
        const range = hull(this.#free(definition, known, agreed));
        // Others may have loaded something: another scheduler's workers, or `replayport run`.
        if (range) await this.#ledgers.readRange(definition, destination, range, now, either);
        intervals = this.#free(definition, known, agreed);
      }
    } catch (error) {
      signal.throwIfAborted();
      this.#dependencies.onError(name, either.aborted ? either.reason : error);
      return undefined;
    }
    await state.clearFailed(name, this.#settled(definition, known.state, now));
    const probe = isProbe(known.state, now);
    // What an audit found lacking has a receipt, so a worker would take it for loaded.
    const lacking = lackingOf(this.#ledgers.audit(name));
    const request = { export: name, backfill: undefined, audit: false, force: false, probe };
    const requests = [
      ...intervals.map((interval) => ({
        ...request,
        interval,
        force: lacking.some((one) => overlaps(one.interval, interval)),
      })),
      ...(audit ? [{ ...request, interval: audit, audit: true }] : []),
    ];
    await queue.add(requests);
    for (const { interval, audit: isAudit } of requests) {
      const run = isAudit ? auditRunId(name, interval) : runId(name, interval);
      this.#recent.delete(run);
      this.#recent.set(run, now.getTime());
      events.emit({ kind: "enqueued", export: name, interval, run, at: now });
    }
    return requests.length;
  }

  /** What may be enqueued now, by the ledger in memory. */
  #free(definition: ExportDefinition, { taken, reserved, state }: Known, now: Date): Interval[] {
    const { name } = definition;
    if (state?.paused && !isProbe(state, now)) return [];
    // After a failure, one at a time is enough to see whether the next one succeeds. Workers should serve other exports.
    const most = (state?.failuresInRow ?? 0) > 0 || isProbe(state, now) ? 1 : this.#dependencies.liveInFlight;
    const room = most - taken.live.length;
    if (room <= 0) return [];
    const mustWait = isProbe(state, now) ? [] : waitingToRetry(state, now);
    const blocked = (one: Interval): boolean =>
      overlapsAny(one, taken.all) ||
      mustWait.some((other) => sameInterval(one, other)) ||
      this.#recent.has(runId(name, one));
    // The oldest are enough, unless most of them are blocked. Cutting all that is due after an outage takes longer than loading one.
    const within = (limit: number): Interval[] => {
      const due = this.#due(definition, now, reserved, limit) ?? [];
      const free: Interval[] = [];
      for (const one of due) {
        if (free.length === room) return free;
        if (!blocked(one)) free.push(one);
      }
      const hasMore = due.length === limit && limit < DUE_COUNTED && free.length < room;
      return hasMore ? within(DUE_COUNTED) : free;
    };
    return within(DUE_TRIED);
  }

  /** Failed intervals that are no longer due: somebody else has loaded them, or the schedule has changed. */
  #settled(definition: ExportDefinition, state: ExportState | undefined, now: Date): Interval[] {
    if (!state || state.failedIntervals.length === 0) return [];
    const due = this.#due(definition, now);
    if (!due || due.length >= DUE_COUNTED) return [];
    return state.failedIntervals.map(({ interval }) => interval).filter((one) => !overlapsAny(one, due));
  }

  #forgetOldEnqueues(now: Date): void {
    for (const [id, at] of this.#recent) {
      // Also ends if the clock was set back.
      if (Math.abs(now.getTime() - at) < BRAKE_MS) return;
      this.#recent.delete(id);
    }
  }

  async #report(
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
        // Report what another scheduler saw, or this one before a restart: the lag matters most while a ledger can't be read.
        const { loadedUntil, due: before = 0, gapCount = 0 } = { ...redis?.ledger };
        const lagSeconds = lagOf(definition, loadedUntil, now);
        events.emit({ kind: "lag", export: name, at: now, lagSeconds, due: before, gaps: gapCount, paused: isPaused });
        continue;
      }
      const found = this.#ledgers.audit(name);
      const before = this.#written.get(name);
      const isSame = before?.covered === covered && before.due === count && before.audit === found;
      // Of 10,000 exports, few have changed since the last tick.
      const isStored = isSame && now.getTime() - before.at.getTime() < REWRITE_MS;
      const { loadedUntil, gaps } = isStored ? before : loadedState(definition, covered, now);
      const lagSeconds = lagOf(definition, loadedUntil, now);
      events.emit({ kind: "lag", export: name, at: now, lagSeconds, due: count, gaps: gaps.length, paused: isPaused });
      if (isStored) continue;
      this.#written.set(name, { covered, due: count, audit: found, loadedUntil, gaps, at: now });
      const audit = found && lastAuditOf(found);
      const shown = { due: count, loadedUntil, gaps: gaps.slice(0, GAPS_SHOWN), gapCount: gaps.length, audit };
      changed.push({ export: name, ledger: { ...shown, at: now } });
    }
    await state.writeLedgers(changed);
  }
}

/** Yields to the event loop now and then: with 10,000 exports, a tick is a second of work. */
async function* yielding<T>(items: Iterable<T>): AsyncGenerator<T> {
  let count = 0;
  for (const item of items) {
    count += 1;
    if (count % YIELD_EVERY === 0) await nextTurn();
    yield item;
  }
}

/** Whether the export is paused and it is time to try one interval. */
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
  const taken = new Map<string, { live: Interval[]; all: Interval[]; audits: Interval[] }>();
  for (const name of names) {
    const of = taken.get(name.export) ?? { live: [], all: [], audits: [] };
    // An audit loads nothing, so it's in nobody's way.
    if (name.audit) of.audits.push(name.interval);
    else of.all.push(name.interval);
    if (name.backfill === undefined && !name.audit) of.live.push(name.interval);
    taken.set(name.export, of);
  }
  return taken;
}
