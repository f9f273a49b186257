/** The ticks of schedules, remembered: cron rules take their time, and a scheduler asks for the same few each minute. */
import type { ExportDefinition } from "../../export/definition.ts";
import type { Schedule } from "../../intervals/schedule.ts";

/** Of each rule. */
const KEPT = 4_096;

export class Ticks {
  readonly #known = new Map<string, Map<number, Date | undefined>>();

  /** The same export, whose schedules share what they know with those of others that have the same rule. */
  remember(definition: ExportDefinition): ExportDefinition {
    const { schedule, sweep } = definition;
    const known = sweep && { ...sweep, schedule: this.#remember(sweep.schedule) };
    return { ...definition, schedule: this.#remember(schedule), sweep: known };
  }

  #remember(schedule: Schedule): Schedule {
    const rule = `${schedule.timezone} ${schedule.text}`;
    const known = this.#known.get(rule) ?? new Map<number, Date | undefined>();
    this.#known.set(rule, known);
    return {
      ...schedule,
      next: (after) => {
        const at = after.getTime();
        if (known.has(at)) return known.get(at);
        if (known.size >= KEPT) known.clear();
        const tick = schedule.next(after);
        known.set(at, tick);
        return tick;
      },
    };
  }
}
