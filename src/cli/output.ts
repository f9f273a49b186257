/** How results are shown: JSON for scripts, tables and sentences for people. */
import Table from "cli-table3";
import { count, printable } from "../text.ts";

export { bytes, count, minute as time, plural } from "../text.ts";

export function printJson(out: NodeJS.WritableStream, value: unknown): void {
  printLine(out, JSON.stringify(value, null, 2));
}

/** Names and messages may come from elsewhere, so nothing in them drives the terminal. */
export function printLine(out: NodeJS.WritableStream, text = ""): void {
  out.write(`${printable(text)}\n`);
}

/** A table without lines. Columns of numbers are aligned to the right. */
export function printTable(
  out: NodeJS.WritableStream,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): void {
  const lines = ["top", "bottom", "left", "right", "mid"].flatMap((line) =>
    [line, `${line}-left`, `${line}-mid`, `${line}-right`].map((part) => [part, ""]),
  );
  const table = new Table({
    head: [...head],
    chars: { ...Object.fromEntries(lines), middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((_, column) => (rows.every((row) => typeof row[column] === "number") ? "right" : "left")),
  });
  for (const row of rows) table.push(row.map((cell) => (typeof cell === "number" ? count(cell) : cell)));
  printLine(out, table.toString());
}

/** `3 d 4 h`, `12 min`, `4.2 s` */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
