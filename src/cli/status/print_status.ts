/** `status` for people: a row for each export, worst first, what is wrong below it, and a summary. */
import { type Condition, CONDITIONS } from "../../fleet/condition.ts";
import type { CliEnvironment } from "../environment.ts";
import { describeAudit } from "../audit_report.ts";
import { SILENT } from "../load_report.ts";
import { explainOutdated } from "../outdated.ts";
import {
  bytes,
  type Cell,
  count,
  formatDuration,
  NONE,
  type Paint,
  painter,
  plural,
  printLine,
  printPainted,
  printTable,
  type Style,
  time,
  widthOf,
  wrap,
} from "../output.ts";
import { needsAttention, type StatusRow } from "./export_status.ts";

/** More gaps than this are counted, not shown. */
const GAPS_SHOWN = 10;
/** Of more exports than this, only those in trouble are explained. */
const ALL_EXPLAINED = 10;

const STYLES: Readonly<Record<Condition, Style>> = {
  unreadable: ["bold", "red"],
  failing: ["bold", "red"],
  late: "yellow",
  silent: "yellow",
  paused: "cyan",
  loading: "green",
  unknown: "dim",
  ok: "green",
};

export interface PrintOptions {
  /** Only the exports that need attention. */
  readonly failing: boolean;
  readonly fleet: boolean;
}

/** @param all worst first */
export function printStatus(cli: CliEnvironment, all: readonly StatusRow[], { failing, fleet }: PrintOptions): void {
  const { stdout: out, env } = cli;
  const paint = painter(out, env);
  const width = widthOf(out);
  const rows = failing ? all.filter(needsAttention) : all;
  const now = cli.now();
  if (rows.length > 0) {
    const columns = columnsOf(fleet, now);
    printTable(
      out,
      columns.map(({ head }) => head),
      rows.map((row) => columns.map(({ cell }) => cell(row))),
      { paint, width, notes: notesOf(rows, paint, width) },
    );
  }
  const explained = rows.length <= ALL_EXPLAINED ? rows : rows.filter(needsAttention).slice(0, ALL_EXPLAINED);
  for (const row of explained) for (const paragraph of explain(row)) printLine(out, `\n${wrap(paragraph, width, "")}`);
  const fleetError = all.find((row) => row.fleetError !== undefined)?.fleetError;
  if (fleetError) {
    printPainted(
      out,
      `\n${paint("red", "The fleet's part is missing:")} ${wrap(fleetError.message, width, "").trim()}`,
    );
    if (fleetError.hint !== undefined) printLine(out, wrap(`what to do: ${fleetError.hint}`, width, "  "));
  }
  if (rows.length > 0) printLine(out);
  printPainted(out, summary(all, paint));
  const hidden = rows.filter(needsAttention).length - explained.filter(needsAttention).length;
  if (hidden > 0) printLine(out, `For the details of one: replayport status EXPORT`);
}

interface Column {
  readonly head: string;
  readonly cell: (row: StatusRow) => Cell;
}

/** The most important first: a narrow terminal shows no more than fit. */
function columnsOf(fleet: boolean, now: Date): Column[] {
  const ago = (at: Date): string => `${formatDuration(Math.max(0, (now.getTime() - at.getTime()) / 1000))} ago`;
  const until = (at: Date): string =>
    at <= now ? "now" : `in ${formatDuration((at.getTime() - now.getTime()) / 1000)}`;
  const number = (value: number | undefined): Cell => value ?? NONE;
  return [
    { head: "export", cell: (row) => row.export },
    { head: "state", cell: ({ state }) => ({ text: state, style: STYLES[state] }) },
    {
      head: "loaded until (UTC)",
      cell: ({ loadedUntil, intervals }) => {
        if (loadedUntil !== undefined) return time(loadedUntil);
        return intervals === undefined ? NONE : "nothing yet";
      },
    },
    { head: "lag", cell: ({ lagSeconds }) => (lagSeconds === undefined ? NONE : formatDuration(lagSeconds)) },
    { head: "due", cell: ({ due }) => number(due) },
    ...(fleet
      ? [
          { head: "next run", cell: (row: StatusRow) => nextRun(row, until) },
          { head: "last load", cell: ({ lastReceipt: last }: StatusRow) => (last ? ago(last.committedAt) : NONE) },
        ]
      : []),
    { head: "intervals", cell: ({ intervals }) => number(intervals) },
    { head: "rows", cell: ({ rows }) => number(rows) },
    { head: "bytes", cell: ({ bytes: size }) => (size === undefined ? NONE : bytes(size)) },
    { head: "files", cell: ({ files }) => number(files) },
  ];
}

function nextRun({ paused, running, due = 0, nextAt }: StatusRow, until: (at: Date) => string): string {
  if (running > 0) return "running";
  if (paused) return paused.probeAt ? `try ${until(paused.probeAt)}` : "paused";
  if (due > 0) return "now";
  return nextAt ? until(nextAt) : NONE;
}

function notesOf(rows: readonly StatusRow[], paint: Paint, width: number | undefined): Map<number, string> {
  const notes = new Map<number, string>();
  for (const [index, row] of rows.entries()) {
    const lines = [
      ...problemsOf(row).map((text) =>
        wrap(text, width, "  ")
          .split("\n")
          .map((line) => paint("red", line)),
      ),
      ...(row.paused ? [[paint("cyan", wrap(describePause(row.paused), width, "  "))]] : []),
    ].flat();
    if (lines.length > 0) notes.set(index, lines.join("\n"));
  }
  return notes;
}

/** Why it can't be read, or the last error of an export that fails. Each with what to do. */
function problemsOf({ state, ledgerError, lastError, failedIntervals, failuresInRow, location }: StatusRow): string[] {
  const withHint = (text: string, hint: string | undefined): string[] =>
    hint === undefined ? [text] : [text, `what to do: ${hint}`];
  if (ledgerError) {
    const where = location === undefined || ledgerError.message.includes(location) ? "" : `${location}: `;
    return withHint(`error: ${where}${ledgerError.message}`, ledgerError.hint);
  }
  const error = lastError ?? failedIntervals.at(-1)?.error;
  if (state !== "failing" || error === undefined || failuresInRow + failedIntervals.length === 0) return [];
  const failed = failedIntervals.length === 0 ? "" : `${plural(failedIntervals.length, "interval")} failed; `;
  return withHint(`${failed}last error, ${time(error.at)}: ${error.message}`, error.hint);
}

function describePause({ by, since, reason }: NonNullable<StatusRow["paused"]>): string {
  return `paused by ${by} since ${time(since)}: ${reason}`;
}

/** Paragraphs that say what is unusual about an export, and what to do. */
function explain(row: StatusRow): string[] {
  const { export: name, gaps, due, lost, audit, silentSince, clock } = row;
  if (row.intervals === undefined) return [];
  const next = row.paused ? `replayport resume ${name}` : `replayport run ${name} --due`;
  return [
    ...gaps.slice(0, GAPS_SHOWN).map(({ start, end }) => `${name}: not loaded: ${time(start)} … ${time(end)}`),
    ...(gaps.length > GAPS_SHOWN ? [`${name}: and ${count(gaps.length - GAPS_SHOWN)} more gaps (--json)`] : []),
    ...(due !== undefined && due > 0 ? [`${name}: ${plural(due, "interval")} due. Next: ${next}`] : []),
    ...(isComplete(row) ? [`${name}: complete: everything up to its end is loaded.`] : []),
    ...(lost !== undefined && lost > 0
      ? [`${name}: ${plural(lost, "session")} kept that the source no longer has.`]
      : []),
    ...(audit ? [`${name}: audit of ${time(audit.readAt)}: ${describeAudit(audit)}`] : []),
    ...(silentSince ? [`${name}: no rows since ${time(silentSince)}: ${SILENT}`] : []),
    ...(clock === undefined ? [] : [`${name}: ${clock}`]),
    ...outdated(row).map((paragraph) => `${name}: ${paragraph}`),
  ];
}

const isComplete = ({ end, loadedUntil, due }: StatusRow): boolean =>
  end !== undefined && loadedUntil !== undefined && loadedUntil >= end && due === 0;

function outdated(row: StatusRow): string[] {
  const { otherSelection = [], otherFolders = [], olderFiles = [], unreadable = [] } = row;
  return explainOutdated(row.export, { outdated: row.outdated, otherSelection, otherFolders, olderFiles, unreadable });
}

function summary(all: readonly StatusRow[], paint: Paint): string {
  const counts = Map.groupBy(all, ({ state }) => state);
  const parts = CONDITIONS.flatMap((state) => {
    const found = counts.get(state)?.length ?? 0;
    return found === 0 ? [] : [paint(STYLES[state], `${count(found)} ${state}`)];
  });
  const due = all.reduce((sum, row) => sum + (row.due ?? 0), 0);
  const rows = all.reduce((sum, row) => sum + (row.rows ?? 0), 0);
  return `${plural(all.length, "export")}: ${parts.join(", ")}. ${plural(due, "interval")} due, ${plural(rows, "row")} loaded.`;
}
