/** What a backfill's plan needs to know: how many sessions changed when, and how far turns may be joined. */
import { pathGranularity } from "../../destinations/lake/path_template.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { readCoverage } from "../export/ledger.ts";
import { type Density, type Join, planBackfill } from "../intervals/backfill.ts";
import type { Interval } from "../intervals/interval.ts";
import { type JoinUnit, unitSchedule } from "../intervals/schedule.ts";
import type { BackfillRequest } from "../fleet/fleet.ts";
import type { Context } from "./context.ts";

const HOUR_MS = 3_600_000;

export type BatchSize = "auto" | "schedule" | JoinUnit;

export function joinOf(definition: ExportDefinition, size: BatchSize, density: Density[] | undefined): Join {
  if (size === "auto" && density) {
    const granularity = pathGranularity(definition.path);
    const unit: JoinUnit = granularity === "hour" || granularity === "day" ? granularity : "month";
    // Folders are named in UTC.
    return { kind: "rows", maxRows: definition.rowsPerFile, within: unitSchedule(unit, "UTC"), density };
  }
  if (size === "auto" || size === "schedule") return { kind: "fixed", schedule: definition.schedule };
  return { kind: "fixed", schedule: unitSchedule(size, definition.schedule.timezone) };
}

/** Sessions that changed in each hour of the range; undefined where the model cannot tell. */
export async function readDensity(
  context: Context,
  definition: ExportDefinition,
  range: Interval,
  signal: AbortSignal,
): Promise<Density[] | undefined> {
  const source = await context.source();
  const model = await source.model(definition, signal);
  const query = model.countPerHour(range);
  if (!query) return undefined;
  const purpose = { export: definition.name, interval: range, limits: definition.limits };
  const hours = await source.numbers(query, purpose, signal);
  return hours.map(({ hour = 0, sessions = 0 }) => {
    const start = new Date(hour * 1000);
    return { interval: { start, end: new Date(start.getTime() + HOUR_MS) }, rows: sessions };
  });
}

/** The intervals of a backfill by the fleet. */
export async function planFor(
  context: Context,
  definition: ExportDefinition,
  request: BackfillRequest,
  signal: AbortSignal,
): Promise<Interval[]> {
  const { range, force = false, size = "auto" } = request;
  const covered = await readCoverage(context.destination(definition), signal);
  const density = size === "auto" ? await readDensity(context, definition, range, signal) : undefined;
  return planBackfill({
    range,
    schedule: definition.schedule,
    settleMs: definition.settleMs,
    now: context.cli.now(),
    covered: covered.map((one) => one.interval),
    force,
    join: joinOf(definition, size, density),
  });
}
