/**
 * Data intervals, and how their times are written in names.
 *
 * Terminology
 * - data interval: `[start, end)` in UTC, cut by the export's schedule: it holds its first second and not its end. The unit
 *   of work. Its time is that of ingestion (`_timestamp`), not that of the sessions.
 */
import { ReplayportError, giveUp } from "../errors.ts";

/** Half-open `[start, end)`, UTC, whole seconds: the resolution of ClickHouse's `_timestamp`. */
export interface Interval {
  readonly start: Date;
  readonly end: Date;
}

/** Every interval that can be due, and more. */
export const ALL_TIME: Interval = { start: new Date(0), end: new Date("9999-01-01T00:00:00Z") };

/** @throws ReplayportError if the interval is empty or reversed, or has a fraction of a second */
export function interval(start: Date | number | string, end: Date | number | string): Interval {
  const made = { start: new Date(start), end: new Date(end) };
  const startMs = made.start.getTime();
  const endMs = made.end.getTime();
  if (!(startMs < endMs) || startMs % 1000 !== 0 || endMs % 1000 !== 0) {
    throw new ReplayportError(
      `not a data interval: [${String(start)}, ${String(end)})`,
      giveUp("interval.invalid", "An interval starts before it ends, and both are whole seconds in UTC."),
    );
  }
  return made;
}

/** `20261001T000000Z`: sorts as time does and is safe in a file name, an S3 key and a job id. */
export function compactTime(time: Date): string {
  // A ledger has tens of thousands of these. A regular expression takes four times as long.
  const iso = time.toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}

const COMPACT = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/** The inverse of compactTime; undefined where the text is not of that form. */
export function parseCompactTime(text: string): Date | undefined {
  const parts = COMPACT.exec(text);
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Date takes 30 February for 2 March, and 24 o'clock for the next day's 0.
  const isThatDay = time.getUTCDate() === Number(day) && hour !== "24";
  return Number.isNaN(time.getTime()) || !isThatDay ? undefined : time;
}

/** `20261001T000000Z_20261001T010000Z` */
export function intervalName(of: Interval): string {
  return `${compactTime(of.start)}_${compactTime(of.end)}`;
}

/** The inverse of intervalName; undefined where the text is not of that form. */
export function parseIntervalName(text: string): Interval | undefined {
  const [first = "", second = "", ...rest] = text.split("_");
  const start = parseCompactTime(first);
  const end = parseCompactTime(second);
  if (!start || !end || rest.length > 0 || start >= end) return undefined;
  return { start, end };
}

/** `2026-10-01T00:00:00Z … 2026-10-01T01:00:00Z`, for people. */
export function describeInterval(of: Interval): string {
  const time = (date: Date): string => date.toISOString().replace(".000Z", "Z");
  return `${time(of.start)} … ${time(of.end)}`;
}

export function contains(outer: Interval, inner: Interval): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

export function overlaps(one: Interval, other: Interval): boolean {
  return one.start < other.end && other.start < one.end;
}

export function sameInterval(one: Interval, other: Interval): boolean {
  return one.start.getTime() === other.start.getTime() && one.end.getTime() === other.end.getTime();
}
