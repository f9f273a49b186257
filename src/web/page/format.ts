/** Numbers and times for people. The page has no script, so times are told from the moment at which it was made. */
import { html } from "hono/html";
import prettyBytes from "pretty-bytes";
import type { Interval } from "../../intervals/interval.ts";
import type { FleetError } from "../../queue/fleet.ts";

export type Html = ReturnType<typeof html>;

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const count = (value: number): string => whole.format(value);
export const bytes = (value: number): string => prettyBytes(value);

/** `12 s`, `5 min`, `3 h 10 min`, `2 d 4 h` */
export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `2026-10-01 13:00`, UTC. */
export function clock(time: Date): string {
  return time.toISOString().slice(0, 16).replace("T", " ");
}

/** `2026-10-01 13:00 – 14:00`, UTC. */
export function range({ start, end }: Interval): string {
  const [from, to] = [clock(start), clock(end)];
  return from.slice(0, 10) === to.slice(0, 10) ? `${from} – ${to.slice(11)}` : `${from} – ${to}`;
}

/** `3 min ago`, with the moment itself for whoever points at it. */
export function ago(time: Date, now: Date): Html {
  const seconds = (now.getTime() - time.getTime()) / 1000;
  const text = seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
  return html`<time datetime="${time.toISOString()}" title="${clock(time)} UTC">${text}</time>`;
}

export function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** What happened, and below it what to do. */
export function explained(error: FleetError, interval?: Interval): Html {
  const subject = interval === undefined ? "" : `${range(interval)}: `;
  const hint = error.hint === undefined ? "" : html`<br />${error.hint}`;
  return html`<span class="error">${subject}${error.message}</span>${hint}`;
}
