import { html } from "hono/html";
import type { Backfill } from "../../queue/fleet.ts";
import { ago, count, explained, type Html, plural, range, span } from "./format.ts";

const SHOWN = 12;
const STYLE = { running: "info", done: "good", failed: "bad", cancelled: "" } as const;

export function backfillsSection(backfills: readonly Backfill[], now: Date): Html | "" {
  if (backfills.length === 0) return "";
  const shown = [...backfills].sort((a, b) => Number(b.state === "running") - Number(a.state === "running"));
  return html`<section>
    <h2>Backfills <small>${count(backfills.length)} in 30 days</small></h2>
    <div class="card">
      <table>
        <thead>
          <tr>
            <th>Export</th>
            <th>State</th>
            <th>Range</th>
            <th>Progress</th>
            <th class="number">Rows</th>
            <th>Begun</th>
          </tr>
        </thead>
        ${shown.slice(0, SHOWN).map((one) => backfillRow(one, now))}
      </table>
    </div>
  </section>`;
}

function backfillRow(one: Backfill, now: Date): Html {
  const ended = one.done + one.failed + one.cancelled;
  const rest = one.etaSeconds === undefined ? "" : `, ${span(one.etaSeconds)} to go`;
  const failed = one.failed > 0 ? html`, <span class="error">${count(one.failed)} failed</span>` : "";
  const [failure] = one.failures;
  return html`<tbody>
    <tr>
      <td class="name">
        <span>${one.export}<small>${one.id}${one.force ? ", forced" : ""}</small></span>
      </td>
      <td data-label="State"><span class="badge ${STYLE[one.state]}">${one.state}</span></td>
      <td data-label="Range">${range(one.range)}</td>
      <td class="wide">
        <progress max="${String(Math.max(one.total, 1))}" value="${String(one.total === 0 ? 1 : ended)}"></progress>
        <small>${count(one.done)} of ${plural(one.total, "interval")}${failed}${rest}</small>
      </td>
      <td class="number" data-label="Rows">${count(one.rows)}</td>
      <td data-label="Begun">
        <span>${ago(one.createdAt, now)} <small>by ${one.createdBy}</small></span>
      </td>
    </tr>
    ${
      failure && one.state !== "done"
        ? html`<tr class="detail">
            <td colspan="6">
              <p>${explained(failure.error, failure.interval)}</p>
            </td>
          </tr>`
        : ""
    }
  </tbody>`;
}
