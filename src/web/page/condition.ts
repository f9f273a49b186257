/** How an export is, in one word. */
import type { ExportStatus } from "../../fleet/fleet.ts";
import { LATE_AFTER_SECONDS } from "../../intervals/lateness.ts";
import { span } from "./format.ts";

/** Worst first. */
export const CONDITIONS = ["failing", "paused", "late", "silent", "loading", "unknown", "good"] as const;
export type Condition = (typeof CONDITIONS)[number];

export const NAMES: Readonly<Record<Condition, string>> = {
  failing: "failing",
  paused: "paused",
  late: "late",
  silent: "silent",
  loading: "loading",
  unknown: "not checked yet",
  good: "up to date",
};

/** Needs attention, whether it's paused or not. */
export function isFailing(one: ExportStatus): boolean {
  return one.failuresInRow > 0 || one.failedIntervals.length > 0 || one.ledgerError !== undefined;
}

/** By the schedule, not by the lag: a daily export lags by a day just before its next load. */
export function isLate(one: ExportStatus): boolean {
  return (one.lateSeconds ?? 0) > LATE_AFTER_SECONDS.fleet;
}

/** A pause by a person isn't a failure. */
export function conditionOf(one: ExportStatus): Condition {
  if (isFailing(one)) return "failing";
  if (one.paused) return "paused";
  if (one.ledgerAt === undefined) return "unknown";
  if (isLate(one)) return "late";
  if (one.lastReceipt?.silentSince) return "silent";
  return one.running > 0 || (one.due ?? 0) > 0 ? "loading" : "good";
}

export interface Badge {
  readonly text: string;
  readonly kind: "good" | "warn" | "bad" | "info" | "";
}

const KINDS = {
  failing: "bad",
  paused: "warn",
  late: "warn",
  silent: "warn",
  loading: "info",
  unknown: "",
  good: "good",
} as const satisfies Record<Condition, Badge["kind"]>;

export function badgeOf(one: ExportStatus): Badge {
  const condition = conditionOf(one);
  const kind = KINDS[condition];
  if (condition === "failing" && one.paused) return { text: "failing, paused", kind };
  if (condition === "late" && one.running > 0) return { text: "catching up", kind: "info" };
  return { text: NAMES[condition], kind };
}

/** `on time`, `late by 3 h`; undefined if nobody knows. */
export function punctuality(one: ExportStatus): string | undefined {
  if (one.lateSeconds === undefined) return undefined;
  return isLate(one) ? `late by ${span(one.lateSeconds)}` : "on time";
}
