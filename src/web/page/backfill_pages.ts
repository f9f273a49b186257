/** The list of backfills, and the page of one. */
import { html } from "hono/html";
import type { Backfill, Run } from "../../fleet/fleet.ts";
import { exportLink } from "./attention_section.ts";
import { BACKFILL_STYLE, backfillsSection, progressBar } from "./backfills_section.ts";
import { ago, bytes, clock, count, explained, type Html, plural, range, span } from "./format.ts";
import { runsSection } from "./run_sections.ts";
import { pageOf, type Visitor } from "./shell.ts";

export function backfillsPage(
  backfills: readonly Backfill[],
  names: ReadonlySet<string>,
  at: Date,
  visitor: Visitor,
  refreshes: boolean,
): Html {
  const list = backfillsSection(backfills, { names, shown: backfills.length, root: "./", now: at });
  return pageOf(
    { title: "Backfills – Replayport", root: "./", at, visitor, refreshes, self: "backfills" },
    html`<h1>Backfills</h1>
      <div id="list" data-live>
        ${list === "" ? html`<div class="card"><p class="empty">None in the last 30 days.</p></div>` : list}
      </div>`,
  );
}

export interface BackfillSnapshot {
  readonly at: Date;
  readonly backfill: Backfill;
  readonly runs: readonly Run[];
  /** Whether the config still has its export. */
  readonly known: boolean;
}

export function backfillPage(snapshot: BackfillSnapshot, visitor: Visitor, refreshes: boolean): Html {
  const { at, backfill: one, runs, known } = snapshot;
  const path = encodeURIComponent(one.id);
  const seconds = one.finishedAt && (one.finishedAt.getTime() - one.createdAt.getTime()) / 1000;
  const plan = [
    `${plural(one.total, "interval")}${one.force ? ", forced: loads again what is loaded" : ""}`,
    ...(one.open > 0 ? [`${count(one.open)} remaining`] : []),
    ...(one.running > 0 ? [`${count(one.running)} in the queue or running`] : []),
  ].join(", ");
  return pageOf(
    { title: `Backfill of ${one.export} – Replayport`, root: "../", at, visitor, refreshes, self: path },
    html`<p class="crumbs">
        <a href="../backfills">Backfills</a> / ${known ? exportLink(one.export, "../") : one.export}
      </p>
      <div id="backfill" data-live>
        <div class="head">
          <h1>Backfill of ${one.export}</h1>
          <span class="badge ${BACKFILL_STYLE[one.state]}">${one.state}</span>
          ${visitor.login === "in" ? actions(one, path) : ""}
        </div>
        <dl class="facts card">
          <dt>Progress</dt>
          <dd>${progressBar(one)}</dd>
          <dt>Range</dt>
          <dd>${range(one.range)}</dd>
          <dt>Plan</dt>
          <dd>${plan}</dd>
          <dt>Loaded</dt>
          <dd>${plural(one.rows, "row")}, ${bytes(one.bytes)}</dd>
          <dt>Requested</dt>
          <dd>${clock(one.createdAt)} by ${one.createdBy}</dd>
          ${
            one.finishedAt
              ? html`<dt>Ended</dt>
                  <dd>${clock(one.finishedAt)}, after ${span(seconds ?? 0)}</dd>`
              : ""
          }
          <dt>Id</dt>
          <dd><code>${one.id}</code></dd>
        </dl>
        ${failures(one, at)} ${runsSection(runs, at)}
      </div>`,
  );
}

function actions({ state, failed }: Backfill, path: string): Html {
  return html`<div class="actions">
    ${state === "running" ? html`<a class="button" href="${path}/cancel">Cancel</a>` : ""}
    ${state === "failed" || (state === "running" && failed > 0) ? html`<a class="button" href="${path}/retry">Retry failed</a>` : ""}
  </div>`;
}

function failures({ failures: all, failed }: Backfill, now: Date): Html | "" {
  if (all.length === 0) return "";
  return html`<h2>Failed <small>${count(failed)}</small></h2>
    <ul class="issues card">
      ${all.map(
        ({ interval, error }) =>
          html`<li class="is-bad">
            <h3>${range(interval)} <small>${ago(error.at, now)}</small></h3>
            <p>${explained(error)} <code>${error.code}</code></p>
          </li>`,
      )}
    </ul>`;
}
