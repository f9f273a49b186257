/** Plans a backfill: which intervals to load, and how many of the schedule's intervals to join into one batch. */
import type { Coverage } from "../../destinations/destination.ts";
import { pathGranularity } from "../../destinations/lake/path_template.ts";
import { addCorrection, wholeDays } from "../export/corrections.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { coveredForBackfill, readCoverage } from "../export/ledger.ts";
import { type Density, type Join, planBackfill } from "../intervals/backfill.ts";
import type { Interval } from "../intervals/interval.ts";
import { type JoinUnit, unitSchedule } from "../intervals/schedule.ts";
import type { BackfillRequest } from "../fleet/fleet.ts";
import type { Context } from "./context.ts";

const HOUR_MS = 3_600_000;

function joinOf(definition: ExportDefinition, size: BackfillRequest["size"], density: Density[] | undefined): Join {
  if (size === "auto" && density) {
    const granularity = pathGranularity(definition.path);
    const unit: JoinUnit = granularity === "hour" || granularity === "day" ? granularity : "month";
    // Folders are named in UTC.
    return { kind: "rows", maxRows: definition.rowsPerFile, within: unitSchedule(unit, "UTC"), density };
  }
  if (size === undefined || size === "auto" || size === "schedule")
    return { kind: "fixed", schedule: definition.schedule };
  return { kind: "fixed", schedule: unitSchedule(size, definition.schedule.timezone) };
}

/** How many sessions changed in each hour of the range. Undefined if the model can't say. */
async function readDensity(
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

export interface BackfillPlan {
  readonly intervals: Interval[];
  readonly covered: Coverage[];
  /** Undefined if it wasn't read, or if the model can't say. */
  readonly density: Density[] | undefined;
}

/**
 * @param planOnly for a person to read: with its density even if the size of batches doesn't depend on it. Else the backfill's
 *   correction is made, if it asks for one, since its loads have to see it
 */
export async function planFor(
  context: Context,
  definition: ExportDefinition,
  request: Omit<BackfillRequest, "export" | "inFlight">,
  signal: AbortSignal,
  planOnly = false,
): Promise<BackfillPlan> {
  const { size = "auto", sourceIsRight = false, createdBy } = request;
  const force = request.force === true || sourceIsRight;
  const range = sourceIsRight ? wholeDays(request.range) : request.range;
  const now = await context.agreedNow(definition, signal);
  const destination = context.destination(definition);
  const covered = await readCoverage(destination, signal);
  const density = planOnly || size === "auto" ? await readDensity(context, definition, range, signal) : undefined;
  const intervals = planBackfill({
    range,
    schedule: definition.schedule,
    settleMs: definition.settleMs,
    now,
    covered: coveredForBackfill(definition, covered, now, force),
    force,
    join: joinOf(definition, size, density),
  });
  if (sourceIsRight && !planOnly && intervals.length > 0) {
    await addCorrection(definition, destination, range, createdBy, now, signal);
  }
  return { intervals, covered, density };
}
