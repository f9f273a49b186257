/**
 * Metrics in Prometheus' text format. What this process does is counted as it happens; what the whole fleet knows (lag,
 * queue, pauses) is asked for when somebody reads, so that it is never older than the answer, also where a scheduler died.
 * Every process of a fleet answers the latter alike: take `max by (export)` over them.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ExportStatus, Fleet, FleetEvent } from "../fleet/fleet.ts";
import { VERSION } from "../version.ts";

const RUN_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const TICK_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30];

export interface Metrics extends Disposable {
  readonly contentType: string;
  /** Never rejects: where Redis is down, what it knows is left out and `replayport_redis_up` is 0. */
  text(signal: AbortSignal): Promise<string>;
  onRequest(method: string, route: string, status: number, seconds: number): void;
}

export function createMetrics(fleet: Fleet): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Event-loop delay is among these: nodejs_eventloop_lag_*.
  collectDefaultMetrics({ register: registry });
  new Gauge({ name: "replayport_build_info", help: "Always 1", labelNames: ["version"], registers }).set(
    { version: VERSION },
    1,
  );
  const onEvent = countEvents(registers);
  const readFleet = fleetGauges(registers);
  const requests = new Histogram({
    name: "replayport_http_request_duration_seconds",
    help: "HTTP requests to this process",
    labelNames: ["method", "route", "status"],
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 10],
    registers,
  });
  const listening = fleet.onEvent(onEvent);
  let reading: Promise<void> | undefined;
  return {
    contentType: registry.contentType,
    async text(signal) {
      // Two readers at once ask the fleet once.
      reading ??= readFleet(fleet, signal).finally(() => {
        reading = undefined;
      });
      await reading;
      return await registry.metrics();
    },
    onRequest: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    [Symbol.dispose]() {
      listening[Symbol.dispose]();
      registry.clear();
    },
  };
}

function countEvents(registers: Registry[]): (event: FleetEvent) => void {
  const perExport = { labelNames: ["export"], registers } as const;
  const runs = new Counter({
    name: "replayport_runs_total",
    help: "Attempts that ended in this process, by outcome",
    labelNames: ["export", "outcome"],
    registers,
  });
  const retries = new Counter({
    name: "replayport_retries_total",
    help: "Attempts that failed and are to be tried again, by the error's code",
    labelNames: ["export", "code"],
    registers,
  });
  const failures = new Counter({
    name: "replayport_failures_total",
    help: "Runs that failed for good, by the error's code",
    labelNames: ["export", "code"],
    registers,
  });
  const rows = new Counter({ name: "replayport_rows_total", help: "Rows that were loaded", ...perExport });
  const bytes = new Counter({
    name: "replayport_bytes_total",
    help: "Bytes of the files that were loaded",
    ...perExport,
  });
  const files = new Counter({ name: "replayport_files_total", help: "Files that were loaded", ...perExport });
  const enqueued = new Counter({ name: "replayport_enqueued_total", help: "Live intervals enqueued", ...perExport });
  const pauses = new Counter({ name: "replayport_pauses_total", help: "Pauses of exports", ...perExport });
  const running = new Gauge({ name: "replayport_running", help: "Attempts that run in this process", registers });
  // No label of the export: with some thousands of them the buckets would be what Prometheus is busy with.
  const stages = new Histogram({
    name: "replayport_stage_duration_seconds",
    help: "Loaded runs: `count` asks how much is to come, `stage` reads the source, `load` is the rest, `run` is all of it",
    labelNames: ["stage"],
    buckets: RUN_BUCKETS,
    registers,
  });
  const waited = new Histogram({
    name: "replayport_queue_wait_seconds",
    help: "From being enqueued to the beginning of the first attempt",
    buckets: RUN_BUCKETS,
    registers,
  });
  const ticks = new Histogram({
    name: "replayport_tick_duration_seconds",
    help: "Ticks of this scheduler",
    buckets: TICK_BUCKETS,
    registers,
  });
  const end = (name: string, outcome: string): void => {
    runs.inc({ export: name, outcome });
    running.dec();
  };
  return (event) => {
    const { export: name } = event;
    switch (event.kind) {
      case "enqueued":
        enqueued.inc({ export: name });
        break;
      case "run.started":
        running.inc();
        if (event.attempt === 1) waited.observe(event.waitedSeconds);
        break;
      case "run.loaded":
        end(name, "loaded");
        rows.inc({ export: name }, event.rows);
        bytes.inc({ export: name }, event.bytes);
        files.inc({ export: name }, event.files);
        stages.observe({ stage: "count" }, event.countSeconds);
        stages.observe({ stage: "stage" }, event.stageSeconds);
        stages.observe({ stage: "load" }, event.loadSeconds);
        stages.observe({ stage: "run" }, event.seconds);
        break;
      case "run.covered":
        end(name, "covered");
        break;
      case "run.released":
        end(name, "released");
        break;
      case "run.cancelled":
        end(name, "cancelled");
        break;
      case "run.retrying":
        end(name, "retrying");
        retries.inc({ export: name, code: event.error.code });
        break;
      case "run.failed":
        end(name, "failed");
        failures.inc({ export: name, code: event.error.code });
        break;
      case "export.paused":
        pauses.inc({ export: name });
        break;
      case "tick":
        ticks.observe(event.seconds);
        break;
      case "run.stage":
      case "export.resumed":
      case "lag":
        break;
    }
  };
}

function fleetGauges(registers: Registry[]): (fleet: Fleet, signal: AbortSignal) => Promise<void> {
  const perExport = (name: string, help: string, value: (one: ExportStatus) => number | undefined) => ({
    gauge: new Gauge({ name, help, labelNames: ["export"], registers }),
    value,
  });
  const exports = [
    perExport("replayport_lag_seconds", "From the end of what is loaded without a gap to now", (one) => one.lagSeconds),
    perExport("replayport_due_intervals", "Settled intervals without a receipt", (one) => one.due),
    perExport("replayport_gaps", "Stretches without a receipt before the newest receipt", (one) => one.gapCount),
    perExport("replayport_ledger_unreadable", "1 where the destination cannot be asked what is loaded", (one) =>
      one.ledgerError ? 1 : 0,
    ),
    perExport("replayport_paused", "1 where the export is paused", (one) => (one.paused ? 1 : 0)),
    perExport("replayport_failed_intervals", "Intervals that failed for good", (one) => one.failedIntervals.length),
    perExport(
      "replayport_failures_in_row",
      "Failed runs since the last one that was loaded",
      (one) => one.failuresInRow,
    ),
  ];
  const queue = new Gauge({
    name: "replayport_queue_jobs",
    help: "Jobs of the fleet by state",
    labelNames: ["state"],
    registers,
  });
  const backfills = new Gauge({ name: "replayport_backfills_running", help: "Backfills that run", registers });
  const processes = new Gauge({
    name: "replayport_processes",
    help: "Processes seen within the last 30 seconds",
    labelNames: ["kind"],
    registers,
  });
  const up = new Gauge({ name: "replayport_redis_up", help: "1 where Redis answers", registers });
  const trip = new Gauge({ name: "replayport_redis_round_trip_seconds", help: "One round trip to Redis", registers });

  return async (fleet, signal) => {
    // First alone: where Redis is down the others would only wait for longer than a scrape does.
    const health = await fleet.health(signal);
    const ask = async <T>(asked: () => Promise<T>): Promise<T | undefined> =>
      health.redis ? await asked().catch(() => undefined) : undefined;
    const [statuses, depth, all] = await Promise.all([
      ask(() => fleet.exports(signal)),
      ask(() => fleet.queue(signal)),
      ask(() => fleet.backfills(signal)),
    ]);
    up.set(health.redis ? 1 : 0);
    // A value that nobody has read now would look like one that holds.
    for (const { gauge } of exports) gauge.reset();
    for (const gauge of [queue, processes]) gauge.reset();
    if (health.redisMs === undefined) trip.remove();
    else trip.set(health.redisMs / 1000);
    for (const kind of ["scheduler", "worker"] as const) {
      if (health.redis) processes.set({ kind }, health.processes.filter((one) => one.kind === kind).length);
    }
    for (const status of statuses ?? []) {
      for (const { gauge, value } of exports) {
        const number = value(status);
        if (number !== undefined) gauge.set({ export: status.export }, number);
      }
    }
    for (const [state, jobs] of Object.entries(depth ?? {})) queue.set({ state }, jobs);
    if (all) backfills.set(all.filter(({ state }) => state === "running").length);
    else backfills.remove();
  };
}
