/** Times as people type them: `now`, `yesterday`, `-7d`, a date, or a time with its zone. */
import { parseTime, startOfDate } from "../config/values/times.ts";
import { parseDuration } from "../config/values/units.ts";
import { giveUp, ReplayportError } from "../errors.ts";
import { type Interval, interval } from "../intervals/interval.ts";
import { usageError } from "./arguments.ts";

const FORMS =
  "Write a date such as 2026-10-01, a time with its zone such as 2026-10-01T13:00:00Z, today, yesterday, now, or how long ago: -7d, -12h.";

/** A date, `today` and `yesterday` are midnight in `timezone`. */
export function parseTimeOption(text: string, timezone: string, option: string, now: Date): Date {
  const word = text.trim().toLowerCase();
  const seconds = Math.floor(now.getTime() / 1000) * 1000;
  if (word === "now") return new Date(seconds);
  if (word === "today") return startOfDate(dateIn(timezone, now), timezone);
  if (word === "yesterday") {
    const today = startOfDate(dateIn(timezone, now), timezone);
    return startOfDate(dateIn(timezone, new Date(today.getTime() - 1)), timezone);
  }
  const ago = word.startsWith("-") ? parseDuration(word.slice(1)) : undefined;
  if (ago && "value" in ago) return new Date(seconds - ago.value);
  const parsed = parseTime(text, timezone);
  if ("value" in parsed) {
    const { at, micros } = parsed.value;
    if (micros === 0) return at;
    throw refused(`${option} has a fraction of a second: "${text}"`, "Write whole seconds.");
  }
  if (parsed.problem === "a timestamp without a zone") {
    const zoned = text.trim().replace(" ", "T");
    throw refused(`${option} has no time zone: "${text}"`, `Add one: ${zoned}Z for UTC, or an offset: ${zoned}+02:00.`);
  }
  const why = parsed.problem === "no such day in the calendar" ? "is no day of the calendar" : "is not a time";
  throw refused(`${option} ${why}: "${text}"`, FORMS);
}

function refused(message: string, hint: string): ReplayportError {
  return new ReplayportError(message, giveUp("cli.time", hint));
}

/** `2026-10-01` */
function dateIn(timezone: string, time: Date): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short" }).format(time);
}

export function parseRange(from: string, to: string, timezone: string, now: Date): Interval {
  const start = parseTimeOption(from, timezone, "--from", now);
  const end = parseTimeOption(to, timezone, "--to", now);
  if (start < end) return interval(start, end);
  const relation = start > end ? "is before" : "is the same as";
  throw usageError(
    `--to ${relation} --from: ${second(end)}, ${second(start)}`,
    "Swap them, or write a later --to; the range ends before it.",
  );
}

export const second = (time: Date): string => time.toISOString().replace(".000Z", "Z");
