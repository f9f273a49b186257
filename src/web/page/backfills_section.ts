import { html } from "hono/html";
import type { Backfill } from "../../fleet/fleet.ts";
import { ago, bytes, count, explained, type Html, plural, range, span } from "./format.ts";
import { andMore, detailRow, tableSection } from "./table.ts";

const SHOWN = 12;
const STYLE = { running: "info", done: "good", failed: "bad", cancelled: "" } as const;

export function backfillsSection(backfills: readonly Backfill[], now: Date): Html | "" {
  if (backfills.length === 0) return "";
  const shown = [...backfills].sort((a, b) => Number(b.state === "running") - Number(a.state === "running"));
  return tableSection({
    id: "backfills",
    title: "Backfills",
    note: `${count(backfills.length)} in 30 days`,
    columns: ["Export", "State", "Range", "Loaded", "Progress"],
    body: shown.slice(0, SHOWN).map((one) => backfillRow(one, now)),
    below: andMore(backfills.length - SHOWN, "GET /api/backfills"),
  });
}

function backfillRow(one: Backfill, now: Date): Html {
  const ended = one.done + one.failed + one.cancelled;
  const rest = one.etaSeconds === undefined ? "" : `, ${span(one.etaSeconds)} left`;
  const failed = one.failed > 0 ? html`, <span class="error">${count(one.failed)} failed</span>` : "";
  const name = `Progress of backfill ${one.id}`;
  const [failure] = one.failures;
  return html`<tbody>
    <tr>
      <th scope="row">${one.export}<small>${one.id}${one.force ? ", forced" : ""}</small></th>
      <td class="state"><span class="badge ${STYLE[one.state]}">${one.state}</span></td>
      <td class="range" data-label="Range">
        ${range(one.range)}<small>requested ${ago(one.createdAt, now)} by ${one.createdBy}</small>
      </td>
      <td data-label="Loaded">${plural(one.rows, "row")}<small>${bytes(one.bytes)}</small></td>
      <td class="wide progress">
        <progress
          aria-label="${name}"
          max="${String(Math.max(one.total, 1))}"
          value="${String(one.total === 0 ? 1 : ended)}"
        ></progress>
        <small>${count(one.done)} of ${plural(one.total, "interval")}${failed}${rest}</small>
      </td>
    </tr>
    ${failure && one.state !== "done" ? detailRow(html`<p>${range(failure.interval)}: ${explained(failure.error)}</p>`) : ""}
  </tbody>`;
}
