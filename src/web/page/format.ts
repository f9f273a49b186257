/** Numbers and times for people. Times are UTC; the page's script adds local ones. */
import { html } from "hono/html";
import type { Interval } from "../../intervals/interval.ts";
import type { FleetError } from "../../fleet/fleet.ts";
import { minute } from "../../text.ts";

export { bytes, count, plural } from "../../text.ts";

export type Html = ReturnType<typeof html>;

/** `12 s`, `5 min`, `3 h 10 min`, `2 d 4 h` */
export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `2026-10-01 13:00`, UTC, on one line. */
export function clock(time: Date): Html {
  return html`<time class="clock" datetime="${time.toISOString()}">${minute(time)}</time>`;
}

/** `2026-10-01 13:00 – 14:00`, UTC. */
export function range({ start, end }: Interval): Html {
  const sameDay = minute(start).slice(0, 10) === minute(end).slice(0, 10);
  const to = minute(end).slice(sameDay ? 11 : 0);
  return html`<time datetime="${start.toISOString()}">${minute(start)}</time> –
    <time datetime="${end.toISOString()}" data-from="${start.toISOString()}">${to}</time>`;
}

/** From the first one's start to the last one's end. */
export function hull(intervals: readonly Interval[]): Interval {
  const starts = intervals.map(({ start }) => start.getTime());
  return {
    start: new Date(Math.min(...starts)),
    end: new Date(Math.max(...intervals.map(({ end }) => end.getTime()))),
  };
}

/** `3 min ago`, with the time itself as a tooltip. */
export function ago(time: Date, now: Date): Html {
  const seconds = (now.getTime() - time.getTime()) / 1000;
  const text = seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
  return html`<time datetime="${time.toISOString()}" title="${minute(time)} UTC">${text}</time>`;
}

/** The error, and below it what to do. */
export function explained(error: FleetError): Html {
  const hint = error.hint === undefined ? "" : html`<br />${error.hint}`;
  return html`<span class="error">${error.message}</span>${hint}`;
}

/** Groups items by key, in the order of each key's first item. */
export function together<Item>(
  all: readonly Item[],
  keyOf: (item: Item) => string,
  intervalOf: (item: Item) => Interval,
): { readonly items: readonly Item[]; readonly hull: Interval }[] {
  return [...Map.groupBy(all, keyOf).values()].map((items) => ({ items, hull: hull(items.map(intervalOf)) }));
}
