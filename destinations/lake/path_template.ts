/**
 * The folder of an interval's files, as a template: `{export}/dt={year}-{month}-{day}`.
 *
 * The placeholders are export, year, month, day and hour, from the interval's start in UTC. `{export}` has to be among
 * them: the folder of two exports must never be the same, since each removes files of dead attempts from its own.
 */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import { dataFileInterval, LEDGER, ODD } from "./layout.ts";

export const DEFAULT_PATH = "{export}/dt={year}-{month}-{day}";

/** What one folder holds at most: all intervals that start in one hour, day, month or year, or all there are. */
export type PathGranularity = "hour" | "day" | "month" | "year" | "none";

const PLACEHOLDERS = ["export", "year", "month", "day", "hour"] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];

/** @throws ReplayportError `lake.path_template` where the template is not one. */
export function renderPath(template: string, exportName: string, interval: Interval): string {
  const [date = "", time = ""] = interval.start.toISOString().split("T");
  const [year = "", month = "", day = ""] = date.split("-");
  return fillPath(template, { export: exportName, year, month, day, hour: time.slice(0, 2) });
}

/** Whether a data file is in the folder that the template gives to its interval. False for a template that isn't one. */
export function isInFolder(template: string, exportName: string, key: string): boolean {
  const interval = dataFileInterval(exportName, key);
  try {
    return interval !== undefined && renderPath(template, exportName, interval) === key.slice(0, key.lastIndexOf("/"));
  } catch {
    // Manifests aren't believed.
    return false;
  }
}

/** The same folder for every interval, with `*` in place of what changes: what a reader's glob begins with. */
export function globPath(template: string, exportName: string): string {
  return fillPath(template, { export: exportName, year: "*", month: "*", day: "*", hour: "*" });
}

/** The part of the path that is the same for every interval, up to a slash: `replays/`. */
export function literalFolder(template: string, exportName: string): string {
  const [literal = ""] = globPath(template, exportName).split("*");
  return literal.slice(0, literal.lastIndexOf("/") + 1);
}

/** The smallest unit of time among the template's placeholders. */
export function pathGranularity(template: string): PathGranularity {
  const used = placeholdersOf(template);
  return (["hour", "day", "month", "year"] as const).find((unit) => used.includes(unit)) ?? "none";
}

function placeholdersOf(template: string): Placeholder[] {
  return [...template.matchAll(/\{([^{}]*)\}/g)].map(([whole, name = ""]) => {
    const known = PLACEHOLDERS.find((placeholder) => placeholder === name);
    if (!known) throw refused(template, `it holds ${whole}`);
    return known;
  });
}

function fillPath(template: string, values: Record<Placeholder, string>): string {
  if (!placeholdersOf(template).includes("export")) throw refused(template, "it lacks {export}");
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: Placeholder) => values[name]);
  const problem = problemOf(path);
  if (problem !== undefined) throw refused(template, problem);
  return path;
}

function problemOf(path: string): string | undefined {
  if (/[{}]/.test(path)) return "its braces do not match";
  if (ODD.test(path)) return "it holds a backslash, a control character, or a dot or slash as %2e or %2f";
  const parts = path.split("/");
  if (parts.includes("")) return "it begins or ends with a slash, or holds two in a row";
  if (parts.some((part) => part.startsWith("."))) return "a folder in it begins with a dot";
  if (parts[0] === LEDGER) return `${LEDGER} is where the manifests are`;
  return undefined;
}

function refused(template: string, problem: string): ReplayportError {
  return new ReplayportError(
    `the path template ${JSON.stringify(template)} cannot be used: ${problem}`,
    giveUp(
      "lake.path_template",
      `Write a relative path with {export} and, if you like, {year}, {month}, {day} and {hour}, such as ${DEFAULT_PATH}.`,
    ),
  );
}
