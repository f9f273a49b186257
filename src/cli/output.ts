/** How results are shown: JSON for scripts, tables and sentences for people. */
import type { WriteStream } from "node:tty";
import { styleText } from "node:util";
import Table from "cli-table3";
import { count, printable } from "../text.ts";
import { toJson } from "../web/json.ts";

export { bytes, count, minute as time, plural } from "../text.ts";

export type Style = Parameters<typeof styleText>[0];

/** A styled text where there are colours; the text where there are none. Nothing in the text itself drives the terminal. */
export type Paint = (style: Style, text: string) => string;

export interface Styled {
  readonly text: string;
  readonly style: Style;
}

export type Cell = string | number | Styled;

/** Whether to use colours: on a terminal that has them, unless NO_COLOR or TERM=dumb says otherwise. */
export function hasColours(out: NodeJS.WritableStream, env: Readonly<Record<string, string | undefined>>): boolean {
  const terminal = out as Partial<WriteStream>;
  return terminal.isTTY === true && terminal.hasColors?.(16, env) === true;
}

export function painter(out: NodeJS.WritableStream, env: Readonly<Record<string, string | undefined>>): Paint {
  const colours = hasColours(out, env);
  return (style, text) => {
    const clean = printable(text);
    return colours ? styleText(style, clean, { validateStream: false }) : clean;
  };
}

/** Columns of the terminal; undefined off a terminal, where nothing is wrapped or left out. */
export function widthOf(out: NodeJS.WritableStream): number | undefined {
  const { isTTY, columns } = out as Partial<WriteStream>;
  return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
}

/** In the API's form: every field is there, and what has no value is null. */
export function printJson(out: NodeJS.WritableStream, value: unknown): void {
  printLine(out, JSON.stringify(toJson(value), null, 2));
}

/** Names and messages may come from elsewhere, so nothing in them drives the terminal. */
export function printLine(out: NodeJS.WritableStream, text = ""): void {
  out.write(`${printable(text)}\n`);
}

/** A line of which parts were painted. */
export function printPainted(out: NodeJS.WritableStream, text: string): void {
  out.write(`${text}\n`);
}

/** Wraps at words, each line indented. A word that is longer than a line stays whole, so that a path can be copied. */
export function wrap(text: string, width: number | undefined, indent: string): string {
  const lines = printable(text)
    .split("\n")
    .flatMap((line) => (width === undefined ? [line] : wrapLine(line, Math.max(width - indent.length, 20))));
  return lines.map((line) => `${indent}${line}`).join("\n");
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}

export interface TableOptions {
  readonly paint?: Paint;
  /** Leaves out columns, the last first, until a row fits. */
  readonly width?: number | undefined;
  /** What to print below a row, by its number; wrapped and painted already. */
  readonly notes?: ReadonlyMap<number, string>;
}

/** A table without lines. Columns of numbers are aligned to the right. */
export function printTable(
  out: NodeJS.WritableStream,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { paint = (_style, text) => printable(text), width, notes }: TableOptions = {},
): void {
  const plain = rows.map((row) => row.map(textOf));
  const widths = head.map((name, column) => Math.max(name.length, ...plain.map((row) => row[column]?.length ?? 0)));
  let used = -2;
  const fitting = widths.filter((one) => (used += one + 2) <= (width ?? Number.POSITIVE_INFINITY));
  const columns = Math.max(1, fitting.length);
  const lines = ["top", "bottom", "left", "right", "mid"].flatMap((line) =>
    [line, `${line}-left`, `${line}-mid`, `${line}-right`].map((part) => [part, ""]),
  );
  const table = new Table({
    head: head.slice(0, columns).map((name) => paint("bold", name)),
    chars: { ...Object.fromEntries(lines), middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((_, column) => (rows.every((row) => isNumber(row[column])) ? "right" : "left")),
  });
  for (const row of rows) {
    table.push(
      row.slice(0, columns).map((cell) => (typeof cell === "object" ? paint(cell.style, cell.text) : textOf(cell))),
    );
  }
  const [first = "", ...printed] = table.toString().split("\n");
  printPainted(out, first.trimEnd());
  for (const [index, line] of printed.entries()) {
    printPainted(out, line.trimEnd());
    const note = notes?.get(index);
    if (note !== undefined) printPainted(out, note);
  }
}

/** What a table shows where there is no value. */
export const NONE = "-";

const isNumber = (cell: Cell | undefined): boolean => typeof cell === "number" || cell === NONE;

/** On one line. */
function textOf(cell: Cell): string {
  if (typeof cell === "number") return count(cell);
  return printable(typeof cell === "object" ? cell.text : cell).replaceAll(/\s+/g, " ");
}

/** `3 d 4 h`, `12 min`, `4.2 s` */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
