import { html } from "hono/html";
import { minute } from "../../text.ts";
import { type Cell, CELL_STATES, type CellState, type Day } from "./coverage.ts";
import { count, type Html } from "./format.ts";

const NAMES: Readonly<Record<CellState, string>> = {
  loaded: "loaded",
  swept: "swept",
  audited: "audited",
  missing: "missing",
  running: "queued or running",
  failed: "failed",
  waiting: "not due yet",
  none: "no data",
};
const LEGEND = CELL_STATES.filter((state) => state !== "none" && state !== "waiting");
const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));

export interface Calendar {
  /** Newest first; undefined while the destination hasn't answered. */
  readonly days: readonly Day[] | undefined;
  /** Queries of this page for other days; undefined where there are none. */
  readonly earlier: string | undefined;
  readonly later: string | undefined;
  /** Address of the form that loads a range, if the visitor may. */
  readonly load: ((cell: Pick<Cell, "interval" | "state">) => string) | undefined;
}

export function coverageSection({ days, earlier, later, load }: Calendar): Html {
  return html`<section aria-labelledby="coverage-title">
    <h2 id="coverage-title">
      Coverage <small>by hour of ingestion, UTC</small>
      <small>
        ${earlier === undefined ? "" : html`<a href="${earlier}">Earlier</a>`}
        ${later === undefined ? "" : html`<a href="${later}">Later</a>`}
      </small>
    </h2>
    <div class="card">
      ${days === undefined ? html`<p class="empty">The destination hasn't answered yet.</p>` : table(days, load)}
      <ul class="legend">
        ${LEGEND.map((state) => html`<li><span class="key c-${state}"></span> ${NAMES[state]}</li>`)}
        <li><span class="key c-forced"></span> forced</li>
      </ul>
    </div>
  </section>`;
}

function table(days: readonly Day[], load: Calendar["load"]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Coverage by days and hours">
    <table class="calendar">
      <thead>
        <tr>
          <th scope="col">Day</th>
          ${HOURS.map((hour) => html`<th scope="col">${hour}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${days.map(({ start, cells }) => {
          const day = minute(start).slice(0, 10);
          return html`<tr>
            <th scope="row"><span class="year">${day.slice(0, 5)}</span>${day.slice(5)}</th>
            ${cells.map((cell) => cellOf(cell, load))}
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}

function cellOf(cell: Cell, load: Calendar["load"]): Html {
  const { interval, state, forced, receipts } = cell;
  if (state === "none") return html`<td></td>`;
  const rows = receipts.reduce((sum, one) => sum + one.rows, 0);
  const batch = receipts.some((one) => one.interval.start < interval.start || one.interval.end > interval.end);
  const words = [
    `${NAMES[state]}${forced ? ", forced" : ""}`,
    ...(receipts.length === 0 ? [] : [batch ? `in a batch of ${count(rows)} rows` : `${count(rows)} rows`]),
  ].join(", ");
  const title = `${minute(interval.start)}: ${words}`;
  const classes = `c-${state}${forced ? " c-forced" : ""}`;
  const isOpen = state === "missing" || state === "failed";
  return html`<td class="${classes}" title="${title}">
    ${
      isOpen && load
        ? html`<a href="${load(cell)}"><span class="sr">${title}: load it</span></a>`
        : html`<span class="sr">${words}</span>`
    }
  </td>`;
}
