/** How the page words and colours an export's condition. */
import { type Condition, conditionOf, isLate } from "../../fleet/condition.ts";
import type { ExportStatus } from "../../fleet/fleet.ts";
import { span } from "./format.ts";

export const NAMES: Readonly<Record<Condition, string>> = {
  unreadable: "unreadable",
  failing: "failing",
  late: "late",
  silent: "silent",
  paused: "paused",
  loading: "loading",
  unknown: "not checked yet",
  ok: "up to date",
};

/** Something failed, and isn't over. */
export function isFailing(one: ExportStatus): boolean {
  return one.failuresInRow > 0 || one.failedIntervals.length > 0 || one.ledgerError !== undefined;
}

export interface Badge {
  readonly text: string;
  readonly kind: "good" | "warn" | "bad" | "info" | "";
}

const KINDS = {
  unreadable: "bad",
  failing: "bad",
  paused: "warn",
  late: "warn",
  silent: "warn",
  loading: "info",
  unknown: "",
  ok: "good",
} as const satisfies Record<Condition, Badge["kind"]>;

export function badgeOf(one: ExportStatus): Badge {
  const condition = conditionOf(one);
  const kind = KINDS[condition];
  if (kind === "bad" && one.paused) return { text: `${NAMES[condition]}, paused`, kind };
  if (condition === "late" && one.running > 0) return { text: "catching up", kind: "info" };
  return { text: NAMES[condition], kind };
}

/** `on time`, `late by 3 h`; undefined if nobody knows. */
export function punctuality(one: ExportStatus): string | undefined {
  if (one.lateSeconds === undefined) return undefined;
  return isLate(one) ? `late by ${span(one.lateSeconds)}` : "on time";
}
