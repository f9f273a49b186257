/** A fleet as somebody on call would meet it: many exports, one broken folder, a late one, a paused one, weeks of history. */
import type { Receipt } from "../../destinations/destination.ts";
import type { ExportHistory, ExportStatus, Run } from "../../src/fleet/fleet.ts";
import { at, backfill, exportStatus, type FakeState, NOW, run } from "./fake_fleet.ts";

const HOUR_MS = 3_600_000;
const TODAY = at("2026-10-05T00:00:00Z").getTime();
const END = at("2026-10-05T11:00:00Z").getTime();

/** Rows of an hour: fewer at night, and never the same twice. */
function rowsAt(hour: number, seed: number): number {
  const daily = Math.sin(((new Date(hour).getUTCHours() - 8) / 24) * 2 * Math.PI);
  const noise = Math.abs(Math.sin(hour / 1_234_567 + seed * 7.3));
  return Math.round((2_000 + seed * 90) * (1.25 + daily) * (0.8 + 0.4 * noise));
}

const loads = (seed: number, until = END) =>
  Array.from({ length: 24 }, (_, index) => {
    const start = until - (24 - index) * HOUR_MS;
    const seconds = 310 + Math.round(240 * Math.abs(Math.sin(index * seed + 1)));
    return {
      interval: { start: new Date(start), end: new Date(start + HOUR_MS) },
      rows: rowsAt(start, seed),
      committedAt: new Date(start + HOUR_MS + seconds * 1000),
    };
  });

/** Days that were swept, then the hours since. Two hours lack. */
export function exampleHistory(seed = 1, path = "replays/dt="): ExportHistory {
  const receipt = (start: number, end: number, readAt: number): Receipt => {
    let rows = 0;
    for (let hour = start; hour < end; hour += HOUR_MS) rows += rowsAt(hour, seed);
    const folder = `${path}${new Date(start).toISOString().slice(0, 10)}`;
    return {
      export: "replays",
      attempt: "k2v90axq81zd",
      interval: { start: new Date(start), end: new Date(end) },
      rows,
      bytes: rows * 113,
      files: Math.ceil(rows / 400_000),
      fingerprint: "a1b2c3d4-e5f60718",
      readAt: new Date(readAt),
      watermark: new Date(end),
      committedAt: new Date(readAt + 60_000),
      folders: [{ path: folder, extension: ".parquet", columns: [] }],
    };
  };
  const receipts: Receipt[] = [];
  for (let day = TODAY - 24 * 24 * HOUR_MS; day < TODAY - 48 * HOUR_MS; day += 24 * HOUR_MS) {
    receipts.push(receipt(day, day + 24 * HOUR_MS, day + 48 * HOUR_MS + 600_000));
  }
  for (const { interval, committedAt } of [48, 24, 0].flatMap((hours) => loads(seed, END - hours * HOUR_MS))) {
    const start = interval.start.getTime();
    if (start < TODAY - 48 * HOUR_MS || [TODAY - 9 * HOUR_MS, TODAY - 8 * HOUR_MS].includes(start)) continue;
    receipts.push(receipt(start, interval.end.getTime(), committedAt.getTime() - 60_000));
  }
  const audit = {
    readAt: at("2026-10-04T03:00:00Z"),
    lacking: 0,
    unrepaired: 0,
    onlyDestination: 0,
    lackingIn: [],
    from: at("2026-09-20T00:00:00Z"),
  };
  return { receipts, audit };
}

const DENIED = {
  code: "store.access_denied",
  hint: "Give the writer s3:PutObject on this prefix, then resume the exports.",
  remedy: "retry",
  at: at("2026-10-05T11:52:00Z"),
} as const;

export function exampleState(count = 200): Partial<FakeState> {
  const exports = Array.from({ length: count }, (_, index): ExportStatus => {
    const number = String(index + 1).padStart(3, "0");
    const destination = ["lake", "warehouse", "archive"][index % 3] ?? "";
    const daily = destination === "archive";
    const name = index === 0 ? "replays" : `replays_${daily ? "daily" : "team"}_${number}`;
    const start = END - HOUR_MS;
    const last = {
      interval: { start: new Date(start), end: new Date(END) },
      rows: rowsAt(start, index + 1),
      bytes: rowsAt(start, index + 1) * 113,
      files: 1,
      committedAt: new Date(END + 372_000),
      silentSince: undefined,
    };
    const base = exportStatus(name, {
      destination,
      recentLoads: loads(index + 1),
      lastReceipt: last,
      lastAudit: { readAt: at("2026-10-04T03:00:00Z"), lacking: 0, unrepaired: 0, onlyDestination: 0 },
      ...(daily
        ? {
            schedule: "@daily",
            loadedUntil: at("2026-10-05T00:00:00Z"),
            lagSeconds: 43_200,
            nextAt: at("2026-10-06T00:05:00Z"),
          }
        : {}),
    });
    if (destination === "warehouse" && index >= 100 && index < 124) {
      const error = { ...DENIED, message: `PUT s3://acme-warehouse/stage/${name}/ was refused: 403 AccessDenied` };
      const interval = { start: at("2026-10-05T09:00:00Z"), end: at("2026-10-05T10:00:00Z") };
      const failedIntervals = [{ interval, error, retryAt: at("2026-10-05T12:04:00Z") }];
      const loadedUntil = at("2026-10-05T09:00:00Z");
      return {
        ...base,
        failuresInRow: 2,
        failedIntervals,
        due: 2,
        loadedUntil,
        lagSeconds: 10_800,
        lateSeconds: 6_900,
      };
    }
    if (index === 3) return { ...base, due: 4, running: 2, lagSeconds: 18_000, lateSeconds: 14_100 };
    if (index === 9) {
      const reason = "the table moves to another project";
      return { ...base, paused: { reason, by: "jane", since: at("2026-10-05T09:12:00Z"), probeAt: undefined } };
    }
    return index % 17 === 0 && index > 0 ? { ...base, running: 1, due: 1 } : base;
  });
  const error = { ...DENIED, message: "PUT s3://acme-warehouse/stage/replays_team_101/ was refused: 403 AccessDenied" };
  const loaded = loads(1)
    .toReversed()
    .map(({ interval, rows, committedAt }, index): Run => {
      const seconds = 20 + (index % 5) * 13;
      const startedAt = new Date(committedAt.getTime() - seconds * 1000);
      return run({
        id: `replays/${interval.start.toISOString()}`,
        interval,
        rows,
        bytes: rows * 113,
        queuedAt: new Date(startedAt.getTime() - 2_000),
        startedAt,
        finishedAt: committedAt,
        times: { countSeconds: seconds * 0.1, stageSeconds: seconds * 0.55, loadSeconds: seconds * 0.35 },
      });
    });
  const hour = { start: at("2026-10-05T09:00:00Z"), end: at("2026-10-05T10:00:00Z") };
  const again = { interval: hour, id: "replays/retried", times: undefined, error: { ...DENIED, ...error } };
  return {
    exports,
    runs: [
      run({
        export: "replays_team_004",
        state: "running",
        stage: "staging",
        startedAt: at("2026-10-05T11:58:20Z"),
        finishedAt: undefined,
        times: undefined,
      }),
      run({
        ...again,
        export: "replays_team_102",
        state: "retrying",
        attempt: 2,
        finishedAt: undefined,
        files: 0,
        nextAttemptAt: at("2026-10-05T12:00:40Z"),
      }),
      run({
        ...again,
        state: "failed",
        attempt: 5,
        rows: 0,
        bytes: 0,
        files: 0,
        finishedAt: at("2026-10-05T10:21:00Z"),
      }),
      ...loaded,
    ],
    backfills: [
      backfill({
        createdBy: "jane",
        range: { start: at("2026-09-11T00:00:00Z"), end: at("2026-09-16T00:00:00Z") },
        force: true,
        createdAt: at("2026-09-13T00:00:00Z"),
      }),
      backfill({
        id: "c0ffee01",
        export: "replays_team_002",
        state: "cancelled",
        open: 0,
        running: 0,
        done: 12,
        cancelled: 18,
        etaSeconds: undefined,
        finishedAt: at("2026-10-05T09:40:00Z"),
      }),
    ],
    history: exampleHistory(),
    rules: {
      start: at("2026-09-11T00:00:00Z"),
      end: undefined,
      dueUntil: new Date(END),
      sweep: { schedule: { text: "@daily", timezone: "UTC", next: () => undefined }, afterMs: 24 * HOUR_MS },
      projects: [{ team: 2, url: "https://eu.posthog.com/project/2/replay/home" }],
      rules: [
        { name: "Model", value: "session_replays" },
        { name: "Teams", value: "2" },
        { name: "Conditions", value: "duration from 5" },
        { name: "Columns hashed", value: "distinct_id" },
        { name: "Schedule", value: "@hourly, UTC, from 2026-09-11T00:00Z" },
        { name: "Sweep", value: "@daily, 24 h after the window's end" },
        { name: "Format", value: "parquet, zstd, about 1,000,000 rows per file" },
      ],
    },
    now: () => NOW,
  };
}
