/**
 * Which alerts to send, from the fleet's state alone. Pure: state + notifications sent so far + now → alerts.
 *
 * From state rather than events, because an event is lost with its process, while a pause, a failed interval and lag stay until
 * somebody acts; and because several workers would each report the same outage.
 *
 * An alert is sent when it begins, again every `repeatAfterMs`, and once more when it's over. Notifications are kept in memory;
 * claims (dedupe.ts) prevent other schedulers, and this one after a restart, from sending them again.
 */
import { plural } from "../text.ts";
import type { Backfill, ExportStatus, FleetError } from "../fleet/fleet.ts";

/**
 * - `failed`: an interval of an export failed for good. Over when an interval was loaded and no failed one is left, or on resume
 * - `backfill_failed`: an interval of a backfill failed for good. Over when it is retried or done
 * - `ledger`: the load history can't be read, or the clocks differ, so nothing of the export is enqueued and its lag may be unknown
 * - `paused`: an export is paused, automatically or by a person
 * - `silent`: an export that is usually busy reads no rows. Over when it reads some
 * - `lag`: an export's data is older than the limit. Not for a paused export, since the pause is an alert already
 */
export type AlertKind = "failed" | "backfill_failed" | "ledger" | "paused" | "silent" | "lag";

/** Something that is wrong now. */
export interface Condition {
  /** The key of its notification, such as `lag/replays`. */
  readonly id: string;
  readonly kind: AlertKind;
  readonly export: string;
  /** Its id, for `backfill_failed`. */
  readonly backfill: string | undefined;
  /** A sentence for people; redacted. */
  readonly message: string;
  readonly hint: string | undefined;
  /** The error's code, if an error caused it. */
  readonly code: string | undefined;
  /** Sent only if it lasts this long; undefined: at once. */
  readonly afterMs?: number;
}

export interface Alert extends Condition {
  readonly status: "firing" | "resolved";
  readonly since: Date;
  /** It was sent before and still isn't over. */
  readonly repeated: boolean;
}

export interface Notification {
  readonly condition: Condition;
  readonly since: Date;
  /** Undefined: seen, but hasn't lasted long enough to be sent. */
  readonly notifiedAt: Date | undefined;
}

export interface FleetView {
  readonly exports: readonly ExportStatus[];
  readonly backfills: readonly Backfill[];
}

export interface Limits {
  /** Undefined: no alerts for lag. */
  readonly lagAboveMs: number | undefined;
  readonly repeatAfterMs: number;
}

export interface Decision {
  readonly alerts: readonly Alert[];
  /** The notifications once the alerts have been sent. */
  readonly notified: ReadonlyMap<string, Notification>;
}

/** A scheduler retries each minute. A single failed read isn't worth an alert. */
const LEDGER_MS = 5 * 60_000;

export function nextAlerts(
  view: FleetView,
  limits: Limits,
  notified: ReadonlyMap<string, Notification>,
  now: Date,
): Decision {
  const conditions = conditionsOf(view, limits, notified);
  const current = new Set(conditions.map(({ id }) => id));
  const alerts: Alert[] = [];
  const next = new Map<string, Notification>();
  for (const condition of conditions) {
    const before = notified.get(condition.id);
    const since = before?.since ?? now;
    const notifiedAt = before?.notifiedAt;
    const again = notifiedAt !== undefined && now.getTime() - notifiedAt.getTime() >= limits.repeatAfterMs;
    const first = notifiedAt === undefined && now.getTime() - since.getTime() >= (condition.afterMs ?? 0);
    if (first || again) alerts.push({ ...condition, status: "firing", since, repeated: again });
    next.set(
      condition.id,
      first || again ? { condition, since, notifiedAt: now } : (before ?? { condition, since, notifiedAt }),
    );
  }
  for (const { condition, since, notifiedAt } of notified.values()) {
    if (notifiedAt !== undefined && !current.has(condition.id))
      alerts.push({ ...condition, status: "resolved", since, repeated: false });
  }
  return { alerts, notified: next };
}

function conditionsOf(
  { exports, backfills }: FleetView,
  limits: Limits,
  notified: ReadonlyMap<string, Notification>,
): Condition[] {
  const found: Condition[] = [];
  for (const one of exports) {
    const failed = failedOf(one);
    if (failed) found.push(failed);
    const { ledgerError } = one;
    if (ledgerError) {
      const why = ledgerError.code === "source.clock" ? "" : "can't read the load history from its destination: ";
      found.push({
        ...named("ledger", one.export),
        message: `The export ${one.export} is stuck: ${why}${ledgerError.message}`,
        hint: ledgerError.hint,
        code: ledgerError.code,
        afterMs: LEDGER_MS,
      });
    }
    if (one.paused) {
      const { reason, by, probeAt } = one.paused;
      const self = probeAt === undefined ? "" : ` It retries one interval by itself at ${probeAt.toISOString()}.`;
      found.push({
        ...named("paused", one.export),
        message: `The export ${one.export} is paused (by ${by}): ${reason}`,
        hint: `To end it: replayport resume ${one.export}.${self}`,
        code: one.lastError?.code,
      });
    }
    const silentSince = one.lastReceipt?.silentSince;
    if (silentSince) {
      found.push({
        ...named("silent", one.export),
        message: `The export ${one.export} is usually busy, but has read no rows since ${silentSince.toISOString()}`,
        hint: "Is PostHog's ingestion running, and is the replica that is read up to date? What comes late is loaded by itself.",
        code: "export.silent",
      });
    }
    const lag = lagOf(one, limits.lagAboveMs, notified);
    if (lag) found.push(lag);
  }
  for (const one of backfills) {
    const [first] = one.failures;
    if (one.failed === 0 || one.state === "cancelled" || one.state === "done") continue;
    found.push({
      ...named("backfill_failed", one.export, one.id),
      message: `Backfill ${one.id} of ${one.export}: ${one.failed} of ${one.total} intervals failed${because(first?.error)}`,
      hint: `${first?.error.hint ?? ""} Then: POST /api/backfills/${one.id}/retry.`.trim(),
      code: first?.error.code,
    });
  }
  return found;
}

function named(
  kind: AlertKind,
  name: string,
  backfill?: string,
): Pick<Condition, "id" | "kind" | "export" | "backfill"> {
  return { id: [kind, name, backfill].filter(Boolean).join("/"), kind, export: name, backfill };
}

const because = (error: FleetError | undefined): string => (error === undefined ? "" : `: ${error.message}`);

function failedOf(one: ExportStatus): Condition | undefined {
  if (one.failedIntervals.length === 0 && one.failuresInRow === 0) return undefined;
  const error = one.failedIntervals[0]?.error ?? one.lastError;
  const count = Math.max(one.failedIntervals.length, one.failuresInRow);
  return {
    ...named("failed", one.export),
    message: `The export ${one.export} failed for good (${plural(count, "interval")})${because(error)}`,
    hint: error?.hint,
    code: error?.code,
  };
}

function lagOf(
  one: ExportStatus,
  limitMs: number | undefined,
  notified: ReadonlyMap<string, Notification>,
): Condition | undefined {
  if (limitMs === undefined) return undefined;
  const name = named("lag", one.export);
  // Paused, or unknown after a flush of Redis: nothing has improved, so the notification stays.
  if (one.paused || one.lagSeconds === undefined) return notified.get(name.id)?.condition;
  if (one.lagSeconds * 1000 <= limitMs) return undefined;
  const until =
    one.loadedUntil === undefined ? "nothing is loaded yet" : `loaded until ${one.loadedUntil.toISOString()}`;
  return {
    ...name,
    message: `The export ${one.export} is ${duration(one.lagSeconds)} behind (limit ${duration(limitMs / 1000)}; ${until})`,
    hint: "Check that a scheduler is running and a worker is free: see the dashboard, or run: replayport status.",
    code: undefined,
  };
}

/** `95 min`, `26 h` */
function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
