/** What was loaded when the export was defined otherwise, and what that means for whoever reads it. */
import type { DataFolder, Receipt } from "../../destinations/destination.ts";
import { joinFolders } from "../../destinations/lake/folders.ts";
import { unreadableParts } from "../../destinations/lake/read_sql.ts";
import { type DestinationOptions, isLake } from "../../destinations/options.ts";
import { type ExportDefinition, sameSelection } from "../export/definition.ts";
import type { Interval } from "../intervals/interval.ts";
import { SESSION_REPLAYS_KEY } from "../models/session_replays.ts";
import { exportedColumns } from "../models/session_replays_query.ts";
import { todaysFolder } from "./commands/sql.ts";
import { plural, time } from "./output.ts";

export interface Outdated {
  /** Intervals of another selection or form; undefined where only ClickHouse knows the columns. */
  readonly outdated: readonly Interval[] | undefined;
  /** Of these, those for which other rows were selected: by model, teams or where. */
  readonly otherSelection: readonly Interval[];
  /** Intervals with files under an older path, or of an older format. */
  readonly otherFolders: readonly Interval[];
  /** `sessions/{export}/*.jsonl.zst`: where those files are. */
  readonly olderFiles: readonly string[];
  /** Engines that can't read all of the lake. */
  readonly unreadable: readonly string[];
}

export function outdatedLoads(
  definition: ExportDefinition,
  options: DestinationOptions | undefined,
  receipts: readonly Receipt[],
  /** Undefined if a variable is missing that today's rules need. */
  mark: string | undefined,
): Outdated {
  const { model, selection, name } = definition;
  const columns = model.kind === "session_replays" ? exportedColumns(selection) : [];
  const today = todaysFolder(definition, columns);
  const isOlder = (folder: DataFolder): boolean => folder.path !== today.path || folder.extension !== today.extension;
  const folders = joinFolders(receipts.flatMap((one) => one.folders ?? []));
  const [first, ...others] = folders;
  const intervals = (of: (receipt: Receipt) => boolean): Interval[] => receipts.filter(of).map((one) => one.interval);
  return {
    outdated:
      model.kind === "session_replays" && mark !== undefined ? intervals((one) => one.fingerprint !== mark) : undefined,
    otherSelection: mark === undefined ? [] : intervals((one) => !sameSelection(one.fingerprint, mark)),
    otherFolders: intervals((one) => one.folders?.some(isOlder) === true),
    olderFiles: folders.filter(isOlder).map(({ path, extension }) => `${path}/*${extension}`),
    unreadable:
      first && columns.length > 0 && options !== undefined && isLake(options)
        ? unreadableParts({ options, export: name, folders: [first, ...others], columns, key: SESSION_REPLAYS_KEY })
        : [],
  };
}

/** One paragraph for each thing that a reader may not expect, without the export's name. */
export function explainOutdated(exportName: string, of: Outdated): string[] {
  const said: string[] = [];
  const again = (from: readonly Interval[], to: string): string => {
    const [first, last] = [from[0], from.at(-1)];
    if (!first || !last) return "";
    return `\n  ${to}: replayport backfill ${exportName} --from ${first.start.toISOString()} --to ${last.end.toISOString()} --force`;
  };
  const span = (list: readonly Interval[]): string => `${plural(list.length, "interval")} (${between(list)})`;
  if (of.otherSelection.length > 0) {
    said.push(
      `${span(of.otherSelection)} loaded for another selection (model, team_id or where). What only today's selects, such as the` +
        ` history of a team that was added, is missing; what it no longer selects is still there.` +
        again(of.otherSelection, "To load what is missing"),
    );
  }
  const others = new Set(of.otherSelection);
  const form = (of.outdated ?? []).filter((one) => !others.has(one));
  if (form.length > 0) {
    said.push(
      `${span(form)} loaded under older rules of the export (columns): the same rows, in an older form.` +
        again(form, "To load them again under the rules of today"),
    );
  }
  if (of.otherFolders.length > 0) {
    said.push(
      `${span(of.otherFolders)} loaded under an older path or format: ${of.olderFiles.join(", ")}. Nothing is lost: replayport sql` +
        ` ${exportName} reads all of it; print the statement again wherever you saved it.` +
        again(of.otherFolders, "To move them to today's"),
    );
  }
  if (of.unreadable.length > 0) said.push(of.unreadable.join("\n  "));
  return said;
}

function between(intervals: readonly Interval[]): string {
  const [first, last] = [intervals[0], intervals.at(-1)];
  return first && last ? `${time(first.start)} … ${time(last.end)}` : "";
}
