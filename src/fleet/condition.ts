/** How an export is, in one word: the `state` of the API, the page and `status`. */
import { LATE_AFTER_SECONDS } from "../intervals/lateness.ts";
import type { ExportStatus } from "./export_status.ts";

/** Worst first. */
export const CONDITIONS = ["unreadable", "failing", "paused", "late", "silent", "loading", "unknown", "ok"] as const;

/**
 * - `unreadable`: the destination didn't show its receipts
 * - `failing`: intervals failed, the fleet paused it, the clocks differ, or rows are missing that loading again didn't bring
 * - `paused`: by a person
 * - `late`: an interval has been due for longer than it may take to load
 * - `silent`: a busy export reads no rows
 * - `loading`: a fleet's intervals are due, queued or running
 * - `unknown`: no scheduler has looked yet
 */
export type Condition = (typeof CONDITIONS)[number];

/** By whom a pause is that the fleet made itself. */
const FLEET = "replayport";

/** What `status` knows besides: the clocks differ. */
type Judged = ExportStatus & { readonly clock?: string | undefined };

/** By the schedule, not by the lag: a daily export lags by a day just before its next load. */
export function isLate(one: ExportStatus, loadedBy: keyof typeof LATE_AFTER_SECONDS = "fleet"): boolean {
  return (one.lateSeconds ?? 0) > LATE_AFTER_SECONDS[loadedBy];
}

export function conditionOf(one: Judged, loadedBy: keyof typeof LATE_AFTER_SECONDS = "fleet"): Condition {
  const { ledgerError, paused, running, queued, due } = one;
  const clocksDiffer = one.clock !== undefined || ledgerError?.code === "source.clock";
  if (ledgerError && !clocksDiffer) return "unreadable";
  const isFailing =
    clocksDiffer ||
    one.failuresInRow > 0 ||
    one.failedIntervals.length > 0 ||
    paused?.by === FLEET ||
    (one.lastAudit?.unrepaired ?? 0) > 0;
  if (isFailing) return "failing";
  if (paused) return "paused";
  if (one.ledgerAt === undefined) return "unknown";
  if (isLate(one, loadedBy)) return "late";
  if (one.lastReceipt?.silentSince) return "silent";
  return running + queued > 0 || (loadedBy === "fleet" && (due ?? 0) > 0) ? "loading" : "ok";
}

/** An export as the API shows it. */
export function withState(one: ExportStatus): ExportStatus & { readonly state: Condition } {
  return { ...one, state: conditionOf(one) };
}
