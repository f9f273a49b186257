/** The page of one export. */
import { html } from "hono/html";
import type { Receipt } from "../../../destinations/destination.ts";
import type { Backfill, ExportHistory, ExportRules, ExportStatus, Run } from "../../fleet/fleet.ts";
import type { Interval } from "../../intervals/interval.ts";
import { issuesOf } from "./attention.ts";
import { issueList } from "./attention_section.ts";
import { backfillsSection } from "./backfills_section.ts";
import { chartsSection } from "./charts_section.ts";
import { badgeOf, isFailing, punctuality } from "./condition.ts";
import { coverageOf } from "./coverage.ts";
import { coverageSection } from "./coverage_section.ts";
import { ago, bytes, clock, count, type Html, plural, range, span } from "./format.ts";
import { tile } from "./overview_page.ts";
import { runsSection } from "./run_sections.ts";
import { pageOf, type Visitor } from "./shell.ts";
import { CHARTS_PATH } from "./static.ts";
import { tableSection } from "./table.ts";

export interface ExportSnapshot {
  readonly at: Date;
  readonly status: ExportStatus;
  readonly rules: ExportRules;
  /** Undefined if the destination hasn't answered. */
  readonly history: ExportHistory | undefined;
  /** What the history and the calendar are about: whole days. */
  readonly range: Interval;
  readonly runs: readonly Run[];
  readonly backfills: readonly Backfill[];
  /** Redacted. */
  readonly problems: readonly string[];
}

const DAY_MS = 86_400_000;
/** Four weeks fit on a screen. */
export const DAYS_SHOWN = 28;
const RUNS_SHOWN = 12;
const RECEIPTS_SHOWN = 100;
const BACKFILLS_SHOWN = 5;

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);

export function exportPage(snapshot: ExportSnapshot, visitor: Visitor, refreshes: boolean): Html {
  const { at, status, rules, history, problems } = snapshot;
  const name = status.export;
  const path = encodeURIComponent(name);
  const mayAct = visitor.login === "in";
  const { text, kind } = badgeOf(status);
  const issues = issuesOf([status]);
  const frame = {
    title: `${isFailing(status) || status.paused ? "✕ " : ""}${name} – Replayport`,
    root: "../",
    at,
    visitor,
    refreshes,
    problems,
    self: path,
    scripts: [CHARTS_PATH],
  };
  return pageOf(frame, [
    html`<p class="crumbs"><a href="../">Exports</a> / ${status.destination}</p>
      <div id="top" data-live>
        <div class="head">
          <h1>${name}</h1>
          <span class="badge ${kind}">${text}</span>
          <span class="quiet">${status.schedule} → ${status.destination}</span>
          ${mayAct ? actions(status, path) : ""}
        </div>
        ${facts(status, at)}
        ${
          issues.length === 0
            ? ""
            : html`<h2>Needs attention</h2>
                ${issueList(issues, "../", at, true)}`
        }
      </div>`,
    html`<div id="coverage" data-live>${calendar(snapshot, path, mayAct)}</div>`,
    html`<div id="charts" data-live>${chartsSection(history?.receipts ?? [], status.recentLoads, rules.sweep)}</div>`,
    html`<div id="runs" data-live>
      ${runsSection(snapshot.runs.slice(0, RUNS_SHOWN), at)}
      ${backfillsSection(snapshot.backfills, { names: new Set([name]), shown: BACKFILLS_SHOWN, root: "../", now: at })}
    </div>`,
    html`<div id="receipts" data-live>${receiptsSection(snapshot, path, mayAct)}</div>`,
    rulesSection(rules),
  ]);
}

function actions(status: ExportStatus, path: string): Html {
  const isIll = status.paused !== undefined || isFailing(status);
  return html`<div class="actions">
    ${isIll ? html`<a class="button" href="${path}/resume">Resume</a>` : ""}
    ${isFailing(status) && !status.paused ? html`<a class="button" href="${path}/retry">Retry failed</a>` : ""}
    ${status.paused ? "" : html`<a class="button" href="${path}/pause">Pause</a>`}
    <a class="button" href="${path}/backfill">Backfill</a>
  </div>`;
}

function facts(status: ExportStatus, now: Date): Html {
  const { loadedUntil, lagSeconds, nextAt, lastReceipt: last, due, queued, running, lastAudit } = status;
  const taken = queued + running;
  return html`<dl class="tiles">
    ${tile("Loaded until", loadedUntil ? clock(loadedUntil) : status.ledgerAt ? "nothing yet" : undefined, lagSeconds === undefined ? "" : `${span(lagSeconds)} behind, ${punctuality(status) ?? ""}`)}
    ${tile("Next interval", nextAt ? ago(nextAt, now) : undefined, status.timezone)}
    ${tile("Due", due === undefined ? undefined : count(due), taken > 0 ? `${count(taken)} in the queue` : "")}
    ${tile("Last load", last ? ago(last.committedAt, now) : undefined, last ? `${plural(last.rows, "row")}, ${bytes(last.bytes)}` : "")}
    ${tile("Last audit", lastAudit ? ago(lastAudit.readAt, now) : undefined, lastAudit ? `${plural(lastAudit.lacking, "session")} lacking` : "none yet")}
  </dl>`;
}

function calendar(snapshot: ExportSnapshot, path: string, mayAct: boolean): Html {
  const { range: shown, history, status, rules, runs, backfills, at: now } = snapshot;
  const live = runs.filter(({ state }) => state === "queued" || state === "running" || state === "retrying");
  const query = (until: number): string => `${path}?until=${dayOf(new Date(until - DAY_MS))}`;
  const latest = shown.end.getTime() + DAYS_SHOWN * DAY_MS;
  const last = rules.end !== undefined && rules.end < now ? rules.end : now;
  return coverageSection({
    days:
      history &&
      coverageOf({
        range: shown,
        rules,
        history,
        now,
        backfills,
        failed: status.failedIntervals,
        runs: live,
      }).toReversed(),
    earlier: shown.start > rules.start ? query(shown.start.getTime()) : undefined,
    later: shown.end < last ? (latest >= last.getTime() ? path : query(latest)) : undefined,
    load: mayAct ? ({ interval }) => `${path}/backfill?${rangeQuery(interval)}` : undefined,
  });
}

/** For the form that loads a range. */
export function rangeQuery({ start, end }: Interval, force = false): string {
  const text = (time: Date): string => time.toISOString().slice(0, 16);
  return new URLSearchParams({ from: text(start), to: text(end), ...(force ? { force: "on" } : {}) }).toString();
}

function receiptsSection({ history, rules }: ExportSnapshot, path: string, mayAct: boolean): Html | "" {
  if (!history || history.receipts.length === 0) return "";
  const receipts = history.receipts.toReversed();
  const more = receipts.length - RECEIPTS_SHOWN;
  const rows = receipts.reduce((sum, one) => sum + one.rows, 0);
  const size = receipts.reduce((sum, one) => sum + one.bytes, 0);
  return tableSection({
    id: "receipts-title",
    title: "Receipts and files",
    note: "what the destination has of the days above, newest first",
    folded: `${plural(receipts.length, "batch", "batches")}, ${plural(rows, "row")}, ${bytes(size)}`,
    columns: ["Interval", "Committed", "Rows", "Files", "Where", "Replays"],
    rows: receipts.slice(0, RECEIPTS_SHOWN).map((one) => receiptRow(one, rules, mayAct ? path : undefined)),
    below: more > 0 ? html`<p class="empty">And ${plural(more, "older one")} in these days.</p>` : "",
  });
}

function receiptRow(one: Receipt, rules: ExportRules, path: string | undefined): Html {
  const again = path && html`<a href="${path}/backfill?${rangeQuery(one.interval, true)}">Load again</a>`;
  const lost =
    one.lost === undefined ? "" : html`<small class="sub">keeps ${plural(one.lost, "row")} of earlier reads</small>`;
  return html`<tr>
    <th scope="row">${range(one.interval)}</th>
    <td data-label="Committed">${clock(one.committedAt)}</td>
    <td data-label="Rows">${count(one.rows)}${lost}</td>
    <td data-label="Files">${count(one.files)}<small class="sub">${bytes(one.bytes)}</small></td>
    <td class="wide" data-label="Where">
      ${(one.folders ?? []).map(({ path: folder, extension }) => html`<code>${folder}/*${extension}</code><br />`)}
      <small>attempt <code>${one.attempt}</code></small>
    </td>
    <td data-label="Replays">${replayLinks(rules, one.interval)} ${again ?? ""}</td>
  </tr>`;
}

/** PostHog's list of the replays of that time, for each team. */
export function replayLinks({ projects }: Pick<ExportRules, "projects">, { start, end }: Interval): Html | "" {
  const filters = JSON.stringify({ date_from: start.toISOString(), date_to: end.toISOString() });
  return html`${projects.map(
    ({ team, url }) =>
      html`<a href="${url}?${new URLSearchParams({ filters }).toString()}" rel="noreferrer">Project ${team}</a> `,
  )}`;
}

function rulesSection({ rules }: ExportRules): Html {
  return html`<section aria-labelledby="rules">
    <h2 id="rules">Rules in force</h2>
    <dl class="facts card">
      ${rules.map(
        ({ name, value }) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </section>`;
}
