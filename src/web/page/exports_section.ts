import { html } from "hono/html";
import type { ExportStatus } from "../../queue/fleet.ts";
import { ago, bytes, clock, count, explained, type Html, plural, range, span } from "./format.ts";

/** Beyond that a page is no longer looked through; those in need of someone come first. */
const SHOWN = 200;
const HELD_SHOWN = 3;

export function exportsSection(exports: readonly ExportStatus[], now: Date): Html {
  // A stable sort: within a rank the config's order stays.
  const shown = [...exports].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
  const more = exports.length - shown.length;
  return html`<section>
    <h2>Exports <small>${count(exports.length)}</small></h2>
    <div class="card">
      <table>
        <thead>
          <tr>
            <th>Export</th>
            <th>State</th>
            <th class="number">Lag</th>
            <th class="number">Due</th>
            <th class="number">In the queue</th>
            <th>Loaded until</th>
            <th>Last load</th>
          </tr>
        </thead>
        ${shown.map((one) => exportRow(one, now))}
      </table>
      ${exports.length === 0 ? html`<p class="empty">Nothing could be read of the exports.</p>` : ""}
      ${more > 0 ? html`<p class="empty">And ${count(more)} more: <code>GET /api/exports</code></p>` : ""}
    </div>
  </section>`;
}

function rank(one: ExportStatus): number {
  if (one.paused) return 0;
  if (one.failuresInRow > 0 || one.held.length > 0) return 1;
  return (one.gapCount ?? 0) > 0 ? 2 : 3;
}

function badge(one: ExportStatus): Html {
  if (one.paused) return html`<span class="badge warn">paused</span>`;
  if (one.failuresInRow > 0 || one.held.length > 0) return html`<span class="badge bad">failing</span>`;
  if (one.ledgerAt === undefined) return html`<span class="badge">not looked at yet</span>`;
  if (one.running > 0) return html`<span class="badge info">loading</span>`;
  return one.due === 0
    ? html`<span class="badge good">up to date</span>`
    : html`<span class="badge info">${count(one.due ?? 0)} due</span>`;
}

function exportRow(one: ExportStatus, now: Date): Html {
  const last = one.lastReceipt;
  const loaded = last
    ? html`<span
        >${ago(last.committedAt, now)}<br /><small>${plural(last.rows, "row")}, ${bytes(last.bytes)}</small></span
      >`
    : "nothing yet";
  return html`<tbody>
    <tr>
      <td class="name">
        <span>${one.export}<small>${one.schedule} → ${one.destination}</small></span>
      </td>
      <td data-label="State">${badge(one)}</td>
      <td class="number" data-label="Lag">${one.lagSeconds === undefined ? "–" : span(one.lagSeconds)}</td>
      <td class="number" data-label="Due">${one.due === undefined ? "–" : count(one.due)}</td>
      <td class="number" data-label="In the queue">${count(one.queued + one.running)}</td>
      <td class="nowrap" data-label="Loaded until">${one.loadedUntil ? clock(one.loadedUntil) : "nothing yet"}</td>
      <td data-label="Last load">${loaded}</td>
    </tr>
    ${details(one, now)}
  </tbody>`;
}

function details(one: ExportStatus, now: Date): Html | "" {
  const lines: Html[] = [];
  const { paused } = one;
  if (paused) {
    const probe = paused.probeAt ? html` One interval is tried ${ago(paused.probeAt, now)}.` : "";
    const resume = html`<code>replayport resume ${one.export}</code>`;
    lines.push(
      html`<p>
        Paused by ${paused.by} ${ago(paused.since, now)}: ${paused.reason}<br />To end it: ${resume}.${probe}
      </p>`,
    );
  }
  for (const { interval, error, until } of one.held.slice(0, HELD_SHOWN)) {
    const again = until ? html` Tried again ${ago(until, now)}.` : "";
    lines.push(html`<p>${explained(error, interval)}${again}</p>`);
  }
  const more = one.held.length - HELD_SHOWN;
  if (more > 0) lines.push(html`<p class="quiet">And ${plural(more, "interval")} more that failed.</p>`);
  if (one.held.length === 0 && one.failuresInRow > 0 && one.lastError) {
    lines.push(html`<p>${explained(one.lastError)}</p>`);
  }
  const gaps = one.gapCount ?? one.gaps.length;
  const [first] = one.gaps;
  if (gaps > 0 && first) {
    lines.push(html`<p class="quiet">${plural(gaps, "gap")}, the oldest ${range(first)}</p>`);
  }
  if (lines.length === 0) return "";
  return html`<tr class="detail">
    <td colspan="7">${lines}</td>
  </tr>`;
}
