/**
 * A fleet in memory, for what lies on this side of the interface. It proves nothing of Redis, of BullMQ, or of what a worker
 * does with a call: fleet_over_http.test.ts has the real one.
 */
import { ReplayportError } from "../../src/errors.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { overlaps } from "../../src/intervals/interval.ts";
import type {
  Backfill,
  ExportHistory,
  ExportRules,
  ExportStatus,
  Fleet,
  FleetError,
  FleetEvent,
  FleetHealth,
  FleetListener,
  Pause,
  QueueDepth,
  Run,
} from "../../src/fleet/fleet.ts";

export const NOW = new Date("2026-10-05T12:00:00Z");
export const at = (text: string): Date => new Date(text);
export const hours = (first: number, last = first + 1) => ({
  start: new Date(Date.UTC(2026, 9, 5, first)),
  end: new Date(Date.UTC(2026, 9, 5, last)),
});

export const ERROR: FleetError = {
  code: "source.unreachable",
  message: "ClickHouse at clickhouse:8123 does not answer",
  hint: "Look whether it runs: replayport check.",
  remedy: "retry",
  at: at("2026-10-05T11:30:00Z"),
};

export const PAUSE: Pause = {
  reason: "10 intervals failed in a row",
  since: at("2026-10-05T10:00:00Z"),
  by: "replayport",
  probeAt: at("2026-10-05T12:10:00Z"),
};

export const exportStatus = (name: string, given: Partial<ExportStatus> = {}): ExportStatus => ({
  export: name,
  destination: "lake",
  schedule: "@hourly",
  timezone: "UTC",
  paused: undefined,
  due: 0,
  queued: 0,
  running: 0,
  failuresInRow: 0,
  failedIntervals: [],
  loadedUntil: at("2026-10-05T11:00:00Z"),
  lagSeconds: 3600,
  lateSeconds: 0,
  nextAt: at("2026-10-05T12:05:00Z"),
  gaps: [],
  gapCount: 0,
  ledgerAt: at("2026-10-05T11:59:00Z"),
  ledgerError: undefined,
  lastReceipt: {
    interval: hours(10),
    rows: 48_211,
    bytes: 5_432_100,
    files: 1,
    committedAt: at("2026-10-05T11:06:12Z"),
    silentSince: undefined,
  },
  recentLoads: [7, 8, 9, 10].map((hour) => ({
    interval: hours(hour),
    rows: 40_000 + hour * 800,
    committedAt: new Date(Date.UTC(2026, 9, 5, hour + 1, 6, 12)),
  })),
  lastAudit: undefined,
  lastError: undefined,
  ...given,
});

export const run = (given: Partial<Run> = {}): Run => ({
  id: "replays/20261005T100000Z_20261005T110000Z",
  export: "replays",
  interval: hours(10),
  backfill: undefined,
  state: "loaded",
  attempt: 1,
  queuedAt: at("2026-10-05T11:05:00Z"),
  startedAt: at("2026-10-05T11:05:01Z"),
  finishedAt: at("2026-10-05T11:06:12Z"),
  nextAttemptAt: undefined,
  stage: undefined,
  rows: 48_211,
  bytes: 5_432_100,
  files: 1,
  times: { countSeconds: 4, stageSeconds: 41, loadSeconds: 26 },
  error: undefined,
  worker: "worker-1.17.ab3x",
  ...given,
});

export const backfill = (given: Partial<Backfill> = {}): Backfill => ({
  id: "k3v9x0qa",
  export: "replays",
  range: { start: at("2026-09-01T00:00:00Z"), end: at("2026-10-01T00:00:00Z") },
  force: false,
  createdBy: "api",
  createdAt: at("2026-10-05T11:00:00Z"),
  finishedAt: undefined,
  state: "running",
  total: 30,
  open: 10,
  running: 2,
  done: 18,
  failed: 0,
  cancelled: 0,
  rows: 1_204_331,
  bytes: 130_204_331,
  etaSeconds: 420,
  failures: [],
  ...given,
});

export interface FakeState {
  exports: ExportStatus[];
  runs: Run[];
  backfills: Backfill[];
  rules: ExportRules;
  history: ExportHistory;
  queue: QueueDepth;
  health: FleetHealth;
  /** What is claimed, and until which millisecond. */
  claims: Map<string, number>;
  now: () => Date;
}

export interface FakeFleet extends Fleet {
  readonly state: FakeState;
  /** What was asked, as `pause replays maintenance me`. */
  readonly calls: string[];
  /** From now on everything but health rejects with this. */
  fail(error: Error | undefined): void;
  tell(event: FleetEvent): void;
  readonly listeners: number;
}

const unknown = (code: string, message: string): ReplayportError =>
  new ReplayportError(message, { code, remedy: "give-up", hint: "See what there is." });

export function fakeFleet(given: Partial<FakeState> = {}): FakeFleet {
  const state: FakeState = {
    exports: [exportStatus("replays"), exportStatus("replays_eu")],
    runs: [run()],
    backfills: [],
    rules: {
      start: at("2026-10-01T00:00:00Z"),
      end: undefined,
      dueUntil: at("2026-10-05T11:00:00Z"),
      sweep: { schedule: parseSchedule("@daily"), afterMs: 86_400_000 },
      projects: [{ team: 2, url: "https://eu.posthog.com/project/2/replay/home" }],
      rules: [{ name: "Teams", value: "2" }],
    },
    history: { receipts: [], audit: undefined },
    claims: new Map(),
    now: () => NOW,
    queue: { waiting: 3, backfill: 2, delayed: 1, active: 4 },
    health: {
      redis: true,
      problem: undefined,
      redisMs: 0.4,
      warnings: [],
      processes: [
        { kind: "scheduler", name: "a.1.x", version: "0.1.0", startedAt: NOW, seenAt: NOW },
        { kind: "worker", name: "b.1.y", version: "0.1.0", startedAt: NOW, seenAt: NOW },
        { kind: "worker", name: "c.1.z", version: "0.1.0", startedAt: NOW, seenAt: NOW },
      ],
    },
    ...given,
  };
  const calls: string[] = [];
  const listeners = new Set<FleetListener>();
  let failure: Error | undefined;
  const answer = async <T>(make: () => T): Promise<T> => {
    await Promise.resolve();
    if (failure) throw failure;
    return make();
  };
  const find = (name: string): ExportStatus => {
    const found = state.exports.find((one) => one.export === name);
    if (!found) throw unknown("fleet.unknown_export", `there is no export "${name}"`);
    return found;
  };
  const change = (name: string, by: Partial<ExportStatus>): ExportStatus => {
    const changed = { ...find(name), ...by };
    state.exports = state.exports.map((one) => (one.export === name ? changed : one));
    return changed;
  };
  const findBackfill = (id: string): Backfill => {
    const found = state.backfills.find((one) => one.id === id);
    if (!found) throw unknown("backfill.unknown", `there is no backfill ${id}`);
    return found;
  };
  const changeBackfill = (id: string, by: Partial<Backfill>): Backfill => {
    const changed = { ...findBackfill(id), ...by };
    state.backfills = state.backfills.map((one) => (one.id === id ? changed : one));
    return changed;
  };
  return {
    state,
    calls,
    fail: (error) => {
      failure = error;
    },
    tell: (event) => {
      for (const listener of listeners) listener(event);
    },
    get listeners() {
      return listeners.size;
    },
    exports: async () => await answer(() => state.exports),
    export: async (name) => await answer(() => find(name)),
    rules: (name) => {
      find(name);
      return state.rules;
    },
    history: async (name) =>
      await answer(() => {
        find(name);
        return state.history;
      }),
    planBackfill: async (request) =>
      await answer(() => {
        find(request.export);
        calls.push(`plan ${JSON.stringify(request)}`);
        return { intervals: [request.range], sessions: 48_211 };
      }),
    runs: async ({ limit, export: name, states, backfill: of }) => {
      calls.push(`runs ${limit} ${name ?? "-"} ${states?.join("+") ?? "-"} ${of ?? "-"}`);
      return await answer(() =>
        state.runs
          .filter((one) => (name ?? one.export) === one.export && (states ?? [one.state]).includes(one.state))
          .slice(0, limit),
      );
    },
    queue: async () => await answer(() => state.queue),
    startBackfill: async (request) =>
      await answer(() => {
        find(request.export);
        calls.push(`backfill ${JSON.stringify(request)}`);
        const other = state.backfills.find((one) => one.state === "running" && overlaps(one.range, request.range));
        if (other) throw unknown("backfill.overlap", `the range overlaps that of backfill ${other.id}`);
        const begun = backfill({ id: "new00001", export: request.export, range: request.range });
        state.backfills = [begun, ...state.backfills];
        return begun;
      }),
    backfills: async () => await answer(() => state.backfills),
    backfill: async (id) => await answer(() => findBackfill(id)),
    cancelBackfill: async (id) => await answer(() => changeBackfill(id, { state: "cancelled" })),
    retryBackfill: async (id) =>
      await answer(() => {
        if (findBackfill(id).state === "cancelled") throw unknown("backfill.cancelled", `${id} was cancelled`);
        return changeBackfill(id, { state: "running" });
      }),
    pause: async (name, reason, by) =>
      await answer(() => {
        calls.push(`pause ${name} ${reason} ${by}`);
        return change(name, { paused: { reason, by, since: NOW, probeAt: undefined } });
      }),
    resume: async (name, by) =>
      await answer(() => {
        calls.push(`resume ${name} ${by}`);
        return change(name, { paused: undefined, failuresInRow: 0, failedIntervals: [] });
      }),
    retry: async (name) => await answer(() => find(name).failedIntervals.length),
    claim: async (what, ms) =>
      await answer(() => {
        const now = state.now().getTime();
        if ((state.claims.get(what) ?? 0) > now) return false;
        state.claims.set(what, now + ms);
        return true;
      }),
    claimed: async (what) => await answer(() => (state.claims.get(what) ?? 0) > state.now().getTime()),
    unclaim: async (what) => await answer(() => state.claims.delete(what)),
    health: async () => await Promise.resolve(state.health),
    onEvent: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  };
}
