/** Makes sure that one process sends an alert, if several watch one fleet or one restarts. */
import type { Fleet } from "../fleet/fleet.ts";
import type { Alert, Decision } from "./alert.ts";

export interface Claimed extends AsyncDisposable {
  /** Alerts that this process sends. */
  readonly alerts: readonly Alert[];
  /** Call it once they are sent. Otherwise, disposing releases the claims, so that they are sent at the next check. */
  keep(): Promise<void>;
}

/** Longer than all attempts to send. If a process dies while sending, others may send the alert after this. */
export const SENDING_MS = 3 * 60_000;
/** A claim ends a little before the alert is repeated; otherwise the repetition would find it claimed. */
const EARLY_MS = 60_000;
const SHARE = 0.9;
const REDIS_MS = 5_000;

/**
 * The notifications to keep: an alert that another process claimed is checked again when that process should have sent it, since
 * it may have died while sending.
 */
export function notifiedByOthers(
  decision: Decision,
  mine: readonly Alert[],
  repeatAfterMs: number,
  now: Date,
): Decision["notified"] {
  const notified = new Map(decision.notified);
  const notifiedAt = new Date(Math.min(now.getTime(), now.getTime() - repeatAfterMs + SENDING_MS));
  for (const alert of decision.alerts) {
    const known = notified.get(alert.id);
    if (known && !mine.includes(alert)) notified.set(alert.id, { ...known, notifiedAt });
  }
  return notified;
}

const keyOf = (alert: Alert, status = alert.status): string => `alert/${status}/${alert.id}`;

/**
 * A sent alert stays claimed until it is repeated, or until the opposite is sent.
 * @throws what the fleet throws; then nothing is claimed for longer than SENDING_MS
 */
export async function claimAlerts(
  fleet: Fleet,
  alerts: readonly Alert[],
  repeatAfterMs: number,
  signal: AbortSignal,
): Promise<Claimed> {
  const claims = await Promise.all(alerts.map((alert) => fleet.claim(keyOf(alert), SENDING_MS, signal)));
  const mine = alerts.filter((_, index) => claims[index]);
  let kept = false;
  return {
    alerts: mine,
    async keep() {
      kept = true;
      const limit = AbortSignal.timeout(REDIS_MS);
      await Promise.all(
        mine.map(async (alert) => {
          await fleet.unclaim(keyOf(alert), limit);
          await fleet.claim(keyOf(alert), Math.round(Math.max(repeatAfterMs * SHARE, repeatAfterMs - EARLY_MS)), limit);
          await fleet.unclaim(keyOf(alert, alert.status === "firing" ? "resolved" : "firing"), limit);
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      if (kept) return;
      const limit = AbortSignal.timeout(REDIS_MS);
      await Promise.allSettled(mine.map((alert) => fleet.unclaim(keyOf(alert), limit)));
    },
  };
}
