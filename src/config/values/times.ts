/** Times as people write them in YAML: a date in the export's time zone, or a timestamp with its own zone. */
import { parseSchedule } from "../../intervals/schedule.ts";
import type { Parsed } from "./units.ts";

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const TIMESTAMP =
  /^(?<date>\d{4}-\d{2}-\d{2})[Tt ](?<time>(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)(?:\.(?<fraction>\d{1,6}))? ?(?<zone>[Zz]|[+-](?:0\d|1[0-4]):?[0-5]\d)$/;
/** Without anchors, and without names of groups, which not every reader of a JSON Schema knows. */
const formOf = ({ source }: RegExp): string => source.slice(1, -1).replaceAll(/\(\?<\w+>/g, "(?:");
/** What `parseTime` takes looks like this. For editors. */
export const TIME_PATTERN = String.raw`^\s*(?:${formOf(DATE)}|${formOf(TIMESTAMP)})\s*$`;
/** For editors: an offset such as +02:00 is no zone. Which names there are depends on the machine. */
export const TIMEZONE_PATTERN = "^[A-Za-z]";
const HALF_DAY_MS = 12 * 3600 * 1000;

export interface Timestamp {
  /** To the second. */
  readonly at: Date;
  /** 0 to 999999, on top of `at`. */
  readonly micros: number;
}

/** Intl takes milliseconds for each zone, and a thousand exports share a few zones and dates. */
function remembered<Args extends readonly string[], T>(work: (...args: Args) => T): (...args: Args) => T {
  const known = new Map<string, T>();
  return (...args) => {
    const key = JSON.stringify(args);
    if (!known.has(key)) known.set(key, work(...args));
    return known.get(key) as T;
  };
}

/** Whether Intl knows the IANA name. Offsets such as +02:00 are refused: they have no daylight saving time. */
export const isTimezone = remembered((name: string): boolean => {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    // oxlint-disable-next-line no-new -- Intl has no other way to ask for one name, old aliases included.
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
});

const isCalendarDate = (date: string): boolean => {
  const time = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(date);
};

/**
 * When a date begins in a zone. It is the tick of @daily, so an export that starts on a date starts with a whole interval,
 * even where the clock skips midnight or repeats it.
 */
export const startOfDate = remembered((date: string, timezone: string): Date => {
  const local = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short" });
  const daily = parseSchedule("@daily", timezone);
  // Zones are within 14 hours of UTC, so the tick before this one is at most 38 hours early.
  let tick: Date | undefined = new Date(Date.parse(`${date}T00:00:00Z`) - 4 * HALF_DAY_MS);
  do tick = daily.next(tick);
  while (tick !== undefined && local.format(tick) < date);
  return tick ?? new Date(Number.NaN);
});

export function parseTime(text: string, timezone: string): Parsed<Timestamp> {
  const trimmed = text.trim();
  const fix =
    "Write a date (2026-10-01), or a timestamp with its zone (2026-10-01T06:00:00Z, 2026-10-01T08:00:00+02:00).";
  if (DATE.test(trimmed)) {
    if (!isCalendarDate(trimmed)) return { problem: "no such day in the calendar", fix };
    return { value: { at: startOfDate(trimmed, timezone), micros: 0 } };
  }
  const parts = TIMESTAMP.exec(trimmed)?.groups;
  if (!parts) {
    const zoneless = TIMESTAMP.test(`${trimmed}Z`);
    return { problem: zoneless ? "a timestamp without a zone" : "neither a date nor a timestamp", fix };
  }
  const { date = "", time = "", fraction = "", zone = "" } = parts;
  if (!isCalendarDate(date)) return { problem: "no such day in the calendar", fix };
  const offset = zone.toUpperCase() === "Z" ? "Z" : `${zone.slice(0, 3)}:${zone.slice(-2)}`;
  const at = new Date(`${date}T${time.length === 5 ? `${time}:00` : time}${offset}`);
  return { value: { at, micros: Number(fraction.padEnd(6, "0")) } };
}

/** `2026-10-01 06:00:00.000000`: what ClickHouse reads as DateTime64(6) in UTC. */
export function clickhouseTime({ at, micros }: Timestamp): string {
  return `${at.toISOString().slice(0, 19).replace("T", " ")}.${String(micros).padStart(6, "0")}`;
}
