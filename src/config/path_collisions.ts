/** The folders that exports write to. Each export needs its own. */
import type { DestinationOptions } from "../../destinations/options.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { lakeRoot } from "./destinations/destinations.ts";
import type { Path } from "./problems/path.ts";
import type { Report } from "./problems/problems.ts";
import { suggestion } from "./problems/suggest.ts";

const PLACEHOLDERS = ["export", "year", "month", "day", "hour"];

/** The folder of the manifests in every lake. */
const LEDGER = "_replayport";
/** As in destinations/lake/layout.ts: no key of a lake may have it. */
const ODD = /[\\\p{Cc}\p{Cs}]|%(?:25)*(?:2e|2f|5c|00|c0|c1)/iu;

export function checkTemplate(template: string, path: Path, report: Report): void {
  const names = [...template.matchAll(/\{([^{}]*)\}/g)].map(([, name = ""]) => name);
  const unknown = names.filter((name) => !PLACEHOLDERS.includes(name));
  for (const name of unknown)
    report.add(path, "has an unknown placeholder", suggestion(name, PLACEHOLDERS, "placeholder"));
  const folders = template.replaceAll(/\{[^{}]*\}/g, "x").split("/");
  if (/[{}]/.test(folders.join(""))) report.add(path, "its braces do not match", "Write placeholders as {year}.");
  if (ODD.test(template))
    report.add(
      path,
      "has a backslash, a control character, or a dot or slash in percent",
      "Write single slashes between the names.",
    );
  if (folders.includes(""))
    report.add(path, "begins or ends with a slash, or has two in a row", "Write a relative path.");
  if (folders.some((folder) => folder.startsWith(".")))
    report.add(path, "has a folder that begins with a dot", "Write another name: readers skip such folders.");
  if (folders[0] === LEDGER) report.add(path, "belongs to the manifests", "Write another folder.");
  if (unknown.length === 0 && !names.includes("export")) {
    report.add(path, "lacks {export}", "Put {export} in it: two exports must never share a folder.");
  }
}

const DIGITS: Readonly<Record<string, string>> = { year: "####", month: "##", day: "##", hour: "##" };

/** The folder with `#` for each digit of a time. */
function folderPattern(definition: ExportDefinition, root: string): string {
  const folder = definition.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => DIGITS[name] ?? definition.name);
  return `${root}/${folder}`;
}

/** Whether both can be the same folder at some time. May say yes for two that never are. */
function canCollide(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  const fits = (a: string, b: string): boolean => a === b || (a === "#" && /\d/.test(b)) || (b === "#" && /\d/.test(a));
  return Array.from(one, (_, index) => index).every((index) => fits(one.charAt(index), other.charAt(index)));
}

/** An Iceberg table is one export's. */
export function checkTables(
  exports: readonly ExportDefinition[],
  destinations: Readonly<Record<string, DestinationOptions>>,
  report: Report,
): void {
  const seen = new Map<string, string>();
  for (const { name, destination } of exports) {
    const options = Object.hasOwn(destinations, destination) ? destinations[destination] : undefined;
    if (options?.type !== "iceberg") continue;
    const { catalog, namespace, table = name } = options;
    const id = JSON.stringify([catalog.uri, catalog.warehouse, namespace, table]);
    const earlier = seen.get(id);
    if (earlier === undefined) seen.set(id, name);
    else {
      const fix =
        "Leave `table` out of the destination, so that each export has the table of its name, or write another destination.";
      report.add(["exports", name], `loads into the same Iceberg table as the export ${earlier}`, fix, "key");
    }
  }
}

/** Two exports in one folder would delete each other's files. Two destinations may be the same place; exports may not. */
export function checkCollisions(
  exports: readonly ExportDefinition[],
  destinations: Readonly<Record<string, DestinationOptions>>,
  report: Report,
): void {
  const folders = exports.flatMap((definition) => {
    const config = Object.hasOwn(destinations, definition.destination)
      ? destinations[definition.destination]
      : undefined;
    const root = config && lakeRoot(config);
    return root === undefined ? [] : [{ name: definition.name, pattern: folderPattern(definition, root) }];
  });
  // Of two folders whose times are at the same places, only equal ones collide: no need to compare each with each.
  const seen = new Map<string, Map<string, string>>();
  for (const { name, pattern } of folders) {
    const own = placesOfTimes(pattern);
    const earlier = [...seen].flatMap(([places, names]) =>
      places === own
        ? (names.get(pattern) ?? [])
        : [...names].flatMap(([other, earlierName]) => (canCollide(other, pattern) ? [earlierName] : [])),
    );
    const names = seen.get(own) ?? new Map<string, string>();
    seen.set(own, names);
    if (!names.has(pattern)) names.set(pattern, name);
    if (earlier[0] === undefined) continue;
    const fix = `Give one of them another path, such as ${name}/{export}, or another destination.`;
    report.add(["exports", name], `writes to the same folder as the export ${earlier[0]}`, fix, "key");
  }
}

function placesOfTimes(pattern: string): string {
  return [...pattern.matchAll(/#/g)].map(({ index }) => index).join(" ");
}
