/** The exports by destination: what needs a look as rows, the rest behind a line that says how many are up to date. */
import { html } from "hono/html";
import type { ExportStatus } from "../../fleet/fleet.ts";
import { exportLink } from "./attention_section.ts";
import { type Condition, CONDITIONS, conditionOf } from "../../fleet/condition.ts";
import { badgeOf, punctuality } from "./condition.ts";
import { ago, bytes, clock, count, type Html, plural, span } from "./format.ts";
import { sparkline } from "./sparkline.ts";

/** Nobody reads further; the search finds the rest. */
const SHOWN = 500;
/** Up to this many, all rows are open. */
const ALL_OPEN = 40;

/** @param filtered the visitor has asked for these: nothing is folded */
export function exportSections(exports: readonly ExportStatus[], filtered: boolean, now: Date): Html {
  if (exports.length === 0) {
    return html`<div class="card">
      <p class="empty">${filtered ? "No export is like that." : "No export could be read."}</p>
    </div>`;
  }
  // The sort is stable: within a rank, exports stay in the config's order.
  const ranked = [...exports].sort((a, b) => rank(a) - rank(b));
  const shown = ranked.slice(0, SHOWN);
  const open = filtered || exports.length <= ALL_OPEN;
  const more = ranked.length - shown.length;
  const groups = [...Map.groupBy(shown, ({ destination }) => destination)];
  return html`${groups.map(([destination, all], index) => destinationSection(destination, all, index, open, now))}
  ${more > 0 ? html`<p class="empty">And ${count(more)} more: search for them, or <code>GET /api/exports</code></p>` : ""}`;
}

function rank(one: ExportStatus): number {
  return CONDITIONS.indexOf(conditionOf(one));
}

function destinationSection(
  destination: string,
  all: readonly ExportStatus[],
  index: number,
  open: boolean,
  now: Date,
): Html {
  const id = `destination-${index}`;
  const folded = new Set<Condition>(open ? [] : ["ok", "loading"]);
  const { calm = [], noteworthy = [] } = Object.groupBy(all, (one) =>
    folded.has(conditionOf(one)) ? "calm" : "noteworthy",
  );
  const loading = calm.filter((one) => conditionOf(one) === "loading").length;
  const label = `Exports to ${destination}`;
  return html`<section class="exports" aria-labelledby="${id}">
    <h2 id="${id}">${destination} <small>${plural(all.length, "export")}</small></h2>
    <div class="card">
      ${noteworthy.length > 0 ? table(noteworthy, label, now) : ""}
      ${
        calm.length > 0
          ? html`<details data-key="calm ${destination}">
              <summary>
                ${count(calm.length)} on time${loading > 0 ? `, ${count(loading)} of them loading` : ""}
              </summary>
              ${table(calm, `${label}, on time`, now)}
            </details>`
          : ""
      }
    </div>
  </section>`;
}

function table(exports: readonly ExportStatus[], label: string, now: Date): Html {
  return html`<table class="grid" aria-label="${label}">
    <thead>
      <tr>
        <th scope="col">Export</th>
        <th scope="col">State</th>
        <th scope="col">Loaded until</th>
        <th scope="col">Next interval</th>
        <th scope="col">Last load</th>
        <th scope="col">Rows</th>
      </tr>
    </thead>
    <tbody>
      ${exports.map((one) => exportRow(one, now))}
    </tbody>
  </table>`;
}

function exportRow(one: ExportStatus, now: Date): Html {
  const { lastReceipt: last, loadedUntil, lagSeconds, nextAt, gapCount, due } = one;
  const { text, kind } = badgeOf(one);
  const taken = one.queued + one.running;
  const notes = [
    ...((due ?? 0) > 0 ? [`${count(due ?? 0)} due`] : []),
    ...(taken > 0 ? [`${count(taken)} queued`] : []),
    ...((gapCount ?? 0) > 0 ? [plural(gapCount ?? 0, "gap")] : []),
  ];
  return html`<tr>
    <th scope="row">${exportLink(one.export, "./")} <small>${one.schedule}</small></th>
    <td class="state"><span class="badge ${kind}">${text}</span> <small>${notes.join(", ")}</small></td>
    <td data-label="Loaded until">
      ${loadedUntil ? clock(loadedUntil) : one.ledgerAt ? "nothing yet" : "–"}
      <small class="sub"
        >${lagSeconds === undefined ? "" : `${span(lagSeconds)} behind, ${punctuality(one) ?? ""}`}</small
      >
    </td>
    <td data-label="Next interval">${one.paused ? "paused" : nextAt ? ago(nextAt, now) : "–"}</td>
    <td data-label="Last load">${last ? ago(last.committedAt, now) : "–"}</td>
    <td data-label="Rows">
      ${sparkline(one.recentLoads)}
      <small class="sub">${last ? `${plural(last.rows, "row")}, ${bytes(last.bytes)}` : ""}</small>
    </td>
  </tr>`;
}
