import { html } from "hono/html";
import type { ExportStatus, FailedInterval } from "../../fleet/fleet.ts";
import { ago, bytes, clock, count, explained, type Html, plural, range, span, together } from "./format.ts";
import { andMore, detailRow, tableSection } from "./table.ts";

/** Nobody reads further. Exports that need attention come first. */
const SHOWN = 200;
const REASONS_SHOWN = 3;

export function exportsSection(exports: readonly ExportStatus[], now: Date): Html {
  // The sort is stable: within a rank, exports stay in the config's order.
  const ranked = [...exports].sort((a, b) => rank(a) - rank(b));
  return tableSection({
    id: "exports",
    title: "Exports",
    note: count(exports.length),
    columns: ["Export", "State", "Behind now by", "Due", "Last load"],
    body: ranked.slice(0, SHOWN).map((one) => exportRow(one, now)),
    below:
      exports.length === 0
        ? html`<p class="empty">No export could be read.</p>`
        : andMore(exports.length - SHOWN, "GET /api/exports"),
  });
}

/** Needs attention, whether it's paused or not. */
export function isFailing(one: ExportStatus): boolean {
  return one.failuresInRow > 0 || one.failedIntervals.length > 0 || one.ledgerError !== undefined;
}

function rank(one: ExportStatus): number {
  if (isFailing(one)) return one.paused ? 0 : 1;
  if (one.paused) return 2;
  return (one.gapCount ?? 0) > 0 ? 3 : 4;
}

function badge(one: ExportStatus): Html {
  // A pause by a person isn't a failure.
  if (one.paused) return html`<span class="badge ${isFailing(one) ? "bad" : "warn"}">paused</span>`;
  if (isFailing(one)) return html`<span class="badge bad">failing</span>`;
  if (one.ledgerAt === undefined) return html`<span class="badge">not checked yet</span>`;
  if (one.running > 0) return html`<span class="badge info">loading</span>`;
  return one.due === 0
    ? html`<span class="badge good">up to date</span>`
    : html`<span class="badge info">catching up</span>`;
}

function exportRow(one: ExportStatus, now: Date): Html {
  const last = one.lastReceipt;
  const until = one.loadedUntil ? html`until ${clock(one.loadedUntil)}` : "nothing loaded yet";
  const taken = one.queued + one.running;
  return html`<tbody>
    <tr>
      <th scope="row">${one.export}<small>${one.schedule} → ${one.destination}</small></th>
      <td class="state">${badge(one)}</td>
      <td data-label="Behind now by">
        ${one.lagSeconds === undefined ? "–" : span(one.lagSeconds)}<small>${one.ledgerAt ? until : ""}</small>
      </td>
      <td data-label="Due">
        ${one.due === undefined ? "–" : count(one.due)}<small>${taken > 0 ? `${count(taken)} in the queue` : ""}</small>
      </td>
      <td data-label="Last load">
        ${last ? ago(last.committedAt, now) : "–"}<small
          >${last ? `${plural(last.rows, "row")}, ${bytes(last.bytes)}` : ""}${
            last?.silentSince ? html`, none since ${clock(last.silentSince)}` : ""
          }</small
        >
      </td>
    </tr>
    ${details(one, now)}
  </tbody>`;
}

function details(one: ExportStatus, now: Date): Html | "" {
  const { paused } = one;
  const lines: Html[] = [];
  if (paused) {
    const probe = paused.probeAt ? html` One interval is tried ${ago(paused.probeAt, now)}.` : "";
    const resume = html`<code>replayport resume ${one.export}</code>`;
    lines.push(
      html`<p>
        Paused by ${paused.by} ${ago(paused.since, now)}: ${paused.reason}<br />To end it: ${resume}.${probe}
      </p>`,
    );
  }
  if (one.ledgerError)
    lines.push(
      html`<p>
        ${one.ledgerError.code === "source.clock" ? "" : "Can't read the load history: "}${explained(one.ledgerError)}
      </p>`,
    );
  const reasons = together(
    one.failedIntervals,
    ({ error }) => error.message,
    ({ interval }) => interval,
  );
  for (const { items, hull } of reasons.slice(0, REASONS_SHOWN))
    lines.push(failedLine(items, range(hull), paused?.reason, now));
  const more = reasons.length - REASONS_SHOWN;
  if (more > 0)
    lines.push(
      html`<p class="quiet">And ${plural(more, "other reason")}: <code>GET /api/exports/${one.export}</code></p>`,
    );
  if (one.failedIntervals.length === 0 && one.failuresInRow > 0 && one.lastError) {
    lines.push(html`<p>${explained(one.lastError)}</p>`);
  }
  if (one.lastAudit && one.lastAudit.lacking > 0) {
    const { readAt, lacking, unrepaired } = one.lastAudit;
    const again = unrepaired > 0 ? html`, ${count(unrepaired)} of them although they were read again` : "";
    lines.push(html`<p>The audit ${ago(readAt, now)} found ${plural(lacking, "session")} lacking${again}.</p>`);
  }
  const gaps = one.gapCount ?? one.gaps.length;
  const [first] = one.gaps;
  if (gaps > 0 && first) {
    lines.push(html`<p class="quiet">${plural(gaps, "gap")}, the oldest ${range(first)}</p>`);
  }
  return lines.length === 0 ? "" : detailRow(lines);
}

/** @param pauseReason the pause may already quote the error: then it isn't shown twice */
function failedLine(items: readonly FailedInterval[], where: Html, pauseReason: string | undefined, now: Date): Html {
  const [first] = items;
  if (!first) return html``;
  const { error, retryAt } = first;
  const again = retryAt ? html` Retried ${ago(retryAt, now)}.` : "";
  const what = html`${plural(items.length, "interval")} failed, ${where}`;
  if (pauseReason?.includes(error.message) === true) return html`<p>${what}. ${error.hint ?? ""}${again}</p>`;
  return html`<p>${what}: ${explained(error)}${again}</p>`;
}
