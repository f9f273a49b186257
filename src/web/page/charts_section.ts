/** Rows and lag over time. The page's script draws them with uPlot; the figures below them are there without scripts too. */
import { html } from "hono/html";
import type { Receipt } from "../../../destinations/destination.ts";
import type { RecentLoad } from "../../fleet/fleet.ts";
import { isSwept, type Sweep } from "../../intervals/due.ts";
import { count, type Html, span } from "./format.ts";
import { rowsPerHour } from "./sparkline.ts";

type Load = Pick<RecentLoad, "interval" | "rows" | "committedAt">;

/** @param recent beside the receipts: a sweep replaces those of its hours, and with them when they were loaded */
export function chartsSection(
  receipts: readonly Receipt[],
  recent: readonly RecentLoad[],
  sweep: Sweep | undefined,
): Html | "" {
  const first = receipts.filter((one) => !(sweep && isSwept(one, sweep)));
  const lagging = merged([...first, ...recent]);
  const rows = merged(receipts.length > 1 ? receipts : recent);
  if (rows.length < 2) return "";
  const lag = ({ interval, committedAt }: Load): number =>
    Math.max(0, (committedAt.getTime() - interval.end.getTime()) / 1000);
  return html`<section aria-labelledby="charts-title">
    <h2 id="charts-title">Rows and lag</h2>
    <div class="charts">
      ${figure("rows-chart", "Rows per hour", rows, rowsPerHour, "", count)}
      ${lagging.length < 2 ? "" : figure("lag-chart", "From an interval's end to its load", lagging, lag, "s", span)}
    </div>
  </section>`;
}

/** One of each interval, the first that was loaded, by time. */
function merged(loads: readonly Load[]): Load[] {
  const ordered = loads.toSorted((a, b) => a.committedAt.getTime() - b.committedAt.getTime());
  const byEnd = new Map<number, Load>();
  for (const one of ordered) if (!byEnd.has(one.interval.end.getTime())) byEnd.set(one.interval.end.getTime(), one);
  return [...byEnd.values()].sort((a, b) => a.interval.end.getTime() - b.interval.end.getTime());
}

function figure(
  id: string,
  title: string,
  loads: readonly Load[],
  valueOf: (load: Load) => number,
  unit: "" | "s",
  text: (value: number) => string,
): Html {
  const y = loads.map((load) => Math.round(valueOf(load)));
  const data = JSON.stringify({ x: loads.map(({ interval }) => interval.end.getTime() / 1000), y, unit });
  const last = `last ${text(y.at(-1) ?? 0)}, from ${text(Math.min(...y))} to ${text(Math.max(...y))}`;
  return html`<figure class="card chart">
    <figcaption><span>${title}</span> <output data-last="${last}">${last}</output></figcaption>
    <div class="plot" id="${id}" role="img" aria-label="${title}: ${last}" data-chart="${data}"></div>
  </figure>`;
}
