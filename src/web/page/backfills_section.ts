import { html } from "hono/html";
import type { Backfill } from "../../fleet/fleet.ts";
import { exportLink } from "./attention_section.ts";
import { ago, bytes, count, explained, type Html, plural, range, span } from "./format.ts";
import { tableSection } from "./table.ts";

export const BACKFILL_STYLE = { running: "info", done: "good", failed: "bad", cancelled: "" } as const;

export interface BackfillsContext {
  /** The exports of the config; others have no page. Undefined if they are unknown. */
  readonly names: ReadonlySet<string> | undefined;
  readonly shown: number;
  /** To the dashboard. */
  readonly root: string;
  readonly now: Date;
}

export function backfillsSection(backfills: readonly Backfill[], context: BackfillsContext): Html | "" {
  if (backfills.length === 0) return "";
  const { shown, root } = context;
  const more = backfills.length - shown;
  return tableSection({
    id: "backfills",
    title: "Backfills",
    note: `${count(backfills.length)} in 30 days`,
    columns: ["Export", "State", "Range", "Loaded", "Progress"],
    rows: backfills.slice(0, shown).map((one) => backfillRow(one, context)),
    below: more > 0 ? html`<p class="empty"><a href="${root}backfills">And ${count(more)} more</a></p>` : "",
  });
}

function backfillRow(one: Backfill, { names, root, now }: BackfillsContext): Html {
  const [failure] = one.failures;
  return html`<tr>
    <th scope="row">
      ${(names?.has(one.export) ?? true) ? exportLink(one.export, root) : html`${one.export} <small>not in the config any more</small>`}
      <small class="sub"
        ><a href="${root}backfills/${encodeURIComponent(one.id)}">${one.id}</a>${one.force ? ", forced" : ""}</small
      >
    </th>
    <td class="state"><span class="badge ${BACKFILL_STYLE[one.state]}">${one.state}</span></td>
    <td data-label="Range">
      ${range(one.range)}<small class="sub">requested ${ago(one.createdAt, now)} by ${one.createdBy}</small>
    </td>
    <td data-label="Loaded">${plural(one.rows, "row")}<small class="sub">${bytes(one.bytes)}</small></td>
    <td class="wide progress">
      ${progressBar(one)}
      ${failure && one.state !== "done" ? html`<small class="sub">${range(failure.interval)}: ${explained(failure.error)}</small>` : ""}
    </td>
  </tr>`;
}

/** How far it is: what is loaded, not what has ended. A cancelled one stays where it was. */
export function progressBar(one: Backfill): Html {
  const rest = one.etaSeconds === undefined ? "" : `, ${span(one.etaSeconds)} left`;
  const failed = one.failed > 0 ? html`, <span class="error">${count(one.failed)} failed</span>` : "";
  const cancelled = one.cancelled > 0 ? `, ${count(one.cancelled)} cancelled` : "";
  return html`<progress
      aria-label="Progress of backfill ${one.id}"
      max="${String(Math.max(one.total, 1))}"
      value="${String(one.total === 0 ? 1 : one.done)}"
    ></progress>
    <small>${count(one.done)} of ${plural(one.total, "interval")}${failed}${cancelled}${rest}</small>`;
}
