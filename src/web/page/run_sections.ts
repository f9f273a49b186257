/** Runs as a table, and where a run's time went. */
import { html } from "hono/html";
import type { Run, RunTimes } from "../../fleet/fleet.ts";
import { ago, bytes, count, explained, type Html, range, span } from "./format.ts";
import { isAudit, runLink, runState } from "./runs_section.ts";
import { tableSection } from "./table.ts";

export const secondsOf = ({ startedAt, finishedAt }: Run): number | undefined =>
  startedAt && finishedAt && Math.max(0, (finishedAt.getTime() - startedAt.getTime()) / 1000);

export function runsSection(runs: readonly Run[], now: Date, title = "Runs"): Html | "" {
  if (runs.length === 0) return "";
  return tableSection({
    id: "runs-title",
    title,
    columns: ["Interval", "State", "Took", "Attempt", "Rows", "When"],
    rows: runs.map((run) => runRow(run, now)),
  });
}

function runRow(run: Run, now: Date): Html {
  const seconds = secondsOf(run);
  const { times, error, state } = run;
  const when = run.finishedAt ?? run.startedAt ?? run.queuedAt;
  const isAbout = error !== undefined && (state === "failed" || state === "retrying");
  return html`<tr>
    <th scope="row">
      ${runLink(run, "../", range(run.interval))} ${isAudit(run) ? html`<small class="sub">audit</small>` : ""}
      ${run.backfill === undefined ? "" : html`<small class="sub">backfill ${run.backfill}</small>`}
      ${isAbout ? html`<small class="sub">${explained(error)} <code>${error.code}</code></small>` : ""}
    </th>
    <td class="state">${runState(run, now)}</td>
    <td data-label="Took">${seconds === undefined ? "–" : span(seconds)} ${times ? stageBar(times) : ""}</td>
    <td data-label="Attempt">${count(run.attempt)}</td>
    <td data-label="Rows">
      ${run.files > 0 ? html`${count(run.rows)}<small class="sub">${bytes(run.bytes)}</small>` : "–"}
    </td>
    <td data-label="When">${ago(when, now)}</td>
  </tr>`;
}

const STAGES = [
  ["count", "counting", "countSeconds"],
  ["stage", "reading the source", "stageSeconds"],
  ["load", "loading", "loadSeconds"],
] as const satisfies readonly (readonly [string, string, keyof RunTimes])[];

export function stageBar(times: RunTimes): Html {
  const total = STAGES.reduce((sum, [, , key]) => sum + times[key], 0);
  if (total === 0) return html``;
  let from = 0;
  const parts = STAGES.map(([id, , key]) => {
    const width = Math.round((times[key] / total) * 1000) / 10;
    const part = html`<rect class="s-${id}" x="${String(from)}" y="0" width="${String(width)}" height="12"></rect>`;
    from += width;
    return part;
  });
  const label = STAGES.map(([, text, key]) => `${text} ${inSeconds(times[key])}`).join(", ");
  return html`<svg class="stages" viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label="${label}">
    <title>${label}</title>
    ${parts}
  </svg>`;
}

export function stageLegend(times: RunTimes): Html {
  return html`<ul class="legend">
    ${STAGES.map(([id, text, key]) => html`<li><span class="key k-${id}"></span> ${text}: ${inSeconds(times[key])}</li>`)}
  </ul>`;
}

function inSeconds(value: number): string {
  return value < 10 ? `${Math.round(value * 10) / 10} s` : span(value);
}
