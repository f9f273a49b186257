/** Looks at the fleet now and then, and at once when something happened in this process; tells what is new. */
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
  /** Milliseconds between two looks, and between two attempts to send. */
  readonly wait?: Wait;
  readonly random?: () => number;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
  readonly onSent: (alerts: number) => void;
  /** Once in a row of failures; runs know nothing of it. */
  readonly onFailure: (error: unknown) => void;
}

const LOOK_MS = 30_000;
/** Events of one cause come together: one look, and one message, for all of them. */
const GATHER_MS = 2_000;
/** How long one look may ask the fleet. */
const ASK_MS = 10_000;

const TELLING: ReadonlySet<FleetEvent["kind"]> = new Set(["run.failed", "export.paused", "export.resumed"]);

/**
 * Belongs beside a scheduler. Of several, the first to claim an alert tells it.
 * Disposing it aborts what is being sent.
 */
export function startAlerts(fleet: Fleet, options: AlertOptions, dependencies: AlertDependencies): AsyncDisposable {
  const stop = new AbortController();
  const { wait: pause = wait, random = Math.random } = dependencies;
  let wake = new AbortController();
  const listening = fleet.onEvent((event) => {
    if (TELLING.has(event.kind)) wake.abort();
  });

  const look = async (notified: ReadonlyMap<string, Notification>): Promise<ReadonlyMap<string, Notification>> => {
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
    // Where this fails, Redis is down: at worst another process tells it once more.
    await quiet(claims.keep());
    return known;
  };

  const run = async (): Promise<void> => {
    let notified: ReadonlyMap<string, Notification> = new Map();
    let failing = false;
    while (!stop.signal.aborted) {
      wake = new AbortController();
      try {
        notified = await look(notified);
        failing = false;
      } catch (error) {
        // What was not sent was not told: the next look decides again.
        if (!stop.signal.aborted && !failing) dependencies.onFailure(error);
        failing = true;
      }
      const woken = await quiet(pause(LOOK_MS, AbortSignal.any([stop.signal, wake.signal])));
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

/** Whether it came to its end; a wait that is cut short is no error here. */
async function quiet(waiting: Promise<void>): Promise<boolean> {
  try {
    await waiting;
    return true;
  } catch {
    return false;
  }
}

/** Text by text: in JSON as a whole a secret might be written otherwise, or be part of what holds it together. */
function redacted(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((item) => redacted(item, redact));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redacted(item, redact)]));
}
