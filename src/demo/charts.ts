/** Bars for a terminal. Plain text: the caller may colour a line. */

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const HEIGHTS = "▁▂▃▄▅▆▇█";

/** A bar for `value`, where `most` fills all `columns`. Never empty for a value above 0. */
export function bar(value: number, most: number, columns: number): string {
  if (value <= 0 || most <= 0) return "";
  const eighths = Math.max(1, Math.round((Math.min(value, most) / most) * columns * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}

/** One character for each value. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0);
  return values
    .map((value) => (most === 0 ? " " : (HEIGHTS[Math.min(7, Math.floor((value / most) * 8))] ?? " ")))
    .join("");
}

/** Cuts longer text with an ellipsis, pads shorter text with blanks. */
export function fit(text: string, columns: number): string {
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text.padEnd(columns);
}
