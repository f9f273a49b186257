/** What the config says about an export, in words. Values are those of the definition, so defaults are shown too. */
import type { ExportDefinition } from "../export/definition.ts";
import type { Schedule } from "../intervals/schedule.ts";
import type { Condition, Teams } from "../models/model.ts";
import type { ExportRules } from "./fleet.ts";

export function rulesOf(definition: ExportDefinition, now: Date): ExportRules {
  const { selection, schedule, start, end, settleMs, sweep } = definition;
  const settled = new Date(now.getTime() - settleMs);
  const { teams, posthogUrl } = selection;
  const named = teams === "all" || posthogUrl === "" ? [] : [teams].flat();
  return {
    start,
    end,
    dueUntil: end !== undefined && end <= settled ? end : (lastTick(schedule, settled) ?? start),
    sweep,
    projects: named.map((team) => ({ team, url: `${posthogUrl}/project/${team}/replay/home` })),
    rules: texts(definition)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => ({ name, value })),
  };
}

/** From how far back a tick is looked for. */
const STEPS_MS = [3_600_000, 86_400_000, 32 * 86_400_000, 366 * 86_400_000];

/** The last tick at or before the time. */
function lastTick(schedule: Schedule, time: Date): Date | undefined {
  for (const step of STEPS_MS) {
    let tick = schedule.next(new Date(time.getTime() - step));
    if (tick === undefined || tick > time) continue;
    for (;;) {
      const next = schedule.next(tick);
      if (next === undefined || next > time) return tick;
      tick = next;
    }
  }
  return undefined;
}

function texts(definition: ExportDefinition): [name: string, value: string][] {
  const { model, selection, schedule, sweep, audit, end } = definition;
  const until = end === undefined ? "" : ` to ${minute(end)}`;
  const { rules } = selection;
  return [
    ["Model", model.kind === "sql" ? `SQL of ${model.file}, key ${model.key.join(", ")}` : model.kind],
    ["Teams", teamsText(selection.teams)],
    ["Conditions", selection.where.map(conditionText).join("; ")],
    ["Columns added", rules.include.join(", ")],
    ["Columns left out", rules.exclude.join(", ")],
    ["Columns hashed", rules.hash.join(", ")],
    ["URLs without query", rules.stripQuery.join(", ")],
    ["Schedule", `${schedule.text}, ${schedule.timezone}, from ${minute(definition.start)}${until}`],
    ["Settles after", duration(definition.settleMs)],
    ["Lookback", duration(definition.lookbackMs)],
    ["Sweep", sweep ? `${sweep.schedule.text}, ${duration(sweep.afterMs)} after the window's end` : "off"],
    ["Audit", audit ? `${audit.schedule.text}, the last ${audit.days} days` : "off"],
    [
      "Format",
      `${definition.format}, ${definition.compression}, about ${definition.rowsPerFile.toLocaleString("en")} rows per file`,
    ],
    ["Path", definition.path],
    ["Time limit", `${duration(definition.attemptMs)} for one attempt`],
  ];
}

/** `2026-10-01T13:00Z` */
function minute(time: Date): string {
  return `${time.toISOString().slice(0, 16)}Z`;
}

function teamsText(teams: Teams): string {
  return teams === "all" ? "all" : [teams].flat().join(", ");
}

function conditionText(condition: Condition): string {
  const { column } = condition;
  switch (condition.op) {
    case "equal":
      return `${column} is ${String(condition.value)}`;
    case "in":
      return `${column} is one of ${condition.values.join(", ")}`;
    case "range":
      return [column, ...bound("from", condition.min), ...bound("to", condition.max)].join(" ");
    default:
      condition satisfies never;
      return column;
  }
}

function bound(word: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`${word} ${value}`];
}

/** `90 s`, `15 min`, `3 h`, `14 d` */
function duration(ms: number): string {
  const units: readonly [number, string][] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
  ];
  const [size, unit] = units.find(([of]) => ms >= of && ms % of === 0) ?? [1000, "s"];
  return `${ms / size} ${unit}`;
}
