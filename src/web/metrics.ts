/**
 * Metrics in Prometheus' text format. What this process does is counted as it happens. What the whole fleet knows (lag, queue,
 * pauses) is read when somebody asks, so it's always current, even if a scheduler died. Every process of a fleet answers
 * the latter alike: take `max by (export)` over them.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ExportStatus, Fleet, FleetEvent } from "../fleet/fleet.ts";
import { VERSION } from "../version.ts";

const RUN_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 10];
const TICK_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30];

export interface Metrics extends Disposable {
  readonly contentType: string;
  /** Never rejects: if Redis is down, `replayport_redis_up` is 0 and the fleet's gauges are left out. */
  text(signal: AbortSignal): Promise<string>;
  onRequest(method: string, route: string, status: number, seconds: number): void;
  onWrongToken(at: "login" | "api"): void;
}

/** Shorter constructors for metrics of one registry. */
function metricsOf(registry: Registry) {
  const registers = [registry];
  return {
    counter: <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
      new Counter({ name, help, labelNames, registers }),
    gauge: <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
      new Gauge({ name, help, labelNames, registers }),
    histogram: <Label extends string>(name: string, help: string, buckets: number[], ...labelNames: Label[]) =>
      new Histogram({ name, help, buckets, labelNames, registers }),
  };
}
type Make = ReturnType<typeof metricsOf>;

export function createMetrics(fleet: Fleet): Metrics {
  const registry = new Registry();
  // Includes the event loop's delay: nodejs_eventloop_lag_*.
  collectDefaultMetrics({ register: registry });
  const make = metricsOf(registry);
  make.gauge("replayport_build_info", "Always 1", "version").set({ version: VERSION }, 1);
  const onEvent = countEvents(make);
  const readFleet = fleetGauges(make);
  const requests = make.histogram(
    "replayport_http_request_duration_seconds",
    "HTTP requests to this process",
    REQUEST_BUCKETS,
    ...(["method", "route", "status"] as const),
  );
  const wrong = make.counter("replayport_http_wrong_tokens_total", "Wrong tokens, by where they were given", "at");
  const listening = fleet.onEvent(onEvent);
  let reading: Promise<void> | undefined;
  return {
    contentType: registry.contentType,
    async text(signal) {
      // Concurrent scrapes share one read.
      reading ??= readFleet(fleet, signal).finally(() => {
        reading = undefined;
      });
      await reading;
      return await registry.metrics();
    },
    onRequest: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    onWrongToken: (at) => wrong.inc({ at }),
    [Symbol.dispose]() {
      listening[Symbol.dispose]();
      registry.clear();
    },
  };
}

function countEvents({ counter, gauge, histogram }: Make): (event: FleetEvent) => void {
  const runs = counter("replayport_runs_total", "Attempts that ended here, by outcome", "export", "outcome");
  const retries = counter(
    "replayport_retries_total",
    "Failed attempts that are retried, by error code",
    "export",
    "code",
  );
  const failures = counter("replayport_failures_total", "Runs that failed for good, by error code", "export", "code");
  const rows = counter("replayport_rows_total", "Rows loaded", "export");
  const bytes = counter("replayport_bytes_total", "Bytes of the files loaded", "export");
  const files = counter("replayport_files_total", "Files loaded", "export");
  const enqueued = counter("replayport_enqueued_total", "Live intervals enqueued", "export");
  const pauses = counter("replayport_pauses_total", "Pauses of exports", "export");
  const running = gauge("replayport_running", "Attempts that are running in this process");
  // No label for the export: thousands of exports times the buckets would overload Prometheus.
  const stages = histogram(
    "replayport_stage_duration_seconds",
    "Loaded runs: `count` counts the sessions, `stage` reads the source, `load` is the rest, `run` is everything",
    RUN_BUCKETS,
    "stage",
  );
  const waited = histogram("replayport_queue_wait_seconds", "From enqueuing to the first attempt", RUN_BUCKETS);
  const ticks = histogram("replayport_tick_duration_seconds", "Ticks of this scheduler", TICK_BUCKETS);
  return (event) => {
    const { export: name } = event;
    if ("attempt" in event && event.kind !== "run.started" && event.kind !== "run.stage") {
      runs.inc({ export: name, outcome: event.kind.slice("run.".length) });
      running.dec();
    }
    switch (event.kind) {
      case "enqueued":
        enqueued.inc({ export: name });
        break;
      case "run.started":
        running.inc();
        if (event.attempt === 1) waited.observe(event.waitedSeconds);
        break;
      case "run.loaded":
        rows.inc({ export: name }, event.rows);
        bytes.inc({ export: name }, event.bytes);
        files.inc({ export: name }, event.files);
        stages.observe({ stage: "count" }, event.countSeconds);
        stages.observe({ stage: "stage" }, event.stageSeconds);
        stages.observe({ stage: "load" }, event.loadSeconds);
        stages.observe({ stage: "run" }, event.seconds);
        break;
      case "run.retrying":
        retries.inc({ export: name, code: event.error.code });
        break;
      case "run.failed":
        failures.inc({ export: name, code: event.error.code });
        break;
      case "export.paused":
        pauses.inc({ export: name });
        break;
      case "tick":
        ticks.observe(event.seconds);
        break;
      case "run.covered":
      case "run.audited":
      case "run.released":
      case "run.cancelled":
      case "run.stage":
      case "export.resumed":
      case "export.silent":
      case "lag":
        break;
    }
  };
}

type ExportGauge = readonly [name: string, help: string, value: (one: ExportStatus) => number | undefined];
const EXPORT_GAUGES: readonly ExportGauge[] = [
  ["replayport_lag_seconds", "From the end of what is loaded without a gap to now", (one) => one.lagSeconds],
  ["replayport_due_intervals", "Settled intervals without a receipt", (one) => one.due],
  ["replayport_gaps", "Gaps: time without a receipt before the newest receipt", (one) => one.gapCount],
  ["replayport_ledger_unreadable", "1 if the load history can't be read", (one) => (one.ledgerError ? 1 : 0)],
  ["replayport_paused", "1 if the export is paused", (one) => (one.paused ? 1 : 0)],
  ["replayport_failed_intervals", "Intervals that failed for good", (one) => one.failedIntervals.length],
  ["replayport_failures_in_row", "Failed runs since the last one that was loaded", (one) => one.failuresInRow],
];

function fleetGauges({ gauge }: Make): (fleet: Fleet, signal: AbortSignal) => Promise<void> {
  const exports = EXPORT_GAUGES.map(([name, help, value]) => ({ gauge: gauge(name, help, "export"), value }));
  const queue = gauge("replayport_queue_jobs", "Jobs of the fleet by state", "state");
  const backfills = gauge("replayport_backfills_running", "Backfills that are running");
  const processes = gauge("replayport_processes", "Processes seen within the last 30 seconds", "kind");
  const up = gauge("replayport_redis_up", "1 if Redis answers and takes writes");
  const trip = gauge("replayport_redis_round_trip_seconds", "One round trip to Redis");

  return async (fleet, signal) => {
    // Alone and first: if Redis is down, the others would only wait, for longer than a scrape does.
    const health = await fleet.health(signal);
    const ask = async <T>(asked: () => Promise<T>): Promise<T | undefined> =>
      health.redis ? await asked().catch(() => undefined) : undefined;
    const [statuses, depth, all] = await Promise.all([
      ask(() => fleet.exports(signal)),
      ask(() => fleet.queue(signal)),
      ask(() => fleet.backfills(signal)),
    ]);
    up.set(health.redis ? 1 : 0);
    // An old value would look current.
    for (const stale of [...exports.map((one) => one.gauge), queue, processes]) stale.reset();
    if (health.redisMs === undefined) trip.remove();
    else trip.set(health.redisMs / 1000);
    for (const kind of ["scheduler", "worker"] as const) {
      if (health.redis) processes.set({ kind }, health.processes.filter((one) => one.kind === kind).length);
    }
    for (const status of statuses ?? []) {
      for (const { gauge: one, value } of exports) {
        const number = value(status);
        if (number !== undefined) one.set({ export: status.export }, number);
      }
    }
    for (const [state, jobs] of Object.entries(depth ?? {})) queue.set({ state }, jobs);
    if (all) backfills.set(all.filter(({ state }) => state === "running").length);
    else backfills.remove();
  };
}
