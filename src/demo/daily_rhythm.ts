/** When people use a shop: few at night, most in the afternoon and the evening, fewer at the weekend. */

const HOUR_MS = 3_600_000;
/** Sessions that begin in each hour of the day, UTC, in proportion to each other. */
const DAY = [9, 6, 4, 3, 3, 5, 10, 20, 34, 46, 52, 55, 54, 58, 62, 64, 62, 58, 54, 52, 50, 42, 28, 16];
/** The days of the week in proportion to each other. The first is a Thursday, as the epoch's first day was. */
const DAYS = [1.08, 0.96, 0.64, 0.6, 0.97, 1.02, 1];
const WEEK = DAYS.flatMap((day) => DAY.map((hour) => Math.round(day * hour * 100)));
const WEEK_MS = WEEK.length * HOUR_MS;
const ALL = WEEK.reduce((sum, one) => sum + one, 0);
/** The share of a week's sessions that have begun when an hour begins; one more entry for the week's end. */
const BEGUN = WEEK.reduce<number[]>((begun, one) => [...begun, (begun.at(-1) ?? 0) + one / ALL], [0]);

export interface Span {
  readonly sessions: number;
  readonly from: Date;
  readonly until: Date;
}

/** Weeks' worth of sessions that have begun since the epoch. */
function begunBy(time: Date): number {
  const week = Math.floor(time.getTime() / WEEK_MS);
  const hours = (time.getTime() - week * WEEK_MS) / HOUR_MS;
  const hour = Math.floor(hours);
  return week + (BEGUN[hour] ?? 0) + ((hours - hour) * (WEEK[hour] ?? 0)) / ALL;
}

/**
 * SQL: microseconds since the epoch at which a session begins. It grows with the number, which is a fraction in
 * [0, sessions), so that sessions that are numbered in order begin in order.
 */
export function startOfSession({ sessions, from, until }: Span, number: string): string {
  const low = begunBy(from);
  const week = Math.floor(low);
  const done = `(${low - week} + ${begunBy(until) - low} * ${number} / ${sessions})`;
  const share = `(${done} - floor(${done}))`;
  const begun = `${JSON.stringify(BEGUN)}::Array(Float64)`;
  // The last hour that has begun, counted from 1 as arrays are.
  const hour = `least(${WEEK.length}, arrayLastIndex(x -> x <= ${share}, ${begun}))`;
  const within = `(${share} - ${begun}[${hour}]) * ${ALL} / ${JSON.stringify(WEEK)}[${hour}]`;
  const weeks = `(floor(${done}) + (${hour} - 1 + ${within}) / ${WEEK.length})`;
  return `(${week * WEEK_MS * 1000} + toInt64(${weeks} * ${WEEK_MS}e3))`;
}
