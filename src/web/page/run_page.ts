/** The page of one run, with the earlier runs of its interval. */
import { html } from "hono/html";
import type { ExportRules, Run } from "../../fleet/fleet.ts";
import { exportLink } from "./attention_section.ts";
import { rangeQuery, replayLinks } from "./export_page.ts";
import { ago, bytes, clock, explained, type Html, plural, range, span } from "./format.ts";
import { secondsOf, stageBar, stageLegend } from "./run_sections.ts";
import { isAudit, runState } from "./runs_section.ts";
import { pageOf, type Visitor } from "./shell.ts";

export interface RunSnapshot {
  readonly at: Date;
  /** Of one id, newest first. */
  readonly runs: readonly [Run, ...Run[]];
  readonly rules: ExportRules;
}

export function runPage({ at, runs, rules }: RunSnapshot, visitor: Visitor, refreshes: boolean): Html {
  const [run, ...earlier] = runs;
  const self = `run?id=${encodeURIComponent(run.id)}`;
  return pageOf(
    { title: `Run of ${run.export} – Replayport`, root: "./", at, visitor, refreshes, self },
    html`<p class="crumbs"><a href="./">Exports</a> / ${exportLink(run.export, "./")}</p>
      <div id="run" data-live>
        <div class="head">
          <h1>${range(run.interval)}</h1>
          ${runState(run, at)} ${visitor.login === "in" && !isAudit(run) ? loadAgain(run) : ""}
        </div>
        <div class="card">${runFacts(run, rules, at)}</div>
        ${
          earlier.length === 0
            ? ""
            : html`<h2>Earlier runs <small>of the same interval</small></h2>
                ${earlier.map((one) => html`<div class="card">${runFacts(one, rules, at)}</div>`)}`
        }
      </div>`,
  );
}

function loadAgain(run: Run): Html {
  const path = `exports/${encodeURIComponent(run.export)}/backfill?${rangeQuery(run.interval, true)}`;
  return html`<div class="actions"><a class="button" href="${path}">Load again</a></div>`;
}

function runFacts(run: Run, rules: ExportRules, now: Date): Html {
  const { error, times, startedAt, finishedAt, queuedAt } = run;
  const seconds = secondsOf(run);
  const waited = startedAt && (startedAt.getTime() - queuedAt.getTime()) / 1000;
  const fact = (name: string, value: Html | string): Html =>
    html`<dt>${name}</dt>
      <dd>${value}</dd>`;
  const replays = replayLinks(rules, run.interval);
  return html`<dl class="facts">
    ${error ? fact(run.state === "failed" || run.state === "retrying" ? "Error" : "Earlier error", html`${explained(error)}<br /><code>${error.code}</code> ${ago(error.at, now)}`) : ""}
    ${fact("State", html`${runState(run, now)}, ${plural(run.attempt, "attempt")}`)}
    ${run.files > 0 ? fact("Loaded", `${plural(run.rows, "row")}, ${plural(run.files, "file")}, ${bytes(run.bytes)}`) : ""}
    ${fact("Queued", html`${clock(queuedAt)}${waited !== undefined && waited >= 0 ? `, waited ${span(waited)}` : ""}`)}
    ${startedAt ? fact("Started", clock(startedAt)) : ""}
    ${finishedAt ? fact("Finished", html`${clock(finishedAt)}${seconds === undefined ? "" : `, took ${span(seconds)}`}`) : ""}
    ${times ? fact("Stages", html`${stageBar(times)}${stageLegend(times)}`) : ""}
    ${run.backfill === undefined ? "" : fact("Backfill", html`<a href="backfills/${encodeURIComponent(run.backfill)}">${run.backfill}</a>`)}
    ${run.worker === undefined ? "" : fact("Worker", html`<code>${run.worker}</code>`)}
    ${rules.projects.length === 0 ? "" : fact("Replays in PostHog", replays)}
    ${fact("Id", html`<code>${run.id}</code>`)}
  </dl>`;
}
