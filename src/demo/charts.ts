/** Bars for a terminal of 80 columns. Plain text: the caller may colour a line. */

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const HEIGHTS = "▁▂▃▄▅▆▇█";

/** A bar of so many columns for `value`, where `most` fills all of them. Never empty for what is more than nothing. */
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

/** Cut with an ellipsis where it is longer, filled with blanks where it is shorter. */
export function fit(text: string, columns: number): string {
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text.padEnd(columns);
}
