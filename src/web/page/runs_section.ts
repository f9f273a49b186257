import { html } from "hono/html";
import type { ExportStatus, Run, RunState } from "../../fleet/fleet.ts";
import { placeOf } from "./attention.ts";
import { exportLink } from "./attention_section.ts";
import { isFailing } from "./condition.ts";
import { ago, bytes, count, explained, type Html, plural, range, span, together } from "./format.ts";
import { tableSection } from "./table.ts";

const FAILURES_SHOWN = 8;
const NAMES_SHOWN = 3;

/**
 * What failed and works again, each cause once; what fails now needs attention, and is shown there.
 * @param failed of exports in the config
 */
export function failuresSection(failed: readonly Run[], exports: readonly ExportStatus[], now: Date): Html | "" {
  const byName = new Map(exports.map((one) => [one.export, one]));
  const over = failed.filter((run) => {
    const one = byName.get(run.export);
    return !one || !isFailing(one);
  });
  if (over.length === 0) return "";
  const groups = together(
    over,
    ({ export: name, error }) => JSON.stringify([placeOf(byName.get(name), error?.code), error?.code]),
    ({ interval }) => interval,
  );
  return tableSection({
    id: "failures",
    title: "Recent failures",
    note: "of exports that work again",
    columns: ["Exports", "Intervals", "What happened, and what to do", "Last"],
    rows: groups.slice(0, FAILURES_SHOWN).map(({ items: [newest, ...others], hull }) => {
      if (!newest) return html``;
      const { error } = newest;
      const names = [...new Set([newest, ...others].map((run) => run.export))];
      const more = names.length - NAMES_SHOWN;
      return html`<tr>
        <th scope="row">
          ${names.slice(0, NAMES_SHOWN).map((name) => html`${exportLink(name, "./")}<br />`)}
          ${more > 0 ? html`<small>and ${count(more)} more</small>` : ""}
        </th>
        <td data-label="Intervals">${count(others.length + 1)}<small class="sub">${range(hull)}</small></td>
        <td class="wide">
          ${error ? explained(error) : "No error was recorded."}
          <small class="sub"><code>${error?.code}</code>, ${plural(newest.attempt, "attempt")}</small>
        </td>
        <td data-label="Last">${runLink(newest, "./", newest.finishedAt ? ago(newest.finishedAt, now) : "–")}</td>
      </tr>`;
    }),
  });
}

function exportCell(run: Run): Html {
  return html`<th scope="row">
    ${exportLink(run.export, "./")}${run.backfill ? html`<small class="sub">backfill ${run.backfill}</small>` : ""}
  </th>`;
}

/** @param root to the dashboard */
export function runLink(run: Run, root: string, text: Html | string): Html {
  return html`<a href="${root}run?id=${encodeURIComponent(run.id)}">${text}</a>`;
}

const STAGES = {
  ledger: "reading the load history",
  counting: "counting",
  staging: "staging and loading",
  loaded: "loaded",
} as const;

export function runningSection(runs: readonly Run[], now: Date): Html | "" {
  if (runs.length === 0) return "";
  return tableSection({
    id: "running",
    title: "Running",
    note: "and waiting to be retried",
    columns: ["Export", "State", "Interval", "Staged", "Worker"],
    rows: runs.map((run) => runningRow(run, now)),
  });
}

function runningRow(run: Run, now: Date): Html {
  return html`<tr>
    ${exportCell(run)}
    <td class="state">${runState(run, now)}</td>
    <td data-label="Interval">${range(run.interval)}</td>
    <td data-label="Staged">
      ${run.files > 0 ? html`${plural(run.rows, "row")}<small class="sub">${bytes(run.bytes)}</small>` : "–"}
    </td>
    <td class="wide" data-label="Worker">${runLink(run, "./", html`<code>${run.worker ?? "no worker yet"}</code>`)}</td>
  </tr>`;
}

const STATE_STYLE = {
  queued: "",
  running: "info",
  retrying: "warn",
  loaded: "good",
  covered: "",
  failed: "bad",
  cancelled: "",
} as const satisfies Record<RunState, string>;

/** It compares, and loads nothing. */
export function isAudit({ id }: Run): boolean {
  return id.endsWith("/audit");
}

export function runState(run: Run, now: Date): Html {
  if (run.state === "retrying") {
    const when = run.nextAttemptAt ? ago(run.nextAttemptAt, now) : "";
    return html`<span class="badge warn">attempt ${run.attempt + 1}</span> <small>${when}</small>`;
  }
  if (run.state !== "running") {
    const text = run.state === "loaded" && isAudit(run) ? "audited" : run.state;
    return html`<span class="badge ${STATE_STYLE[run.state]}">${text}</span>`;
  }
  const stage = run.stage === undefined ? "started" : STAGES[run.stage];
  const seconds = run.startedAt && Math.max(0, (now.getTime() - run.startedAt.getTime()) / 1000);
  const nth = run.attempt > 1 ? `, attempt ${run.attempt}` : "";
  return html`<span class="badge info">${stage}</span>
    <small>${seconds === undefined ? "" : `for ${span(seconds)}`}${nth}</small>`;
}
