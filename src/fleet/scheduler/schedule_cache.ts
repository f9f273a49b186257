/** Caches the ticks of schedules: evaluating cron rules is slow, and the scheduler needs the same few ticks every minute. */
import type { ExportDefinition } from "../../export/definition.ts";
import type { Schedule } from "../../intervals/schedule.ts";

/** Per rule. A full cache is emptied. */
const CACHED_TICKS = 4_096;

export class ScheduleCache {
  readonly #ticks = new Map<string, Map<number, Date | undefined>>();

  /** The same export with cached schedules. Exports with the same rule share their ticks. */
  wrap(definition: ExportDefinition): ExportDefinition {
    const { schedule, sweep, audit } = definition;
    const cachedSweep = sweep && { ...sweep, schedule: this.#cached(sweep.schedule) };
    const cachedAudit = audit && { ...audit, schedule: this.#cached(audit.schedule) };
    return { ...definition, schedule: this.#cached(schedule), sweep: cachedSweep, audit: cachedAudit };
  }

  #cached(schedule: Schedule): Schedule {
    const rule = `${schedule.timezone} ${schedule.text}`;
    const ticks = this.#ticks.get(rule) ?? new Map<number, Date | undefined>();
    this.#ticks.set(rule, ticks);
    return {
      ...schedule,
      next: (after) => {
        const at = after.getTime();
        if (ticks.has(at)) return ticks.get(at);
        if (ticks.size >= CACHED_TICKS) ticks.clear();
        const tick = schedule.next(after);
        ticks.set(at, tick);
        return tick;
      },
    };
  }
}
