/** When people use a shop: few at night, most in the afternoon and the evening. */

const DAY_MS = 86_400_000;
/** Sessions that begin in each hour of the day, UTC, in proportion to each other. */
const HOURS = [9, 6, 4, 3, 3, 5, 10, 20, 34, 46, 52, 55, 54, 58, 62, 64, 62, 58, 54, 52, 50, 42, 28, 16];
const ALL = HOURS.reduce((sum, one) => sum + one, 0);
/** The share of a day's sessions that have begun when an hour begins; one more entry for the day's end. */
const BEGUN = Array.from(
  { length: HOURS.length + 1 },
  (_, hour) => HOURS.slice(0, hour).reduce((sum, one) => sum + one, 0) / ALL,
);

export interface Span {
  readonly sessions: number;
  readonly from: Date;
  readonly until: Date;
}

/** Days' worth of sessions that have begun since midnight of the epoch. */
function begunBy(time: Date): number {
  const days = Math.floor(time.getTime() / DAY_MS);
  const hours = (time.getTime() % DAY_MS) / (DAY_MS / HOURS.length);
  const hour = Math.floor(hours);
  return days + (BEGUN[hour] ?? 0) + ((hours - hour) * (HOURS[hour] ?? 0)) / ALL;
}

/**
 * SQL: microseconds since the epoch at which a session begins. It grows with the number, which is a fraction in
 * [0, sessions), so that sessions that are numbered in order begin in order.
 */
export function startOfSession({ sessions, from, until }: Span, number: string): string {
  const low = begunBy(from);
  const day = Math.floor(low);
  const done = `(${low - day} + ${begunBy(until) - low} * ${number} / ${sessions})`;
  const share = `(${done} - floor(${done}))`;
  const begun = `${JSON.stringify(BEGUN)}::Array(Float64)`;
  // The last hour that has begun, counted from 1 as arrays are.
  const hour = `arrayLastIndex(x -> x <= ${share}, ${begun})`;
  const within = `(${share} - ${begun}[${hour}]) * ${ALL} / ${JSON.stringify(HOURS)}[${hour}]`;
  const days = `(floor(${done}) + (${hour} - 1 + ${within}) / ${HOURS.length})`;
  return `(${day * DAY_MS * 1000} + toInt64(${days} * ${DAY_MS}e3))`;
}
