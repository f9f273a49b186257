/** When an export's next interval is due, and how late the export is by its schedule, whatever its lag. Pure. */
import type { Schedule } from "./schedule.ts";

/** What an interval may take to be queued and loaded once it is due, before its export counts as late. */
export const LATE_AFTER_SECONDS = {
  /** A scheduler looks each minute. */
  fleet: 10 * 60,
  /** `run --due` from cron: often each hour. */
  cron: 60 * 60,
} as const;

export interface LatenessQuestion {
  readonly schedule: Schedule;
  readonly settleMs: number;
  readonly start: Date;
  readonly end?: Date | undefined;
}

export interface Lateness {
  /** Since the first interval after `loadedUntil` became due; 0 if it isn't due yet. */
  readonly lateSeconds: number;
  /** When the next interval becomes due; undefined if the schedule has no more ticks, or the export has ended. */
  readonly nextAt: Date | undefined;
}

/** @param loadedUntil everything from the export's start to here is loaded; undefined if nothing is */
export function lateness(of: LatenessQuestion, loadedUntil: Date | undefined, now: Date): Lateness {
  const { schedule, settleMs, start, end } = of;
  const dueAfter = (time: Date): Date | undefined => {
    if (end !== undefined && time >= end) return undefined;
    const tick = schedule.next(time);
    const closed = tick !== undefined && end !== undefined && end < tick ? end : tick;
    return closed && new Date(closed.getTime() + settleMs);
  };
  const first = dueAfter(loadedUntil ?? start);
  const settled = new Date(now.getTime() - settleMs);
  return {
    lateSeconds: first ? Math.max(0, (now.getTime() - first.getTime()) / 1000) : 0,
    nextAt: dueAfter(settled > start ? settled : start),
  };
}
