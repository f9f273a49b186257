import { html } from "hono/html";
import type { Run } from "../../fleet/fleet.ts";
import { ago, bytes, count, explained, type Html, plural, range, span, together } from "./format.ts";

/** Whatever failed of one export for one reason is one row. */
const FAILURES_SHOWN = 8;

export function failuresSection(failed: readonly Run[], now: Date): Html | "" {
  if (failed.length === 0) return "";
  const groups = together(
    failed,
    (run) => JSON.stringify([run.export, run.backfill, run.error?.code, run.error?.message]),
    ({ interval }) => interval,
  );
  return html`<section aria-labelledby="failures">
    <h2 id="failures">Recent failures</h2>
    <div class="card">
      <table aria-labelledby="failures">
        <thead>
          <tr>
            <th scope="col">Export</th>
            <th scope="col">Intervals</th>
            <th scope="col">What happened, and what to do</th>
            <th scope="col">Last</th>
          </tr>
        </thead>
        <tbody>
          ${groups.slice(0, FAILURES_SHOWN).map(({ items, hull }) => {
            // Newest first.
            const [run] = items;
            if (!run) return "";
            return html`<tr>
              <th scope="row">${run.export}${run.backfill ? html`<small>backfill ${run.backfill}</small>` : ""}</th>
              <td data-label="Intervals">${count(items.length)}<small>${range(hull)}</small></td>
              <td class="wide">
                ${run.error ? explained(run.error) : "No reason was kept."}
                <small><code>${run.error?.code}</code>, ${plural(run.attempt, "attempt")}</small>
              </td>
              <td data-label="Last">${run.finishedAt ? ago(run.finishedAt, now) : "–"}</td>
            </tr>`;
          })}
        </tbody>
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
  return html`<section aria-labelledby="running">
    <h2 id="running">Running <small>and to be tried again</small></h2>
    <div class="card">
      <table aria-labelledby="running">
        <thead>
          <tr>
            <th scope="col">Export</th>
            <th scope="col">State</th>
            <th scope="col">Interval</th>
            <th scope="col">Staged</th>
            <th scope="col">Worker</th>
          </tr>
        </thead>
        ${runs.map(
          (run) =>
            html`<tbody>
              <tr>
                <th scope="row">${run.export}${run.backfill ? html`<small>backfill ${run.backfill}</small>` : ""}</th>
                <td class="state">${stateOf(run, now)}</td>
                <td class="range" data-label="Interval">${range(run.interval)}</td>
                <td data-label="Staged">
                  ${run.files > 0 ? html`${plural(run.rows, "row")}<small>${bytes(run.bytes)}</small>` : "–"}
                </td>
                <td data-label="Worker"><code>${run.worker ?? "–"}</code></td>
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
    return html`<span class="badge warn">attempt ${run.attempt + 1}</span> <small>${when}</small>`;
  }
  const stage = run.stage === undefined ? "begun" : STAGES[run.stage];
  const seconds = run.startedAt && Math.max(0, (now.getTime() - run.startedAt.getTime()) / 1000);
  const nth = run.attempt > 1 ? `, attempt ${run.attempt}` : "";
  return html`<span class="badge info">${stage}</span>
    <small>${seconds === undefined ? "" : `for ${span(seconds)}`}${nth}</small>`;
}
