import { html } from "hono/html";
import type { RecentLoad } from "../../fleet/fleet.ts";
import { count, type Html } from "./format.ts";

const WIDTH = 88;
const HEIGHT = 18;

/** Rows per hour of the last loads, so that a day's sweep is as high as its hours were. */
export function sparkline(loads: readonly RecentLoad[]): Html | "" {
  if (loads.length < 2) return "";
  const values = loads.map(rowsPerHour);
  const most = Math.max(...values);
  const least = Math.min(...values);
  const y = (value: number): number => HEIGHT - 1 - Math.round(((HEIGHT - 2) * value) / Math.max(most, 1));
  const x = (index: number): number => Math.round((index * WIDTH) / (values.length - 1));
  const path = values.map((value, index) => `${index === 0 ? "M" : "L"}${x(index)} ${y(value)}`).join("");
  const label = `Rows per hour of the last ${loads.length} loads: ${count(least)} to ${count(most)}`;
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
    <path d="${path}" />
  </svg>`;
}

export function rowsPerHour({ interval, rows }: Pick<RecentLoad, "interval" | "rows">): number {
  return (rows * 3_600_000) / (interval.end.getTime() - interval.start.getTime());
}
