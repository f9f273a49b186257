/** Who tells an alert, where several processes look at one fleet, or one looks again after a restart. */
import type { Fleet } from "../fleet/fleet.ts";
import type { Alert, Decision } from "./alert.ts";

export interface Claimed extends AsyncDisposable {
  /** Those that nobody else tells. */
  readonly alerts: readonly Alert[];
  /** They were told. Without this, disposing gives the claims up, so that they are told at the next look. */
  keep(): Promise<void>;
}

/** Longer than all attempts to send take. Whoever dies in between leaves the alert to others after that. */
const SENDING_MS = 3 * 60_000;
/** A claim ends somewhat before an alert is due to be repeated: else the repetition would find the door closed. */
const EARLY_MS = 60_000;
const SHARE = 0.9;
const REDIS_MS = 5_000;

/**
 * What holds once the alerts were decided on: those that another process tells are looked at again when it should have done
 * so, since it may have died over it.
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
 * An alert that was told stays claimed until it is to be repeated, or until the opposite was told.
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
