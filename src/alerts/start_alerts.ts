/** Checks the fleet every 30 seconds, and right after an event of this process, and sends new alerts. */
import type { Fleet, FleetEvent } from "../fleet/fleet.ts";
import { nextAlerts, type FleetView, type Limits, type Notification } from "./alert.ts";
import { type MessageFormat, messageOfAlerts } from "./message.ts";
import { claimAlerts, notifiedByOthers } from "./dedupe.ts";
import { post } from "./post.ts";
import { type Wait, wait } from "../retry.ts";

export interface AlertOptions extends Limits {
  /** A secret. */
  readonly webhook: string;
  readonly format: MessageFormat;
}

export interface AlertDependencies {
  readonly now: () => Date;
  /** Waits between two checks, and between two attempts to send. */
  readonly wait?: Wait;
  readonly random?: () => number;
  /** Removes secrets from a text. */
  readonly redact: (text: string) => string;
  readonly onSent: (alerts: number) => void;
  /** Called once per series of failures. Runs are not affected. */
  readonly onFailure: (error: unknown) => void;
}

const CHECK_MS = 30_000;
/** Events with one cause come together: one check and one message for all of them. */
const GATHER_MS = 2_000;
/** How long one check may wait for the fleet. */
const ASK_MS = 10_000;

const WAKING: ReadonlySet<FleetEvent["kind"]> = new Set([
  "run.failed",
  "export.paused",
  "export.resumed",
  "export.silent",
]);

/**
 * Runs next to a scheduler. If there are several, the first to claim an alert sends it. Disposing it aborts what is being sent.
 */
export function startAlerts(fleet: Fleet, options: AlertOptions, dependencies: AlertDependencies): AsyncDisposable {
  const stop = new AbortController();
  const { wait: pause = wait, random = Math.random } = dependencies;
  let wake = new AbortController();
  const listening = fleet.onEvent((event) => {
    if (WAKING.has(event.kind)) wake.abort();
  });

  const check = async (notified: ReadonlyMap<string, Notification>): Promise<ReadonlyMap<string, Notification>> => {
    const asking = AbortSignal.any([stop.signal, AbortSignal.timeout(ASK_MS)]);
    const [exports, backfills] = await Promise.all([fleet.exports(asking), fleet.backfills(asking)]);
    const view: FleetView = { exports, backfills };
    const now = dependencies.now();
    const decision = nextAlerts(view, options, notified, now);
    await using claims = await claimAlerts(fleet, decision.alerts, options.repeatAfterMs, asking);
    const { alerts } = claims;
    const known = notifiedByOthers(decision, alerts, options.repeatAfterMs, now);
    if (alerts.length === 0) return known;
    const message = messageOfAlerts(alerts, options.format, now);
    await post(options.webhook, redacted(message, dependencies.redact), { wait: pause, random }, stop.signal);
    dependencies.onSent(alerts.length);
    // If this fails, Redis is down; at worst another process sends it again.
    await quiet(claims.keep());
    return known;
  };

  const run = async (): Promise<void> => {
    let notified: ReadonlyMap<string, Notification> = new Map();
    let failing = false;
    while (!stop.signal.aborted) {
      wake = new AbortController();
      try {
        notified = await check(notified);
        failing = false;
      } catch (error) {
        // Not sent, so the next check decides again.
        if (!stop.signal.aborted && !failing) dependencies.onFailure(error);
        failing = true;
      }
      const woken = await quiet(pause(CHECK_MS, AbortSignal.any([stop.signal, wake.signal])));
      if (!woken) await quiet(pause(GATHER_MS, stop.signal));
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      listening[Symbol.dispose]();
      stop.abort(new DOMException("alerts are stopped", "AbortError"));
      await running;
    },
  };
}

/** Whether the wait ended by itself; an aborted wait is not an error here. */
async function quiet(waiting: Promise<void>): Promise<boolean> {
  try {
    await waiting;
    return true;
  } catch {
    return false;
  }
}

/** Redacts each text separately: in serialized JSON, a secret may be escaped, or match a part of the syntax. */
function redacted(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((item) => redacted(item, redact));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redacted(item, redact)]));
}
