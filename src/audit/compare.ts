/** Compares what source and destination say. Pure. */
import { union } from "../intervals/coverage.ts";
import { type Interval, overlaps } from "../intervals/interval.ts";
import { type Covered, readTime } from "../intervals/watermark.ts";
import { type AuditGroup, type AuditedSession, keyText, SECONDS_OF_DAY, type SourceGroup } from "../models/audit.ts";
import type { Audit, AuditDay, LackingHour } from "./receipt.ts";

const HOUR_SECONDS = 3_600;

const idOf = ({ day, bucket }: Pick<AuditGroup, "day" | "bucket">): string => `${day} ${bucket}`;

export interface Differing {
  /** Buckets to look at, by day. */
  readonly buckets: ReadonlyMap<number, ReadonlySet<number>>;
  /** Sessions of groups that differ beyond those. */
  readonly unexamined: number;
}

/**
 * The groups of which the source has sessions and which differ: those that lack most first, up to `most` sessions. What is in
 * the destination only needs no look: there's nothing to load.
 */
export function differing(source: readonly SourceGroup[], destination: readonly AuditGroup[], most: number): Differing {
  const there = new Map(destination.map((group) => [idOf(group), group]));
  const groups = source.flatMap((group) => {
    const { sessions = 0, checksum = 0 } = there.get(idOf(group)) ?? {};
    const same = sessions === group.sessions && checksum === group.checksum;
    return same || group.listed === 0 ? [] : [{ ...group, deficit: group.sessions - sessions }];
  });
  groups.sort((a, b) => b.deficit - a.deficit || a.day - b.day);
  const buckets = new Map<number, Set<number>>();
  let chosen = 0;
  let unexamined = 0;
  for (const { day, bucket, listed } of groups) {
    if (chosen > 0 && chosen + listed > most) {
      unexamined += listed;
      continue;
    }
    chosen += listed;
    buckets.set(day, (buckets.get(day) ?? new Set()).add(bucket));
  }
  return { buckets, unexamined };
}

export interface Verdict {
  readonly lacking: readonly AuditedSession[];
  /** Of these, how many have no row at all, by day. */
  readonly missing: ReadonlyMap<number, number>;
}

/** @param versions that the destination knows, by key */
export function judge(sessions: readonly AuditedSession[], versions: ReadonlyMap<string, string>): Verdict {
  const lacking: AuditedSession[] = [];
  const missing = new Map<number, number>();
  for (const session of sessions) {
    const there = versions.get(keyText(session));
    if (there === undefined) {
      // Nothing has to be removed where nothing is.
      if (session.gone) continue;
      missing.set(session.day, (missing.get(session.day) ?? 0) + 1);
      lacking.push(session);
    } else if (there < session.version) {
      lacking.push(session);
    }
  }
  return { lacking, missing };
}

/**
 * The hours of ingestion of the lacking sessions. Those that nothing covers are due anyway, so they're left out. An hour is
 * unrepaired if the audit before found the same sessions lacking, and it was read since.
 */
export function lackingHours(
  sessions: readonly AuditedSession[],
  covered: readonly Covered[],
  before: Audit | undefined,
): LackingHour[] {
  const read = union(covered.map(({ interval }) => interval));
  const hours = new Map<number, { sessions: number; checksum: number }>();
  for (const { ingested, checksum } of sessions) {
    const at = new Date(ingested * 1000);
    if (!read.some(({ start, end }) => start <= at && at < end)) continue;
    const hour = Math.floor(ingested / HOUR_SECONDS);
    const sum = hours.get(hour) ?? { sessions: 0, checksum: 0 };
    hours.set(hour, { sessions: sum.sessions + 1, checksum: (sum.checksum + checksum) % 2 ** 32 });
  }
  return [...hours]
    .sort(([a], [b]) => a - b)
    .map(([hour, sum]) => {
      const interval = hourAt(hour);
      const known = before?.lacking.find((one) => +one.interval.start === +interval.start);
      const same = known?.checksum === sum.checksum && known.sessions === sum.sessions;
      const again = covered.some(
        (one) => overlaps(one.interval, interval) && before !== undefined && readTime(one) >= before.readAt.getTime(),
      );
      return { interval, ...sum, unrepaired: same && (known.unrepaired || again) };
    });
}

function hourAt(hour: number): Interval {
  return { start: new Date(hour * HOUR_SECONDS * 1000), end: new Date((hour + 1) * HOUR_SECONDS * 1000) };
}

/** By day of the sessions' start. */
export function daysOf(
  source: readonly SourceGroup[],
  destination: readonly AuditGroup[],
  { lacking, missing }: Pick<Verdict, "lacking" | "missing">,
): AuditDay[] {
  const sum = (groups: readonly AuditGroup[], day: number, of: (group: AuditGroup) => number): number =>
    groups.reduce((total, group) => (group.day === day ? total + of(group) : total), 0);
  const days = [...new Set([...source, ...destination].map(({ day }) => day))].sort((a, b) => a - b);
  return days.map((day) => {
    const all = source.reduce((total, group) => (group.day === day ? total + group.all : total), 0);
    const there = sum(destination, day, ({ sessions }) => sessions);
    return {
      day: new Date(day * SECONDS_OF_DAY * 1000).toISOString().slice(0, 10),
      source: sum(source, day, ({ sessions }) => sessions),
      destination: there,
      lacking: lacking.filter((session) => session.day === day).length,
      onlyDestination: Math.max(0, there - all + (missing.get(day) ?? 0)),
    };
  });
}
