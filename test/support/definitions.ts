/** An export as the config would define it, and what a run of it needs. */
import { withoutClock } from "../../src/export/clock.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { LoadDependencies, LoadOptions } from "../../src/export/load_batch.ts";
import type { Source } from "../../src/export/source.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import type { Read } from "../../src/models/model.ts";
import type { Destination } from "../../destinations/destination.ts";

export const NO_RULES = { include: [], exclude: [], hash: [], stripQuery: [] } as const;

export const HOUR_MS = 3_600_000;

export const REPLAYS: ExportDefinition = {
  name: "replays",
  model: { kind: "session_replays" },
  selection: { teams: "all", rules: NO_RULES, where: [], salt: "", posthogUrl: "" },
  destination: "lake",
  schedule: parseSchedule("@hourly"),
  start: new Date("2026-10-01T00:00:00Z"),
  settleMs: 300_000,
  quietAfterMs: 3 * HOUR_MS,
  lookbackMs: 3 * 86_400_000,
  sweep: undefined,
  audit: undefined,
  format: "parquet",
  compression: "zstd",
  path: "{export}/dt={year}-{month}-{day}",
  rowsPerFile: 1000,
  limits: { memoryBytes: 1_000_000_000, seconds: 60, threads: 1 },
  acceptMissingColumns: [],
  attemptMs: 600_000,
};

export const HOUR_ONE = { start: new Date("2026-10-01T00:00:00Z"), end: new Date("2026-10-01T01:00:00Z") };

/** Hours after HOUR_ONE's start. */
export const hour = (from: number, to: number) => ({
  start: new Date(HOUR_ONE.start.getTime() + from * HOUR_MS),
  end: new Date(HOUR_ONE.start.getTime() + to * HOUR_MS),
});

export const FIRST_LOAD: LoadOptions = { covered: [] };

/** A fake source can write it: JSON Lines, in files of two rows. */
export const TEXT_REPLAYS: ExportDefinition = { ...REPLAYS, format: "jsonl", compression: "none", rowsPerFile: 2 };

let attempts = 0;

export function dependencies(source: Source, destination: Destination, stageRoot: string): LoadDependencies {
  return {
    source: withoutClock(source),
    destination,
    stageRoot,
    now: () => new Date("2026-10-01T06:00:00Z"),
    newAttempt: () => {
      attempts += 1;
      return attempts.toString(36).padStart(12, "0");
    },
    onProgress: () => undefined,
  };
}

/** A first read of `HOUR_ONE` in one part. */
export const READ: Read = {
  interval: HOUR_ONE,
  exportedAt: new Date("2026-10-01T02:00:00.123Z"),
  pruneBefore: undefined,
  alsoChangedSince: undefined,
  reread: false,
  corrections: [],
  part: { index: 0, of: 1 },
};
