import { html } from "hono/html";
import type { Run } from "../../fleet/fleet.ts";
import { ago, bytes, count, explained, type Html, plural, range, span, together } from "./format.ts";
import { detailRow, tableSection } from "./table.ts";

/** Failures of one export for the same reason share a row. */
const FAILURES_SHOWN = 8;

export function failuresSection(failed: readonly Run[], now: Date): Html | "" {
  if (failed.length === 0) return "";
  const groups = together(
    failed,
    (run) => JSON.stringify([run.export, run.backfill, run.error?.code, run.error?.message]),
    ({ interval }) => interval,
  );
  return tableSection({
    id: "failures",
    title: "Recent failures",
    columns: ["Export", "Intervals", "What happened, and what to do", "Last"],
    body: html`<tbody>
      ${groups.slice(0, FAILURES_SHOWN).map(({ items: [newest, ...others], hull }) => {
        if (!newest) return "";
        const { error } = newest;
        return html`<tr>
          ${exportCell(newest)}
          <td data-label="Intervals">${count(others.length + 1)}<small>${range(hull)}</small></td>
          <td class="wide">
            ${error ? explained(error) : "No error was recorded."}
            <small><code>${error?.code}</code>, ${plural(newest.attempt, "attempt")}</small>
          </td>
          <td data-label="Last">${newest.finishedAt ? ago(newest.finishedAt, now) : "–"}</td>
        </tr>`;
      })}
    </tbody>`,
  });
}

function exportCell(run: Run): Html {
  return html`<th scope="row">${run.export}${run.backfill ? html`<small>backfill ${run.backfill}</small>` : ""}</th>`;
}

const STAGES = {
  ledger: "reading the ledger",
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
    body: runs.map((run) => runningRow(run, now)),
  });
}

function runningRow(run: Run, now: Date): Html {
  return html`<tbody>
    <tr>
      ${exportCell(run)}
      <td class="state">${stateOf(run, now)}</td>
      <td class="range" data-label="Interval">${range(run.interval)}</td>
      <td data-label="Staged">
        ${run.files > 0 ? html`${plural(run.rows, "row")}<small>${bytes(run.bytes)}</small>` : "–"}
      </td>
      <td data-label="Worker"><code>${run.worker ?? "–"}</code></td>
    </tr>
    ${run.state === "retrying" && run.error ? detailRow(html`<p>${explained(run.error)}</p>`) : ""}
  </tbody>`;
}

function stateOf(run: Run, now: Date): Html {
  if (run.state === "retrying") {
    const when = run.nextAttemptAt ? ago(run.nextAttemptAt, now) : "";
    return html`<span class="badge warn">attempt ${run.attempt + 1}</span> <small>${when}</small>`;
  }
  const stage = run.stage === undefined ? "started" : STAGES[run.stage];
  const seconds = run.startedAt && Math.max(0, (now.getTime() - run.startedAt.getTime()) / 1000);
  const nth = run.attempt > 1 ? `, attempt ${run.attempt}` : "";
  return html`<span class="badge info">${stage}</span>
    <small>${seconds === undefined ? "" : `for ${span(seconds)}`}${nth}</small>`;
}
