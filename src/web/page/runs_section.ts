import { html } from "hono/html";
import type { Run } from "../../queue/fleet.ts";
import { ago, bytes, count, explained, type Html, range } from "./format.ts";

export function failuresSection(failed: readonly Run[], now: Date): Html | "" {
  if (failed.length === 0) return "";
  return html`<section>
    <h2>Recent failures</h2>
    <div class="card">
      <table>
        <thead>
          <tr>
            <th>Export</th>
            <th>Interval</th>
            <th>What happened, and what to do</th>
            <th class="number">Attempts</th>
            <th>When</th>
          </tr>
        </thead>
        ${failed.map(
          (run) =>
            html`<tbody>
              <tr>
                <td class="name">
                  <span>${run.export}${run.backfill ? html`<small>${run.backfill}</small>` : ""}</span>
                </td>
                <td data-label="Interval">${range(run.interval)}</td>
                <td class="wide">
                  ${run.error ? explained(run.error) : "No reason was kept."}
                  <small><code>${run.error?.code}</code></small>
                </td>
                <td class="number" data-label="Attempts">${count(run.attempt)}</td>
                <td data-label="When">${run.finishedAt ? ago(run.finishedAt, now) : ""}</td>
              </tr>
            </tbody>`,
        )}
      </table>
    </div>
  </section>`;
}

const STAGES = {
  ledger: "asking the ledger",
  counting: "counting",
  staging: "staging and loading",
  loaded: "loaded",
} as const;

export function runningSection(runs: readonly Run[], now: Date): Html | "" {
  if (runs.length === 0) return "";
  return html`<section>
    <h2>Running <small>and to be tried again</small></h2>
    <div class="card">
      <table>
        <thead>
          <tr>
            <th>Export</th>
            <th>Interval</th>
            <th>State</th>
            <th class="number">Staged</th>
            <th>Worker</th>
          </tr>
        </thead>
        ${runs.map(
          (run) =>
            html`<tbody>
              <tr>
                <td class="name">
                  <span>${run.export}${run.backfill ? html`<small>${run.backfill}</small>` : ""}</span>
                </td>
                <td data-label="Interval">${range(run.interval)}</td>
                <td data-label="State">${stateOf(run, now)}</td>
                <td class="number" data-label="Staged">${count(run.rows)} <small>${bytes(run.bytes)}</small></td>
                <td data-label="Worker"><code>${run.worker}</code></td>
              </tr>
              ${
                run.state === "retrying" && run.error
                  ? html`<tr class="detail">
                      <td colspan="5">
                        <p>${explained(run.error)}</p>
                      </td>
                    </tr>`
                  : ""
              }
            </tbody>`,
        )}
      </table>
    </div>
  </section>`;
}

function stateOf(run: Run, now: Date): Html {
  if (run.state === "retrying") {
    const when = run.nextAttemptAt ? ago(run.nextAttemptAt, now) : "";
    return html`<span><span class="badge warn">attempt ${run.attempt + 1}</span> ${when}</span>`;
  }
  const stage = run.stage === undefined ? "begun" : STAGES[run.stage];
  return html`<span
    ><span class="badge info">${stage}</span>
    ${run.startedAt ? html`<small>${ago(run.startedAt, now)}</small>` : ""}</span
  >`;
}
