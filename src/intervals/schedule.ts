/**
 * A schedule cuts time: its ticks are the ends of the data intervals. It doesn't know what has run; receipts do.
 */
import { Cron } from "croner";
import { ReplayportError, giveUp, messageOf } from "../errors.ts";

export interface Schedule {
  /** As written in the config. */
  readonly text: string;
  readonly timezone: string;
  /** The first tick after the given time; undefined if there is none. */
  next(after: Date): Date | undefined;
}

const MINUTE_MS = 60_000;
const EVERY = /^(?:@every|every)\s+(\d+)\s*(?:m|min|minutes?)$/;

/** What a schedule may be, for error messages and the docs. */
export const SCHEDULE_FORMS =
  "@hourly, @daily, @weekly, @monthly, 'every 5 minutes' (a divisor of 60), or a cron line of five fields";

/** A field of a cron line: values, ranges, lists and steps. */
const cronField = (value: string): string => `(?:0*${value}(?![0-9])|/[0-9]+|[-*?,+#LWlw])+`;
const CRON_LINE = [
  cronField("[0-5]?[0-9]"),
  cronField("(?:1?[0-9]|2[0-3])"),
  cronField("(?:[12]?[0-9]|3[01])"),
  cronField("(?:[0-9]|1[0-2]|[A-Za-z]{3})"),
  cronField("(?:[0-7]|[A-Za-z]{3})"),
].join(String.raw`\s+`);
const EVERY_PATTERN = String.raw`@?every\s+0*(?:[1-6]|1[025]|20|30|60)\s*(?:m|min|minutes?)`;

/** For editors. It takes each text that `parseSchedule` takes, and a few that only croner can judge, such as 30 February. */
export const SCHEDULE_PATTERN = String.raw`^\s*(?:@hourly|@daily|@weekly|@monthly|${EVERY_PATTERN}|${CRON_LINE})\s*$`;

const PRESETS: ReadonlyMap<string, string> = new Map([
  ["@daily", "0 0 * * *"],
  ["@weekly", "0 0 * * 1"],
  ["@monthly", "0 0 1 * *"],
]);

/** Ticks at every multiple of the step since the epoch: no time zone moves them, since zones differ by whole minutes. */
function fixed(text: string, timezone: string, stepMs: number): Schedule {
  return { text, timezone, next: (after) => new Date((Math.floor(after.getTime() / stepMs) + 1) * stepMs) };
}

function invalid(text: string, cause?: unknown): ReplayportError {
  const reason = cause === undefined ? "" : ` (${messageOf(cause).replace(/^CronPattern:\s*/, "")})`;
  return new ReplayportError(`not a schedule: "${text}"${reason}`, {
    ...giveUp("schedule.invalid", `Write ${SCHEDULE_FORMS}.`),
    cause,
  });
}

/**
 * @param timezone an IANA name; it shifts the ticks of days, weeks, months and cron lines. If the clock is set forward past
 *   a tick, the tick comes at the jump; if it is set back, the tick comes once. So ticks always move forward.
 * @throws ReplayportError if the text is not a schedule, never ticks, or the time zone is unknown
 */
export function parseSchedule(text: string, timezone = "UTC"): Schedule {
  const key = JSON.stringify([text, timezone]);
  const known = SCHEDULES.get(key);
  if (known) return known;
  const schedule = parse(text, timezone);
  SCHEDULES.set(key, schedule);
  return schedule;
}

/** Immutable. A calendar takes milliseconds to make, and a thousand exports share a few schedules. */
const SCHEDULES = new Map<string, Schedule>();

function parse(text: string, timezone: string): Schedule {
  const trimmed = text.trim();
  const every = EVERY.exec(trimmed);
  if (every) {
    const minutes = Number(every[1]);
    if (minutes < 1 || 60 % minutes !== 0) throw invalid(text);
    return fixed(text, timezone, minutes * MINUTE_MS);
  }
  if (trimmed === "@hourly") return fixed(text, timezone, 60 * MINUTE_MS);
  const pattern = PRESETS.get(trimmed) ?? trimmed;
  if (pattern.split(/\s+/).length !== 5) throw invalid(text);
  let cron: Cron;
  try {
    cron = new Cron(pattern, { timezone, paused: true, mode: "5-part" });
    if (!cron.nextRun(new Date(0))) throw new Error("it names a day that never comes");
  } catch (cause) {
    throw invalid(text, cause);
  }
  return { text, timezone, next: (after) => cron.nextRun(after) ?? undefined };
}

/** How far apart ticks may be: a cron line can name 29 February. */
const LONGEST_MS = 9 * 366 * 86_400_000;

/** The last tick at or before the time; undefined if there is none within nine years. */
export function lastTick(schedule: Schedule, time: Date): Date | undefined {
  for (let back = MINUTE_MS; back < 2 * LONGEST_MS; back *= 2) {
    let tick = schedule.next(new Date(time.getTime() - back));
    if (tick === undefined || tick > time) continue;
    for (let next = schedule.next(tick); next !== undefined && next <= time; next = schedule.next(tick)) tick = next;
    return tick;
  }
  return undefined;
}

/** The units that a backfill may join its intervals to. */
export const JOIN_UNITS = ["hour", "day", "week", "month"] as const;
export type JoinUnit = (typeof JOIN_UNITS)[number];

export function unitSchedule(unit: JoinUnit, timezone: string): Schedule {
  return parseSchedule({ hour: "@hourly", day: "@daily", week: "@weekly", month: "@monthly" }[unit], timezone);
}
