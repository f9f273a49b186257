/**
 * How a read of `session_replays` finds the sessions that changed in its interval, and all of their rows.
 *
 * **IN** looks for the sessions first, and then for their rows, by a set of ids. It reads little where the interval is short.
 * Where it's long, making the set and probing it costs more than all the rest.
 *
 * **One pass** groups the rows of the interval's time and ids (`near`) as they come, and leaves out the sessions of which none
 * has changed (HAVING). Sessions that have rows elsewhere are looked for first, by IN:
 *
 *     exceptions = ids of the rows that aren't near and have changed, or aren't near and have an id as near rows have
 *     rows       = those that are near, and those of the exceptions
 *
 * That gives the same rows on any table, whatever ids look like and whenever rows arrived. Let a session have a row that has
 * changed. If it's an exception, all of its rows are read. If not, then no row of it that has changed is elsewhere, so one is
 * near; so its id is as near rows have, and no row of it at all is elsewhere: all of them are near, and are read. Rows that come
 * while the query runs don't change that: what was there when the exceptions were looked for is read in full.
 * docs/adr/0034-long-intervals-in-one-pass.md
 */
import type { Parameter, Read } from "./model.ts";
import { secondParameter, timeParameter } from "./sql.ts";

/** What the SQL is made of. */
export interface Place {
  readonly from: string;
  /** The condition on teams. */
  readonly team: string;
  /** `session_id`, or both columns of the key where there are several teams. */
  readonly key: string;
  /** The rows of one session may be on several shards. */
  readonly distributed: boolean;
}

type Changes = Pick<Read, "interval" | "pruneBefore" | "alsoChangedSince">;

/** Sessions that began longer before the interval are exceptions. */
const MARGIN_MS = 3_600_000;

/** Below it, one pass isn't faster. Measured: bench/RESULTS.md. */
const LEAST_SESSIONS = 50_000;
/** In per cent of the rows that have changed: how many are near, at least. Ids that don't begin with their time have none. */
const LEAST_NEAR = 50;

/** Of a row: whether it makes its session one of the read. */
export function changed({ pruneBefore, alsoChangedSince }: Omit<Changes, "interval">): string {
  const moved =
    alsoChangedSince === undefined
      ? ""
      : " OR (_timestamp >= {also_changed_since:DateTime('UTC')} AND min_first_timestamp < {interval_end:DateTime('UTC')})";
  const prune = pruneBefore === undefined ? "" : " AND min_first_timestamp >= {prune_before:DateTime64(6, 'UTC')}";
  return `((_timestamp >= {interval_start:DateTime('UTC')} AND _timestamp < {interval_end:DateTime('UTC')})${moved})${prune}`;
}

const NEAR_ID = "(session_id >= {near_id:String} AND session_id < {near_id_end:String})";
/** In parentheses, of a row: whether it began about in the interval, and has an id of that time. */
export const NEAR = `(min_first_timestamp >= {near_start:DateTime64(6, 'UTC')} AND min_first_timestamp < {interval_end:DateTime('UTC')} AND ${NEAR_ID})`;

export function changeParameters({ interval, pruneBefore, alsoChangedSince }: Changes): Record<string, Parameter> {
  return {
    interval_start: secondParameter(interval.start),
    interval_end: secondParameter(interval.end),
    ...(pruneBefore ? { prune_before: timeParameter(pruneBefore) } : {}),
    ...(alsoChangedSince ? { also_changed_since: secondParameter(alsoChangedSince) } : {}),
  };
}

/** What the SQL of NEAR names, besides those of `changed`. */
export function nearParameters({ interval }: Pick<Read, "interval">): Record<string, Parameter> {
  const start = new Date(Math.max(0, interval.start.getTime() - MARGIN_MS));
  return { near_start: timeParameter(start), near_id: firstId(start), near_id_end: firstId(interval.end) };
}

/** In parentheses, of a session: whether its id says that it began in the interval. Other ids than PostHog's never do. */
export const BEGAN = "(replay.session_id >= {began_id:String} AND replay.session_id < {began_id_end:String})";

/** What the SQL of BEGAN names. */
export function beganParameters({ interval }: Pick<Read, "interval">): Record<string, Parameter> {
  return { began_id: firstId(interval.start), began_id_end: firstId(interval.end) };
}

/** How a UUID of version 7, as PostHog's ids are, begins at a time. */
function firstId(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/** Whether a read is made in one pass, by what was counted for it. It finds the same rows either way. */
export function inOnePass({ counted }: Pick<Read, "counted">): boolean {
  return (counted?.["sessions"] ?? 0) >= LEAST_SESSIONS && (counted?.["near"] ?? 0) >= LEAST_NEAR;
}

/** The conditions on rows and on groups that find all rows of the changed sessions. @param part a condition on session_id */
export function rowsOfChanged(
  { from, team, key, distributed }: Place,
  read: Pick<Read, "pruneBefore" | "alsoChangedSince" | "counted">,
  part: string,
): { readonly where: string; readonly having: string } {
  // DISTINCT would be another pass over all rows, which only pays where the result travels to other shards.
  const [inside, distinct] = distributed ? ["GLOBAL IN", "DISTINCT "] : ["IN", ""];
  const found = `(${changed(read)})`;
  const idsWhere = (condition: string): string =>
    `(${key}) ${inside} (SELECT ${distinct}${key} FROM ${from} WHERE ${team} AND ${condition}${part})`;
  if (!inOnePass(read)) return { where: idsWhere(found), having: "" };
  const exceptions = idsWhere(`NOT ${NEAR} AND (${found} OR ${NEAR_ID})`);
  return { where: `(${NEAR} OR ${exceptions})`, having: ` HAVING countIf(${found}) > 0` };
}
